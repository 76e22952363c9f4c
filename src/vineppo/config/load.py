"""YAML file + dotted overrides -> a checked config, and back. Torch-free; no environment variable is read.

What wins, lowest first: the model's defaults, the file, the file's `variants` for the names chosen, the overrides.

    task: {name: arithmetic, operations: 8}
    credit: {name: vine, rollouts: 9}       # or `credit: vine`
    variants:                               # settings that hold only while that variant is chosen
      credit:
        ppo: {critic_learning_rate: 1e-3}

With this file the override `credit=ppo` drops `rollouts`, which PPO does not have, and sets the critic's learning rate.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from inspect import getdoc
from pathlib import Path
from typing import TypeVar, get_args, get_origin, overload

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from vineppo.config.schema import Config
from vineppo.config.yaml_text import Dumper, parse_yaml
from vineppo.errors import UserError

Tree = dict[str, object]
"""A config or a part of it, before it is checked."""

Model = TypeVar("Model", bound=BaseModel)


@overload
def load_config(path: Path | str | None, overrides: Sequence[str] = ()) -> Config: ...
@overload
def load_config(path: Path | str | None, overrides: Sequence[str], model: type[Model]) -> Model: ...
def load_config(path: Path | str | None, overrides: Sequence[str] = (), model: type[BaseModel] = Config) -> BaseModel:
    """The config that a file (none: the defaults) and overrides such as `credit.rollouts=3` make."""
    tree = {} if path is None else _read_file(Path(path))
    presets = _check_presets(tree.pop("variants", {}), model)
    top: Tree = {}
    for text in overrides:
        top = _merge(top, _expand_names(_parse_override(text), model))
    return _validate(_combine(_expand_names(tree, model), presets, top, model), model)


def dump_config(config: BaseModel) -> str:
    """YAML that `load_config` reads back to an equal config."""
    return yaml.dump(config.model_dump(), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=10_000)


# --- keys --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyDescription:
    """One line of the reference of all keys."""

    key: str
    variant: str
    """The `name` under which the section has this key; empty where it always has it."""
    type: str
    default: str
    meaning: str


def describe_keys(model: type[BaseModel]) -> list[KeyDescription]:
    """Every key of a config, those of all variants included."""
    return _describe_section(model())


def _describe_section(section: BaseModel, prefix: str = "", variant: str = "") -> list[KeyDescription]:
    return [
        row
        for name in type(section).model_fields
        if not (variant and name == "name")  # the union's own line already lists the names
        for row in _describe_field(section, name, prefix, variant)
    ]


def _describe_field(section: BaseModel, name: str, prefix: str, variant: str) -> list[KeyDescription]:
    field, default = type(section).model_fields[name], dict(section)[name]
    kinds, key, meaning = _sections(field), prefix + name, field.description or ""
    rows: list[KeyDescription] = []
    if len(kinds) > 1:
        names = _variants(field)
        key_of_name, default_name = f"{key}.name", _default_name(field)
        meaning = "; ".join(f"{choice}: {_summary(kind)}" for choice, kind in names.items())
        rows.append(_row(key_of_name, variant, _one_of(list(names)), default_name, meaning))
    elif default is None or not kinds:
        rows.append(_row(key, variant, _expected(type(section), name), default, meaning))
    for kind in kinds:
        inner = "/".join(_names(kind)) if len(kinds) > 1 else variant
        rows += _describe_section(default if isinstance(default, kind) else kind(), f"{key}.", inner)
    return rows


def _row(key: str, variant: str, expected: str, default: object, meaning: str) -> KeyDescription:
    return KeyDescription(key=key, variant=variant, type=expected, default=_show(default), meaning=meaning)


def _summary(kind: type[BaseModel]) -> str:
    return (getdoc(kind) or "").partition("\n")[0]


def _sections(field: FieldInfo) -> tuple[type[BaseModel], ...]:
    """The sections a field may hold: several for a union, none for a plain setting or a list."""
    if get_origin(field.annotation) is list:
        return ()
    kinds = get_args(field.annotation) or (field.annotation,)
    return tuple(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel))


def _item(field: FieldInfo) -> type[BaseModel] | None:
    """The section that each item of a list is; None for anything but such a list."""
    if get_origin(field.annotation) is not list:
        return None
    [kind] = get_args(field.annotation)
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _names(kind: type[BaseModel]) -> tuple[str, ...]:
    """What a section's own `name` may be."""
    field = kind.model_fields.get("name")
    return get_args(field.annotation) if field else ()


def _variants(field: FieldInfo) -> dict[str, type[BaseModel]]:
    """The section that each `name` selects; empty for anything without a `name`."""
    return {name: kind for kind in _sections(field) for name in _names(kind)}


def _default_name(field: FieldInfo) -> object:
    return dict(field.default)["name"] if isinstance(field.default, BaseModel) else next(iter(_variants(field)))


# --- combining ---------------------------------------------------------------------------------------------------


def _combine(tree: Tree, presets: Mapping[str, Mapping[str, Tree]], top: Tree, model: type[BaseModel]) -> Tree:
    """Lay the presets of the names chosen, then the overrides, over the file's tree."""
    combined = _merge(tree, top)
    for key, field in model.model_fields.items():
        if _variants(field) and isinstance(combined.get(key, presets.get(key)), dict):
            combined[key] = _combine_variant(_part(tree, key), presets.get(key, {}), _part(top, key), field)
    return combined


