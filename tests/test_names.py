"""Whatever tests, benchmarks and examples take from our own modules is there. pyright, which would see more, takes five
minutes over these folders and complains of seventy lines that are right; this reads syntax alone, in seconds.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HOMES = [ROOT / "src", ROOT / "tests", ROOT / "benchmarks", ROOT]
"""Where a module is looked for, as pytest and the commands in README.md do."""
FILES = sorted(path for folder in ("tests", "benchmarks", "examples") for path in (ROOT / folder).rglob("*.py"))


@cache
def file_of(module: str) -> Path | None:
    """Of one of ours; a folder without `__init__.py` is one, too."""
    for home in HOMES:
        place = home / module.replace(".", "/")
        for found in (place.with_suffix(".py"), place / "__init__.py"):
            if found.is_file():
                return found
    return None


@cache
def names_in(file: Path) -> frozenset[str]:
    """All that a module binds outside of functions and classes."""
    return frozenset(bound(ast.parse(file.read_text(encoding="utf-8")).body))


def bound(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                yield from (alias.asname or alias.name.split(".")[0] for alias in aliases)
            case _:  # an assignment, or what may hold some: if, try, with, for
                yield from (
                    own.id for own in ast.walk(node) if isinstance(own, ast.Name) and isinstance(own.ctx, ast.Store)
                )
                inner = [getattr(node, part, []) for part in ("body", "orelse", "finalbody")]
                inner += [handler.body for handler in getattr(node, "handlers", [])]
                for part in inner:
                    yield from bound(part)


def has(module: str, name: str) -> bool:
    """Whether a module of ours has it, as a name or as a module within."""
    file = file_of(module)
    return (file is not None and name in names_in(file)) or file_of(f"{module}.{name}") is not None


def is_ours(module: str) -> bool:
    return any((home / module.split(".")[0]).is_dir() for home in HOMES[:3]) or file_of(module) is not None


def missing(source: str) -> list[str]:
    """What a file takes from modules of ours and does not get: imported names, and attributes of imported modules."""
    tree = ast.parse(source)
    taken = list(imports(tree))
    found = [f"{line}: {place}" for line, place, _ in taken if not is_there(place)]
    modules = {name: place for _, place, name in taken if file_of(place) is not None}
    for name in rebound(tree):
        modules.pop(name, None)
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name in modules:
                if not has(modules[name], attribute) and not attribute.startswith("__"):
                    found.append(f"{node.lineno}: {modules[name]}.{attribute}")
    return found


def imports(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """Line, what of ours, as which name."""
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(module), names=aliases) if is_ours(module):
                yield from ((node.lineno, f"{module}.{alias.name}", alias.asname or alias.name) for alias in aliases)
            case ast.Import(names=aliases):
                own = [alias for alias in aliases if is_ours(alias.name)]
                yield from ((node.lineno, alias.name, alias.asname or alias.name) for alias in own)


def is_there(place: str) -> bool:
    """A module, or a name in one."""
    module, _, name = place.rpartition(".")
    return file_of(place) is not None or (file_of(module) is not None and has(module, name))


def rebound(tree: ast.Module) -> Iterator[str]:
    """Names that a variable or a parameter has, too."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                yield name


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_name_is_there(file: Path):
    assert missing(file.read_text(encoding="utf-8")) == []


def test_what_is_renamed_is_found():
    """Each line but the last is such a case."""
    source = """
from vineppo.places import nearest, no_such_name
from vineppo.no_such_module import thing
import vineppo.no_such_module
from vineppo import hub, places
hub.no_such_name(places.nearest)
"""
    assert missing(source) == [
        "2: vineppo.places.no_such_name",
        "3: vineppo.no_such_module.thing",
        "4: vineppo.no_such_module",
        "6: vineppo.hub.no_such_name",
    ]
