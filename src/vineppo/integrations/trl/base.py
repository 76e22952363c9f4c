"""TRL's trainer as type checkers see it from here: anything.

Half of its attributes are set far from any declaration, others may be None until its `__init__` is done. That they are
what we take them for is what the pinned version and the tests are for.
"""

from typing import Any

from trl.trainer import grpo_trainer  # pyright: ignore[reportMissingImports]

GRPOTrainer: Any = grpo_trainer.GRPOTrainer
"""The class that ours derives from."""

Trainer = Any
"""A GRPOTrainer."""
Arguments = Any
"""A GRPOConfig."""
