"""YAML file + dotted overrides -> a checked config, and back. Torch-free; no environment variable is read.

What wins, lowest first: the model's defaults, the file, the file's `variants` for the names chosen, the overrides.

    task: {name: arithmetic, operations: 8}
    credit: {name: vine, rollouts: 9}       # or `credit: vine`
    variants:                               # settings that hold only while that variant is chosen
      credit:
        ppo: {critic_learning_rate: 1e-3}

With this file the override `credit=ppo` drops `rollouts`, which PPO does not have, and sets the critic's learning rate.
A variant may also bring settings of the sections that have no variants, under `also`:

    variants:
      recipe:
        rest_em: {kept: 10, also: {training: {iterations: 10}}}
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar, get_args, overload

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from vineppo.config.fields import (
    default_name_of,
    expected_at,
    item_of,
    names_of,
    one_of,
    sections_of,
    show,
    variants_of,
)
from vineppo.config.keys import describe_keys
from vineppo.config.own import FORM, with_own_choices
from vineppo.config.schema import Config
from vineppo.config.yaml_text import Dumper, parse_yaml
from vineppo.errors import UserError
from vineppo.places import nearest

Tree = dict[str, object]
"""A config or a part of it, before it is checked."""

Model = TypeVar("Model", bound=BaseModel)

PLACE = re.compile(r"(^|_)(path|dir|file|output)$")
"""Keys of settings that name a file or folder."""

ALSO = "also"
"""The key of a preset under which it has settings of other sections."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Preset:
    """What a file says of one variant."""

    own: Tree
    """Settings of the variant's own section."""
    also: Tree
    """Settings of sections without variants."""


@overload
def load_config(path: Path | str | None, overrides: Sequence[str] = ()) -> Config: ...
@overload
def load_config(path: Path | str | None, overrides: Sequence[str], model: type[Model]) -> Model: ...
def load_config(path: Path | str | None, overrides: Sequence[str] = (), model: type[BaseModel] = Config) -> BaseModel:
    """The config that a file (none: the defaults) and overrides such as `credit.rollouts=3` make."""
    tree = {} if path is None else _read_file(Path(path))
    variants = tree.pop("variants", {})
    top: Tree = {}
    for text in overrides:
        top = _merge(top, _expand_names(parse_override(text), model))
    model = with_own_choices(model, [_expand_names(tree, model), top], variants if isinstance(variants, dict) else {})
    presets = _check_presets(variants, model)
    return _validate(_at_home(_combine(_expand_names(tree, model), presets, top, model)), model)


def dump_config(config: BaseModel) -> str:
    """YAML that `load_config` reads back to an equal config."""
    return yaml.dump(
        _names_first(config.model_dump()), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=10_000
    )


def _names_first(value: object) -> object:
    """What a section is stands before what it is like."""
    if not isinstance(value, dict):
        return value
    name = {"name": value["name"]} if "name" in value else {}
    return name | {key: _names_first(part) for key, part in value.items()}


# --- combining ---------------------------------------------------------------------------------------------------


def _combine(tree: Tree, presets: Mapping[str, Mapping[str, Preset]], top: Tree, model: type[BaseModel]) -> Tree:
    """Lay the presets of the names chosen, then the overrides, over the file's tree."""
    unions = {key: field for key, field in model.model_fields.items() if variants_of(field)}
    for key, field in unions.items():
        preset = presets.get(key, {}).get(_chosen_name(_part(tree, key), _part(top, key), field))
        tree = _merge(tree, preset.also if preset else {})
    combined = _merge(tree, top)
    for key, field in unions.items():
        if isinstance(combined.get(key, presets.get(key)), dict):
            combined[key] = _combine_variant(_part(tree, key), presets.get(key, {}), _part(top, key), field)
    return combined


def _combine_variant(base: Tree, presets: Mapping[str, Preset], top: Tree, field: FieldInfo) -> Tree:
    """The same for one section that has variants: what the chosen variant does not know gives way."""
    before, name = base.get("name", default_name_of(field)), _chosen_name(base, top, field)
    dropped = _keys_of(before, field) - _keys_of(name, field)
    kept = {key: value for key, value in base.items() if key not in dropped}
    preset = presets.get(name)
    # A name that is no text is left to the check, which names what was given.
    return _merge(_merge({**kept, "name": top.get("name", before)}, preset.own if preset else {}), top)


