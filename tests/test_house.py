"""The house rules that ruff cannot hold: imports point one way, files and functions stay small."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "vineppo"
FILES = sorted(SOURCE.rglob("*.py"))

# A room may import from rooms on lower floors, and from itself.
FLOORS = (
    ("errors", "types", "rng", "metrics"),
    ("seams", "config"),
    ("disk",),
    ("checkpoint", "chat", "lock", "progress", "tracking", "processes"),
    ("environment", "output_folder", "run_dir", "policy", "attending"),
    ("steps", "tasks", "credit", "engines", "learner"),
    ("curriculum", "analysis"),
    ("recipes", "report"),
    ("trainer", "preview", "compare", "explain", "analyze", "doctor", "judging", "import_gguf", "integrations"),
    ("sweep", "arguments"),
    ("cli",),
    ("__main__", "__init__"),
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
TORCH_FREE = ("errors", "types", "rng", "metrics", "config", "seams", "steps", "arguments", "cli")

MAX_FILE_LINES, MAX_FUNCTION_LINES = 400, 60


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_rooms(tree: ast.AST) -> set[str]:
    modules: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                modules |= {name.name for name in names}
            case ast.ImportFrom(module=str(module), level=0, names=names):
                modules |= {f"{module}.{name.name}" for name in names}
            case ast.ImportFrom(level=level) if level > 0:
                raise AssertionError("relative import: write the whole path")
    return {parts[1] for module in modules if (parts := module.split("."))[0] == "vineppo" and len(parts) > 1}


def top_level_modules(tree: ast.Module) -> set[str]:
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    return {
        name.split(".")[0]
        for node in imports
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [n.name for n in node.names])
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_one_way(path: Path):
    room = room_of(path)
    for other in imported_rooms(ast.parse(path.read_text())) - {room}:
        assert FLOOR[other] < FLOOR[room], f"{room} imports {other}, which is not on a lower floor"


@pytest.mark.parametrize(
    "path", [path for path in FILES if room_of(path) in TORCH_FREE], ids=lambda path: str(path.relative_to(SOURCE))
)
def test_the_light_rooms_import_nothing_heavy(path: Path):
    heavy = {"torch", "transformers", "numpy", "datasets", "matplotlib"}
    assert not top_level_modules(ast.parse(path.read_text())) & heavy


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_files_and_functions_are_small(path: Path):
    text = path.read_text()
    assert len(text.splitlines()) <= MAX_FILE_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= MAX_FUNCTION_LINES, f"{node.name} has {length} lines"


def test_every_room_is_on_a_floor():
    assert {room_of(path) for path in FILES} <= FLOOR.keys()


PICKLERS = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "joblib", "marshal"}
OVER_A_PIPE = ("tasks/judge/serve.py", "tasks/judge/workers.py")
"""A parent's requests to the children that it started itself; nothing that lies on a disk."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_nothing_that_lies_on_a_disk_is_unpickled(path: Path):
    """Reading a pickle can run anything, so a checkpoint from elsewhere could."""
    tree = ast.parse(path.read_text())
    modules = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [n.name for n in node.names])
    }
    assert not modules & PICKLERS or str(path.relative_to(SOURCE)) in OVER_A_PIPE
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        if ast.unparse(call.func) == "torch.load":
            assert given.get("weights_only") == "True", f"line {call.lineno}: torch.load without weights_only=True"
        assert given.get("allow_pickle", "False") == "False"
        assert given.get("trust_remote_code", "False") == "False"
