"""Choices of your own: a class with settings that a configuration names where a built-in choice has its name.

    credit: {name: "my_credit.py:MyCredit", rollouts: 3}      # or credit=my_credit.py:MyCredit

From then on the class is a variant like the others: its settings are checked, written out, listed and asked. Nothing
is imported but what is named; a run's `config.yaml` names it, too, so resuming runs it again.
"""

import hashlib
import inspect
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union

from pydantic import BaseModel, Field, create_model
from pydantic.fields import FieldInfo

from vineppo.config.fields import sections_of, variants_of
from vineppo.errors import UserError
from vineppo.named import load_named
from vineppo.settings.strict import Variant

Model = TypeVar("Model", bound=BaseModel)
FORM = "write a class of yours as FILE.py:CLASS or MODULE:CLASS (docs/own.md)"


def with_own_choices(
    model: type[Model], trees: Sequence[Mapping[str, object]], presets: Mapping[str, object]
) -> type[Model]:
    """The model, with the classes that these trees and presets name among its variants. Raises UserError for what is
    none."""
    known = {section: field for section, field in model.model_fields.items() if variants_of(field)}
    words = {section: [_name(tree.get(section)) for tree in trees] + _keys(presets.get(section)) for section in known}
    named = {
        section: dict.fromkeys(w for w in own if isinstance(w, str) and ":" in w) for section, own in words.items()
    }
    own = {section: [own_class(spec, section, base_of(known[section])) for spec in named[section]] for section in known}
    return _widened(model, tuple((section, *kinds) for section, kinds in own.items() if kinds))


@lru_cache
def _widened(model: type[Model], own: tuple[tuple[Any, ...], ...]) -> type[Model]:
    """The same type each time, so that equal configs are equal."""
    fields: dict[str, Any] = {}
    for section, *kinds in own:
        field = model.model_fields[section]
        union = Union[*sections_of(field), *kinds]
        fields[section] = (Annotated[union, Field(discriminator="name")], field.default)
    return create_model(model.__name__, __base__=model, __doc__=model.__doc__, **fields) if fields else model


def _name(part: object) -> object:
    return part.get("name") if isinstance(part, dict) else None


def _keys(part: object) -> list[object]:
    return list(part) if isinstance(part, dict) else []


def base_of(field: FieldInfo) -> type[Variant]:
    """What all of a section's variants are."""
    kind = sections_of(field)[0]
    return next(each for each in kind.__mro__ if Variant in each.__bases__)


def own_class(spec: str, section: str, base: type[Variant]) -> type[Variant]:
    """The class, going by the name under which it is found again."""
    kind = load_named(spec, where=f"{section}.name", kind=base, form=FORM)
    if not (isinstance(kind, type) and issubclass(kind, base)):
        what = kind.__name__ if isinstance(kind, type) else type(kind).__name__
        raise UserError(
            f"{section}.name {spec!r} is {what}, which is no {base.__module__}.{base.__name__}; make it one: "
            f"class {what}({base.__name__})"
        )
    try:
        return _renamed(kind, spec)
    except ValueError as error:
        problem = " ".join(str(error).split())[:200]
        raise UserError(f"{section}.name {spec!r}: every setting needs a default ({problem}); give it one") from None


@lru_cache
def _renamed(kind: type[Variant], spec: str) -> type[Variant]:
    name: Any = Literal.__getitem__(spec)  # pyright: ignore[reportAttributeAccessIssue]
    made = create_model(
        kind.__name__, __base__=kind, __module__=kind.__module__, __doc__=kind.__doc__, name=(name, spec)
    )
    made()  # raises where a setting has no default
    return made


def own_choices(config: BaseModel) -> dict[str, str]:
    """Of a config's sections, e.g. `credit my_credit.py:MyCredit`: a digest of the file it is in, to know it again."""
    found: dict[str, str] = {}
    for section, part in config:
        if isinstance(part, Variant) and ":" in part.called:
            source = Path(inspect.getfile(type(part).__mro__[1])).read_bytes()
            found[f"{section} {part.called}"] = hashlib.blake2b(source, digest_size=16).hexdigest()
    return found