def _chosen_name(base: Tree, top: Tree, field: FieldInfo) -> str:
    """Which variant a section holds."""
    name = top.get("name", base.get("name", default_name_of(field)))
    return name if isinstance(name, str) else ""


def _keys_of(name: object, field: FieldInfo) -> set[str]:
    kind = variants_of(field).get(str(name))
    return set(kind.model_fields) if kind else set()


def _part(tree: Tree, key: str) -> Tree:
    part = tree.get(key)
    return part if isinstance(part, dict) else {}


def _merge(base: Tree, top: Tree) -> Tree:
    """`top` over `base`, section by section."""
    merged = base | top
    for key in base.keys() & top.keys():
        below, above = base[key], top[key]
        if isinstance(below, dict) and isinstance(above, dict):
            merged[key] = _merge(below, above)
    return merged


def _at_home(tree: Tree) -> Tree:
    """`~/` at the beginning of a place is the home folder."""
    return {key: _at_home(value) if isinstance(value, dict) else _expanded(key, value) for key, value in tree.items()}


def _expanded(key: str, value: object) -> object:
    if isinstance(value, str) and value.startswith("~/") and PLACE.search(key):
        return os.path.expanduser(value)
    return value


def _expand_names(tree: Tree, model: type[BaseModel]) -> Tree:
    """`credit: ppo` is short for `credit: {name: ppo}`."""
    expanded = dict(tree)
    for key, field in model.model_fields.items():
        if variants_of(field) and not isinstance(tree.get(key), dict | list | None):
            expanded[key] = {"name": tree[key]}
    return expanded


def _named(tree: Tree, model: type[BaseModel]) -> Tree:
    """Whatever has variants says which it is, at any depth: the default one where nothing is said."""
    named = dict(tree)
    for key in tree.keys() & model.model_fields.keys():
        field = model.model_fields[key]
        variants, kinds = variants_of(field), sections_of(field)
        part = tree[key]
        if isinstance(part, dict):
            part = {"name": default_name_of(field), **part} if variants else part
            kind = variants.get(str(part.get("name"))) if variants else kinds[0] if len(kinds) == 1 else None
            part = _named(part, kind) if kind else part
        named[key] = part
    return named


def parse_override(text: str) -> Tree:
    """`a.b=3` -> {a: {b: 3}}."""
    dotted, equals, value = text.partition("=")
    *above, last = dotted.strip().split(".")
    if not equals or not all((*above, last)):
        raise UserError(f"{text!r} is no override; write key=value, e.g. credit.rollouts=3")
    tree: Tree = {last: parse_yaml(value, where=f"override {text!r}")}
    for key in reversed(above):
        tree = {key: tree}
    return tree


# --- checking ----------------------------------------------------------------------------------------------------


def _validate(tree: Tree, model: type[BaseModel], prefix: str = "") -> BaseModel:
    try:
        # Strict: true is no number, 1 is no truth value, "3" is no count.
        return model.model_validate(_named(tree, model), strict=True)
    except ValidationError as error:
        details = error.errors(include_url=False)
        # A setting that may be of several kinds has a detail for each.
        raise UserError("; ".join(dict.fromkeys(_problem(detail, model, prefix) for detail in details))) from None


def _check_presets(presets: object, model: type[BaseModel]) -> dict[str, dict[str, Preset]]:
    """The file's `variants`, every one of them checked, whichever is chosen."""
    unions = {key: variants for key, field in model.model_fields.items() if (variants := variants_of(field))}
    return {
        section: {
            name: _check_preset(settings, f"variants.{section}.{name}", unions[section][name], model)
            for name, settings in _mapping(choices, f"variants.{section}", unions[section]).items()
        }
        for section, choices in _mapping(presets, "variants", unions).items()
    }


def _check_preset(settings: object, key: str, kind: type[BaseModel], model: type[BaseModel]) -> Preset:
    """What stands under `key`, for the variant `kind`."""
    own = dict(_mapping(settings, key, [*(name for name in kind.model_fields if name != "name"), ALSO]))
    plain = {
        name: kinds[0]
        for name, field in model.model_fields.items()
        if (kinds := sections_of(field)) and not variants_of(field)
    }
    also = _mapping(own.pop(ALSO, {}), f"{key}.{ALSO}", plain)
    _validate({**own, "name": names_of(kind)[0]}, kind, prefix=f"{key}.")
    for section, part in also.items():
        _validate(
            _mapping(part, f"{key}.{ALSO}.{section}", plain[section].model_fields),
            plain[section],
            prefix=f"{key}.{ALSO}.{section}.",
        )
    return Preset(own=own, also=also)


