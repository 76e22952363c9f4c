"""Coupled vines and GRPO on word problems: a real model on GSM8K's where both were given, else the bundled stand-in."""

import shutil

from gpu_run.assignment import Assignment
from gpu_run.curves import FOREVER, Method, compare
from gpu_run.launch import ROOT
from gpu_run.results import Sheet

METHODS = tuple(Method(name=name, words=(f"credit={name}",)) for name in ("coupled", "grpo"))
MARGIN = 6.0
BATCH = ("training.questions=8", "training.trajectories=8", "learner.minibatch=64")


def measure(assignment: Assignment, sheet: Sheet) -> None:
    """Whatever was given."""
    work = assignment.work / "real"
    shutil.rmtree(work, ignore_errors=True)
    given = assignment.model is not None and assignment.data is not None
    title = "Word problems, the model that was given" if given else "Word problems, the bundled policy as a stand-in"
    compare(METHODS, words(assignment), title=title, work=work, sheet=sheet, seconds=assignment.left - MARGIN)
    if not given:
        sheet.note(f"{title}: methods", "A real model: not run. Give `--model FOLDER` and `--data FOLDER`.")


def words(assignment: Assignment) -> list[str]:
    """A config and what both methods share."""
    shared = [
        f"policy.device={assignment.device}",
        f"training.iterations={FOREVER}",
        "learner.warmup_ratio=0",
        "learner.schedule=constant",
        f"checkpoint.every={FOREVER}",
    ]
    if assignment.model is None or assignment.data is None:
        small = ["evaluation.every=2", "evaluation.questions=40", "task.train_questions=200", "task.test_questions=40"]
        return [str(ROOT / "configs/word_problems.yaml"), *shared, *small]
    return [
        str(ROOT / "configs/qwen_gsm8k.yaml"),
        *shared,
        *BATCH,
        f"policy.path={assignment.model}",
        f"task.path={assignment.data}",
        "engine=torch",
        "evaluation.every=5",
        "evaluation.questions=100",
    ]
