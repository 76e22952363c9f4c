"""Coupled vines and GRPO: a real model on GSM8K's data where both were given, else with folders made on the spot."""

import shutil
from pathlib import Path

from gpu_run.assignment import Assignment
from gpu_run.curves import FEW, FOREVER, Method, compare
from gpu_run.launch import ROOT
from gpu_run.results import Sheet
from gpu_run.staged import stand_in

METHODS = tuple(Method(name=name, words=(f"credit={name}",)) for name in ("coupled", "grpo"))
MARGIN = 2.0
BATCH = {"cuda": (8, 8), "cpu": (2, 4)}
"""Questions of an iteration, and trajectories of each."""
EVALUATION = {"cuda": (5, 100), "cpu": (1, 4)}
"""Every so many iterations, of so many questions."""
STAND_IN = ('task.template="{question}"', "sampling.max_new_tokens=150", "learner.learning_rate=2e-4")
"""The stand-in was trained on bare questions; it is small, and wants larger steps."""


def measure(assignment: Assignment, sheet: Sheet) -> None:
    """Whatever was given."""
    work = assignment.work / "real"
    shutil.rmtree(work, ignore_errors=True)
    given = assignment.model is not None and assignment.data is not None
    if assignment.model is not None and assignment.data is not None:
        title, chosen = "Word problems, the model that was given", words(assignment, assignment.model, assignment.data)
    else:
        model, data = stand_in(assignment)
        title, chosen = "Word problems, a stand-in", [*words(assignment, model, data), *STAND_IN]
    compare(METHODS, chosen, title=title, work=work, sheet=sheet, seconds=assignment.left - MARGIN)
    if not given:
        sheet.note(
            f"{title}: methods",
            "A real model: not run. Give `--model FOLDER` and `--data FOLDER`. The stand-in is the bundled policy for "
            "word problems and a folder of them, through the same config.",
        )


def words(assignment: Assignment, model: str | Path, data: str | Path) -> list[str]:
    """A config and what both methods share."""
    questions, trajectories = BATCH[assignment.device]
    every, asked = EVALUATION[assignment.device]
    return [
        str(ROOT / "configs/qwen_gsm8k.yaml"),
        f"policy.device={assignment.device}",
        f"policy.dtype={assignment.place.dtype}",
        f"training.iterations={FOREVER if assignment.on_gpu else FEW}",
        "learner.warmup_ratio=0",
        "learner.schedule=constant",
        f"checkpoint.every={FOREVER}",
        f"training.questions={questions}",
        f"training.trajectories={trajectories}",
        f"learner.minibatch={questions * trajectories}",
        f"policy.path={model}",
        f"task.path={data}",
        "task.chat=null",  # where the model has a template
        "engine=torch",
        f"evaluation.every={every}",
        f"evaluation.questions={asked}",
    ]