def _mapping(value: object, key: str, allowed: Iterable[str]) -> Tree:
    """`value`, if it is a mapping of nothing but allowed keys."""
    allowed = list(allowed)
    if not isinstance(value, dict):
        raise UserError(_bad_value(key, value, f"a mapping of any of {', '.join(allowed)}"))
    for name in value:
        if name not in allowed:
            raise UserError(_unknown_key(f"{key}.{name}", value[name], allowed, _nearest(name, allowed)))
    return value


def _problem(detail: ErrorDetails, model: type[BaseModel], prefix: str) -> str:
    """One complaint, in our words: pydantic's name its own types and put union tags into key paths."""
    got = detail["input"]
    if detail["type"] == "value_error":
        return str(detail["ctx"]["error"])  # pyright: ignore[reportTypedDictNotRequiredAccess]
    path, section = _locate(model, detail["loc"])
    name, key = path[-1], prefix + ".".join(path)
    if detail["type"] == "extra_forbidden":
        return _unknown_key(key, got, section.model_fields, _hint_unknown(path, section, model))
    field = section.model_fields[name]
    if detail["type"] == "missing":
        return f"{key} is missing; it must be {expected_at(section, name)}"
    names = list(variants_of(field))
    if names and isinstance(got, dict):
        given = got["name"]
        own = f"; or {FORM}" if isinstance(given, str) and not _nearest(given, names) else ""
        return _bad_value(f"{key}.name", given, one_of(names), names) + own
    quote = "; quote it to make it text" if detail["type"] == "string_type" else ""
    return _bad_value(key, got, expected_at(section, name), get_args(field.annotation)) + quote


def _locate(section: type[BaseModel], location: Sequence[int | str]) -> tuple[list[str], type[BaseModel]]:
    """The keys of pydantic's location, without union tags, and the section that holds the last of them."""
    key, *rest = map(str, location)
    field = section.model_fields.get(key)
    kinds = sections_of(field) if field else ()
    if field and (item := item_of(field)) and len(rest) > 1:
        path, holder = _locate(item, rest[1:])
        return [key, rest[0], *path], holder
    if field and len(kinds) > 1 and rest:
        kinds, rest = (variants_of(field)[rest[0]],), rest[1:]
    if not kinds or not rest:
        return [key], section
    path, holder = _locate(kinds[0], rest)
    return [key, *path], holder


def _hint_unknown(path: Sequence[str], section: type[BaseModel], model: type[BaseModel]) -> str:
    """Where an unknown key may have been meant to go."""
    *above, name = path
    known = describe_keys(model)
    if owners := [row.variant for row in known if row.key == ".".join(path)]:
        return f"; it belongs to {'.'.join(above)}={' or '.join(owners)}"
    elsewhere = [row.key for row in known if row.key.endswith(f".{name}")]
    # The very word in another place says more than a similar one here.
    return f"; did you mean {' or '.join(elsewhere)}?" if elsewhere else _nearest(name, section.model_fields)


def _unknown_key(key: str, got: object, allowed: Iterable[str], hint: str) -> str:
    return f"key {key} (given {show(got)}) is unknown; allowed here: {', '.join(allowed)}{hint}"


def _bad_value(key: str, got: object, expected: str, choices: Iterable[object] = ()) -> str:
    return f"{key} is {show(got)}, but must be {expected}{_nearest(got, map(str, choices))}"


def _nearest(word: object, options: Iterable[str]) -> str:
    near = get_close_matches(str(word), list(options), n=1)
    return f"; did you mean {near[0]}?" if near else ""


# --- files -------------------------------------------------------------------------------------------------------


def _read_file(path: Path) -> Tree:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(
            f"{path} is not there{nearest(path, also='configs')}; name a YAML file (`vineppo configs` lists some)"
        ) from None
    except IsADirectoryError:
        inside = f", e.g. {path / 'config.yaml'}" if (path / "config.yaml").is_file() else ""
        raise UserError(f"{path} is a folder; name a YAML file{inside}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read ({error}); name a YAML file in UTF-8") from None
    tree = parse_yaml(text, where=str(path))
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise UserError(f"{path} holds {show(tree)}, but must be a mapping, e.g. `credit: {{name: vine}}`")
    return tree
