"""Models and data as folders, as a user's own would be."""

import json
from pathlib import Path

from transformers import GenerationConfig

from gpu_run.assignment import Assignment
from rollout_speed.models import make_model
from rollout_speed.names import Model, Place
from vineppo.policy import load_policy, load_tokenizer
from vineppo.seams import Split
from vineppo.tasks.word_problems.task import WordProblems
from vineppo.types import prompt_text

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


STORIES = {"train": 200, "test": 40}


def stand_in(assignment: Assignment) -> tuple[Path, Path]:
    """Folders in place of a real model and of GSM8K: the bundled policy for word problems, and such problems."""
    model, data = assignment.work / "models/word_problems", assignment.work / "word_problems"
    if not (data / "made").exists():
        load_policy("bundled:word_problems", device="cpu").save(model)
        data.mkdir(parents=True, exist_ok=True)
        task = WordProblems(train_questions=STORIES["train"], test_questions=STORIES["test"])
        splits: tuple[Split, ...] = ("train", "test")
        for split in splits:
            rows = [
                {"question": prompt_text(own.prompt), "answer": f"#### {own.answer}"} for own in task.questions(split)
            ]
            (data / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (data / "made").touch()
    return model, data
