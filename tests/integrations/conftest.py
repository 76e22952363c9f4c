"""What the tests of TRL's trainer share."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

if find_spec("trl") is None:
    collect_ignore_glob = ["test_trl_*.py"]


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Any]:
    """A trainer over the coin world. `settings` are GRPOConfig's; `credit`, `steps` and `more` the trainer's."""
    from coin_world import coin_model, questions, seven, tokenizer
    from trl import GRPOConfig  # pyright: ignore[reportMissingImports]

    from vineppo.credit.group import RlooCredit
    from vineppo.integrations.trl import CreditGRPOTrainer
    from vineppo.steps.tokens import TokensSteps

    def made(credit=None, steps=None, kind=CreditGRPOTrainer, more=None, **settings: Any) -> Any:
        usual = {
            "output_dir": str(tmp_path / "run"),
            "per_device_train_batch_size": 8,
            "num_generations": 4,
            "max_completion_length": 8,
            "max_steps": 1,
            "learning_rate": 1e-2,
            "bf16": False,
            "use_cpu": True,
            "gradient_checkpointing": False,
            "report_to": "none",
            "logging_steps": 1,
            "save_strategy": "no",
            "disable_tqdm": True,
            "dataloader_pin_memory": False,
        }
        arguments = {
            "model": coin_model(),
            "reward_funcs": seven,
            "args": GRPOConfig(**(usual | settings)),
            "train_dataset": questions(),
            "processing_class": tokenizer(),
        }
        ours = {"credit": credit or RlooCredit(), "steps": steps or TokensSteps(length=1)}
        return kind(**(arguments | (more or {}) | (ours if kind is CreditGRPOTrainer else {})))

    return made
