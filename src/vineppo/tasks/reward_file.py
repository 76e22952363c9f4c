"""Reward functions named in a configuration, as `file.py:name`."""

from typing import cast

from vineppo.errors import UserError
from vineppo.named import load_named
from vineppo.tasks.reward import RewardFunction

FORM = "write the function as FILE.py:NAME, e.g. rewards.py:is_short"


def load_reward(spec: str) -> RewardFunction:
    """The function `name` of the file, whose own imports may come from its folder."""
    function = load_named(spec, where="task.rewards: function", form=FORM)
    if not callable(function):
        name = spec.rpartition(":")[2]
        raise UserError(f"task.rewards: function {spec!r}: {name} is {type(function).__name__}, not a function; {FORM}")
    return cast(RewardFunction, function)
