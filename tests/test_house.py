"""The house rules that ruff cannot hold: imports point one way, files and functions stay small."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from vineppo.config.fields import sections_of
from vineppo.config.schema import Config

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "vineppo"
FILES = sorted(SOURCE.rglob("*.py"))

# A room may import from rooms on lower floors, and from itself. What of a room lies lower than the rest is named.
FLOORS = (
    ("errors", "types", "rng", "metrics", "stops", "places", "waiting"),
    ("seams", "settings", "launch", "named", "hub"),
    ("disk",),
    ("checkpoint", "chat", "lock", "progress", "tracking", "processes"),
    ("environment", "output_folder", "policy_place", "attending"),
    ("policy",),
    ("advisers",),
    ("steps", "tasks", "credit", "engines", "learner"),
    ("curriculum", "analysis"),
    ("recipes.settings",),
    ("config",),
    ("run_dir",),
    ("recipes", "report"),
    ("trainer", "preview", "compare", "explain", "analyze", "doctor", "judging", "import_gguf", "integrations"),
    ("sweep", "evaluating", "shipped", "arguments", "dry_run"),
    ("cli",),
    ("__main__", "__init__"),
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
TORCH_FREE = ("errors", "types", "rng", "metrics", "stops", "config", "seams", "settings", "steps", "arguments", "cli")

MAX_FILE_LINES, MAX_FUNCTION_LINES = 400, 60


def module_of(path: Path) -> str:
    """credit.vine; steps for the room's own `__init__`."""
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")


def room_of(path: Path) -> str:
    return module_of(path).split(".")[0]


def floor_of(module: str) -> int:
    return FLOOR.get(module, FLOOR[module.split(".")[0]])


MODULES = {module_of(path): path for path in FILES}


@cache
def parsed(path: Path) -> ast.Module:
    """Once, for all rules."""
    return ast.parse(path.read_text())


def imported_modules(path: Path) -> set[str]:
    """Whichever are named, at the top or inside a function: what is imported late is imported all the same."""
    names: set[str] = set()
    for node in ast.walk(parsed(path)):
        match node:
            case ast.Import(names=aliases):
                names |= {alias.name for alias in aliases}
            case ast.ImportFrom(module=str(module), level=0, names=aliases):
                names |= {found if _own(found := f"{module}.{alias.name}") in MODULES else module for alias in aliases}
            case ast.ImportFrom(level=level) if level > 0:
                raise AssertionError("relative import: write the whole path")
    return {_own(name) for name in names if name.startswith("vineppo.")}


def _own(name: str) -> str:
    return name.removeprefix("vineppo.")


def top_level_modules(tree: ast.Module) -> set[str]:
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    return {
        name.split(".")[0]
        for node in imports
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [n.name for n in node.names])
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_one_way(path: Path):
    for other in imported_modules(path):
        if other.split(".")[0] != room_of(path):
            assert floor_of(other) < floor_of(module_of(path)), f"{other} is not on a lower floor"


def test_no_file_needs_itself():
    """Circles within a room, too, and those that late imports close."""
    imports = {module: sorted(imported_modules(path)) for module, path in MODULES.items()}
    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, f"a circle: {' -> '.join((*above[above.index(module) :], module))}"
        if module not in done:
            for other in imports[module]:
                visit(other, (*above, module))
            done.add(module)

    for module in imports:
        visit(module, ())


@pytest.mark.parametrize(
    "path", [path for path in FILES if room_of(path) in TORCH_FREE], ids=lambda path: str(path.relative_to(SOURCE))
)
def test_the_light_rooms_import_nothing_heavy(path: Path):
    heavy = {"torch", "transformers", "numpy", "datasets", "matplotlib"}
    assert not top_level_modules(parsed(path)) & heavy


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_files_and_functions_are_small(path: Path):
    assert len(path.read_text().splitlines()) <= MAX_FILE_LINES
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= MAX_FUNCTION_LINES, f"{node.name} has {length} lines"


def test_every_room_is_on_a_floor():
    assert {room_of(path) for path in FILES} <= FLOOR.keys()


def test_a_choice_is_known_in_its_own_room_and_at_one_door():
    """Nobody else matches on its class: they ask it. Two files know it, and one more may."""
    texts = {path: path.read_text() for path in FILES}
    for section in ("credit", "task", "steps", "curriculum", "recipe", "engine"):
        for kind in sections_of(Config.model_fields[section]):
            known = [module_of(path) for path, text in texts.items() if re.search(rf"\b{kind.__name__}\b", text)]
            assert len(known) <= 3, f"{kind.__name__} is known in {', '.join(known)}"


def test_settings_are_quick_to_import():
    """Though they lie beside what they build: --help and --dry-run wait for nothing heavy."""
    code = "import sys, vineppo.cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "transformers", "numpy", "datasets", "mpmath", "rich", "ray", "vllm"} & set(loaded)


PICKLERS = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "joblib", "marshal"}
TRUSTING = ("weights_only", "allow_pickle", "trust_remote_code")
OVER_A_PIPE = ("tasks/judge/serve.py", "tasks/judge/workers.py")
"""A parent's requests to the children that it started itself; nothing that lies on a disk."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_nothing_that_lies_on_a_disk_is_unpickled(path: Path):
    """Reading a pickle can run anything, so a checkpoint from elsewhere could."""
    tree = parsed(path)
    modules = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [n.name for n in node.names])
    }
    assert not modules & PICKLERS or str(path.relative_to(SOURCE)) in OVER_A_PIPE
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg in TRUSTING}
        if isinstance(call.func, ast.Attribute) and ast.unparse(call.func) == "torch.load":
            assert given.get("weights_only") == "True", f"line {call.lineno}: torch.load without weights_only=True"
        assert given.get("allow_pickle", "False") == "False"
        assert given.get("trust_remote_code", "False") == "False"
