"""YAML as configs are written in: 1e-3 is a number, nothing is a date, keys are text and no key may stand twice."""

import re
from typing import Any

import yaml

from vineppo.errors import UserError

EXPONENT = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+\Z")
TEXT_TAGS = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge")


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader with these rules."""

    yaml_implicit_resolvers = {  # noqa: RUF012 (PyYAML's own name and type)
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """A mapping, its keys checked."""
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if key.tag not in TEXT_TAGS:
                raise yaml.MarkedYAMLError(problem="a key is not text", problem_mark=key.start_mark)
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"key {key.value} stands twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return node


class Dumper(yaml.SafeDumper):
    """Writes what `Loader` reads."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # Double quotes escape line breaks; PyYAML's own choice doubles some and reads others back as spaces.
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if text.splitlines() != [text] else None)


Dumper.add_representer(str, _represent_text)
for _kind in (Loader, Dumper):
    _kind.add_implicit_resolver("tag:yaml.org,2002:float", EXPONENT, list("-+.0123456789"))


def parse_yaml(text: str, *, where: str) -> object:
    """What a text says. `where` opens the message: which text this is."""
    try:
        return yaml.load(text, Loader=Loader)
    except (yaml.YAMLError, ValueError) as error:
        problem, line = str(error).partition("\n")[0], ""
        if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
            problem, line = error.problem, f", line {error.problem_mark.line + 1}"
        raise UserError(f"{where}{line}: {problem}; correct the YAML, or quote what is meant as text") from None