def _combine_variant(base: Tree, presets: Mapping[str, Tree], top: Tree, field: FieldInfo) -> Tree:
    """The same for one section that has variants: what the chosen variant does not know gives way."""
    before = base.get("name", _default_name(field))
    name = top.get("name", before)
    dropped = _keys_of(before, field) - _keys_of(name, field)
    kept = {key: value for key, value in base.items() if key not in dropped}
    preset = presets.get(name, {}) if isinstance(name, str) else {}
    return _merge(_merge({**kept, "name": name}, preset), top)


def _keys_of(name: object, field: FieldInfo) -> set[str]:
    kind = _variants(field).get(name) if isinstance(name, str) else None
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


def _expand_names(tree: Tree, model: type[BaseModel]) -> Tree:
    """`credit: ppo` is short for `credit: {name: ppo}`."""
    expanded = dict(tree)
    for key, field in model.model_fields.items():
        if _variants(field) and not isinstance(tree.get(key), dict | list | None):
            expanded[key] = {"name": tree[key]}
    return expanded


def _parse_override(text: str) -> Tree:
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
        return model.model_validate(tree, strict=True)
    except ValidationError as error:
        details = error.errors(include_url=False)
        raise UserError("; ".join(_problem(detail, model, prefix) for detail in details)) from None


def _check_presets(presets: object, model: type[BaseModel]) -> dict[str, dict[str, Tree]]:
    """The file's `variants`, every one of them checked, whichever is chosen."""
    sections = {key: variants for key, field in model.model_fields.items() if (variants := _variants(field))}
    checked: dict[str, dict[str, Tree]] = {}
    for section, choices in _mapping(presets, "variants", sections).items():
        kinds, checked[section] = sections[section], {}
        for name, settings in _mapping(choices, f"variants.{section}", kinds).items():
            key, allowed = f"variants.{section}.{name}", [key for key in kinds[name].model_fields if key != "name"]
            checked[section][name] = _mapping(settings, key, allowed)
            _validate({**checked[section][name], "name": name}, kinds[name], prefix=f"{key}.")
    return checked


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
    names = list(_variants(field))
    if names and isinstance(got, dict):
        return _bad_value(f"{key}.name", got["name"], _one_of(names), names)
    quote = "; quote it to make it text" if detail["type"] == "string_type" else ""
    return _bad_value(key, got, _expected(section, name), get_args(field.annotation)) + quote


def _locate(section: type[BaseModel], location: Sequence[int | str]) -> tuple[list[str], type[BaseModel]]:
    """The keys of pydantic's location, without union tags, and the section that holds the last of them."""
    key, *rest = map(str, location)
    field = section.model_fields.get(key)
    kinds = _sections(field) if field else ()
    if field and (item := _item(field)) and len(rest) > 1:
        path, holder = _locate(item, rest[1:])
        return [key, rest[0], *path], holder
    if field and len(kinds) > 1 and rest:
        kinds, rest = (_variants(field)[rest[0]],), rest[1:]
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
    return _nearest(name, section.model_fields) or (f"; did you mean {' or '.join(elsewhere)}?" if elsewhere else "")


def _unknown_key(key: str, got: object, allowed: Iterable[str], hint: str) -> str:
    return f"key {key} (given {_show(got)}) is unknown; allowed here: {', '.join(allowed)}{hint}"


def _bad_value(key: str, got: object, expected: str, choices: Iterable[object] = ()) -> str:
    return f"{key} is {_show(got)}, but must be {expected}{_nearest(got, map(str, choices))}"


def _nearest(word: object, options: Iterable[str]) -> str:
    near = get_close_matches(str(word), list(options), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _one_of(names: Sequence[str]) -> str:
    return f"one of {', '.join(names)}" if len(names) > 1 else names[0]


TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "null": "null",
    "array": "a list",
    "object": "a mapping",
}
BOUNDS = {
    "minimum": ">= {}",
    "exclusiveMinimum": "> {}",
    "maximum": "<= {}",
    "exclusiveMaximum": "< {}",
    "minLength": "of length >= {}",
    "pattern": "matching {}",
}


def _expected(section: type[BaseModel], name: str) -> str:
    return _describe_schema(section.model_json_schema()["properties"][name])


def _describe_schema(schema: Mapping[str, object]) -> str:
    """What a JSON schema allows, in words."""
    match schema:
        case {"anyOf": [*options]}:
            return " or ".join(map(_describe_schema, options))
        case {"enum": [*names]}:
            return _one_of(names)
        case {"const": str(name)}:
            return name
        case {"type": "array", "items": {"$ref": str()}}:
            return "a list of mappings"
        case {"type": str(kind)}:
            bounds = [words.format(schema[bound]) for bound, words in BOUNDS.items() if bound in schema]
            return f"{TYPES[kind]} {' and '.join(bounds)}".rstrip()
        case _:
            return "a section of settings"


def _show(value: object) -> str:
    """A value on one line."""
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: object) -> object:
    """For JSON, which knows no sections."""
    return value.model_dump() if isinstance(value, BaseModel) else str(value)


# --- files -------------------------------------------------------------------------------------------------------


def _read_file(path: Path) -> Tree:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; name a YAML file, or write one with `vineppo config > FILE`") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read ({error}); name a YAML file in UTF-8") from None
    tree = parse_yaml(text, where=str(path))
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise UserError(f"{path} holds {_show(tree)}, but must be a mapping, e.g. `credit: {{name: vine}}`")
    return tree
