"""RL finetuning of language models with refined credit assignment: which step earned the reward?"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vineppo.config.load import load_config
    from vineppo.config.schema import Config
    from vineppo.errors import UserError
    from vineppo.tasks.reward import RewardTask
    from vineppo.trainer import Trainer, evaluate_policy

__all__ = ["Config", "RewardTask", "Trainer", "UserError", "evaluate_policy", "load_config"]

_HOMES = {
    "Config": "vineppo.config.schema",
    "RewardTask": "vineppo.tasks.reward",
    "Trainer": "vineppo.trainer",
    "UserError": "vineppo.errors",
    "evaluate_policy": "vineppo.trainer",
    "load_config": "vineppo.config.load",
}


def __getattr__(name: str) -> object:
    """Load a public name when it is first used, so that `vineppo --help` does not wait for torch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'vineppo' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
