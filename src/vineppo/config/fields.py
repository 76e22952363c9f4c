"""What the fields of a configuration may hold, and the words that say so."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo


def sections_of(field: FieldInfo) -> tuple[type[BaseModel], ...]:
    """The sections a field may hold: several for a union, none for a plain setting or a list."""
    if get_origin(field.annotation) is list:
        return ()
    kinds = get_args(field.annotation) or (field.annotation,)
    return tuple(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel))


def item_of(field: FieldInfo) -> type[BaseModel] | None:
    """The section that each item of a list is; None for anything but such a list."""
    if get_origin(field.annotation) is not list:
        return None
    [kind] = get_args(field.annotation)
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def names_of(kind: type[BaseModel]) -> tuple[str, ...]:
    """What a section's own `name` may be."""
    field = kind.model_fields.get("name")
    return get_args(field.annotation) if field else ()


def variants_of(field: FieldInfo) -> dict[str, type[BaseModel]]:
    """The section that each `name` selects; empty for anything without a `name`."""
    return {name: kind for kind in sections_of(field) for name in names_of(kind)}


def default_name_of(field: FieldInfo) -> object:
    """The `name` of the section that holds where nothing is said."""
    return dict(field.default)["name"] if isinstance(field.default, BaseModel) else next(iter(variants_of(field)))


# --- words ---------------------------------------------------------------------------------------------------------


def one_of(names: Sequence[str]) -> str:
    """A choice, in words."""
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


def expected_at(section: type[BaseModel], name: str) -> str:
    """What a section's field must be, in words."""
    return _describe_schema(_schema(section)["properties"][name])


@cache
def _schema(section: type[BaseModel]) -> Mapping[str, Any]:
    """Made once: an error about one key goes through all keys of all sections."""
    return section.model_json_schema()


def _describe_schema(schema: Mapping[str, object]) -> str:
    """What a JSON schema allows, in words."""
    match schema:
        case {"anyOf": [*options]}:
            return " or ".join(map(_describe_schema, options))
        case {"enum": [*names]}:
            return one_of(names)
        case {"const": str(name)}:
            return name
        case {"type": "array", "items": {"$ref": str()}}:
            return "a list of mappings"
        case {"type": str(kind)}:
            bounds = [words.format(schema[bound]) for bound, words in BOUNDS.items() if bound in schema]
            return f"{TYPES[kind]} {' and '.join(bounds)}".rstrip()
        case _:
            return "a section of settings"


def show(value: object) -> str:
    """A value on one line."""
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: object) -> object:
    """For JSON, which knows no sections."""
    return value.model_dump() if isinstance(value, BaseModel) else str(value)
