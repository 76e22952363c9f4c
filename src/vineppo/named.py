"""Python objects that a configuration names: `FILE.py:NAME`, relative to where the command is started, or
`MODULE:NAME` of whatever Python can import (installed, or on PYTHONPATH).

Only what is named is run: a file once, so that its objects share their globals, with its own folder to import from.
"""

import sys
from difflib import get_close_matches
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from vineppo.errors import UserError
from vineppo.places import nearest


def load_named(spec: str, *, where: str, kind: type | None = None, form: str) -> object:
    """The object. `where` opens complaints, `form` says what to write; kind: only such are offered where it is missing.

    Raises UserError where there is none, and where its file or module cannot be run.
    """
    place, _, name = spec.rpartition(":")
    if not place or not name:
        raise UserError(f"{where} {spec!r} names no file and {'function' if kind is None else 'class'}; {form}")
    module = (
        run_file(place, f"{where} {spec!r}", form) if is_file(place) else find_module(place, f"{where} {spec!r}", form)
    )
    found = vars(module).get(name)
    if found is None:
        there = [key for key, value in vars(module).items() if not key.startswith("_") and _offered(value, kind)]
        near = get_close_matches(name, there, n=1)
        hint = f"did you mean {near[0]}?" if near else f"it holds {', '.join(there) or 'nothing of the kind'}"
        raise UserError(f"{where} {spec!r}: {place} has no {name}; {hint}")
    return found


def is_file(place: str) -> bool:
    """Whether a place is a path, and not a module's name."""
    return place.endswith(".py") or "/" in place


def _offered(value: object, kind: type | None) -> bool:
    return (
        callable(value) if kind is None else isinstance(value, type) and issubclass(value, kind) and value is not kind
    )


def find_module(name: str, where: str, form: str) -> ModuleType:
    """One that Python can import."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise UserError(f"{where}: there is no module {name} to import (is it installed?); {form}") from None
        raise _broken(where, name, error) from error
    except Exception as error:
        raise _broken(where, name, error) from error


def run_file(path: str, where: str, form: str) -> ModuleType:
    """The module that a file makes."""
    file = Path(path).expanduser()
    if not file.is_file():
        raise UserError(f"{where}: {path} is no file{nearest(file)}; {form}, relative to where you start it")
    resolved = file.resolve()
    name = f"vineppo_named_{resolved.stem}_{abs(hash(resolved))}"
    if name in sys.modules:
        return sys.modules[name]
    spec = spec_from_file_location(name, resolved)
    if spec is None or spec.loader is None:
        raise UserError(f"{where}: {file} is no Python file; {form}")
    module = module_from_spec(spec)
    sys.modules[name] = module
    if str(resolved.parent) not in sys.path:
        sys.path.append(str(resolved.parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise _broken(where, str(file), error) from error
    return module


def _broken(where: str, place: str, error: Exception) -> UserError:
    problem = " ".join(f"{type(error).__name__}: {error}".split())
    return UserError(f"{where}: {place} cannot be run ({problem[:160]}); correct it")
