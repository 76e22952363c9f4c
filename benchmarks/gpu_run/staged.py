"""Random-weight models as folders with a tokenizer, as a user's own would be."""

from pathlib import Path

from transformers import GenerationConfig

from gpu_run.assignment import Assignment
from rollout_speed.models import make_model
from rollout_speed.names import Model, Place
from vineppo.policy import load_tokenizer

WORDS = "bundled:arithmetic"
"""Whose tokenizer they get: its few tokens exist in every vocabulary."""


def staged_model(assignment: Assignment, size: Model) -> Path:
    """Made on first use."""
    folder = assignment.work / "models" / size
    if not (folder / "made").exists():
        model = make_model(size, Place(device=assignment.device, dtype="bfloat16"))
        tokenizer = load_tokenizer(WORDS)
        model.config.eos_token_id = tokenizer.eos_token_id
        model.generation_config = GenerationConfig(eos_token_id=tokenizer.eos_token_id)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        (folder / "made").touch()
    return folder
