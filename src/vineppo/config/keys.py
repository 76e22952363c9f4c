"""The reference of all keys of a configuration."""

from dataclasses import dataclass
from inspect import getdoc

from pydantic import BaseModel

from vineppo.config.fields import default_name_of, expected_at, names_of, one_of, sections_of, show, variants_of


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
    kinds, key, meaning = sections_of(field), prefix + name, field.description or ""
    rows: list[KeyDescription] = []
    if len(kinds) > 1:
        names = variants_of(field)
        key_of_name, default_name = f"{key}.name", default_name_of(field)
        meaning = "; ".join(f"{choice}: {_summary(kind)}" for choice, kind in names.items())
        rows.append(_row(key_of_name, variant, one_of(list(names)), default_name, meaning))
    elif default is None or not kinds:
        rows.append(_row(key, variant, expected_at(type(section), name), default, meaning))
    for kind in kinds:
        inner = "/".join(names_of(kind)) if len(kinds) > 1 else variant
        rows += _describe_section(default if isinstance(default, kind) else kind(), f"{key}.", inner)
    return rows


def _row(key: str, variant: str, expected: str, default: object, meaning: str) -> KeyDescription:
    return KeyDescription(key=key, variant=variant, type=expected, default=show(default), meaning=meaning)


def _summary(kind: type[BaseModel]) -> str:
    return (getdoc(kind) or "").partition("\n")[0]
