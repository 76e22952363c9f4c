"""Reward functions named in a configuration, as `file.py:name`."""

import sys
from difflib import get_close_matches
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import cast

from vineppo.errors import UserError
from vineppo.tasks.reward import RewardFunction
from vineppo.tasks.rows import one_line

FORM = "write the function as FILE.py:NAME, e.g. rewards.py:is_short"


def load_reward(spec: str) -> RewardFunction:
    """The function `name` of the file, whose own imports may come from its folder."""
    path, colon, name = spec.rpartition(":")
    if not colon or not path or not name:
        raise UserError(f"task.rewards: function {spec!r} names no file and function; {FORM}")
    file = Path(path).expanduser()
    if not file.is_file():
        raise UserError(f"task.rewards: function {spec!r}: {path} is no file; {FORM}, relative to where you start it")
    function = vars(run_file(file)).get(name)
    if function is None:
        there = [key for key, value in vars(run_file(file)).items() if callable(value) and not key.startswith("_")]
        near = get_close_matches(name, there, n=1)
        hint = f"did you mean {near[0]}?" if near else f"it holds {one_line(', '.join(there)) or 'no function'}"
        raise UserError(f"task.rewards: function {spec!r}: {path} has no {name}; {hint}")
    if not callable(function):
        raise UserError(f"task.rewards: function {spec!r}: {name} is {type(function).__name__}, not a function; {FORM}")
    return cast(RewardFunction, function)


def run_file(file: Path) -> ModuleType:
    """The module that a file makes. A file is run once, so that its functions share their globals."""
    resolved = file.resolve()
    module_name = f"vineppo_rewards_{resolved.stem}_{abs(hash(resolved))}"
    if module_name in sys.modules:
        return sys.modules[module_name]
    spec = spec_from_file_location(module_name, resolved)
    if spec is None or spec.loader is None:
        raise UserError(f"task.rewards: {file} is no Python file; {FORM}")
    module = module_from_spec(spec)
    sys.modules[module_name] = module
    if str(resolved.parent) not in sys.path:
        sys.path.append(str(resolved.parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[module_name]
        problem = f"{type(error).__name__}: {one_line(error)}"
        raise UserError(f"task.rewards: {file} cannot be run ({problem}); correct it") from error
    return module
