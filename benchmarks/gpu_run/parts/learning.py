"""Accuracy over seconds on programs over registers: coupled vines, tree credit, GRPO, PPO, the same time each."""

import shutil
from pathlib import Path

from gpu_run.assignment import Assignment
from gpu_run.curves import FEW, FOREVER, Method, compare
from gpu_run.launch import ROOT
from gpu_run.results import Sheet

TITLE = "Programs over registers"
METHODS = tuple(Method(name=name, words=(f"credit={name}",)) for name in ("ppo", "coupled", "grpo", "tree"))
"""PPO first: the others are measured by its best."""
MARGIN = 2.0


def measure(assignment: Assignment, sheet: Sheet) -> None:
    """Long programs where there is a policy for them, else short ones from the bundled policy."""
    work = assignment.work / "learning"
    shutil.rmtree(work, ignore_errors=True)
    compare(METHODS, words(assignment), title=TITLE, work=work, sheet=sheet, seconds=assignment.left - MARGIN)
    if assignment.policy is None:
        sheet.note(
            f"{TITLE}: methods",
            "From the bundled policy, with configs/registers.yaml. For configs/registers_gpu.yaml: "
            "`make policy_registers_gpu`, which `make gpu` then finds.",
        )


def words(assignment: Assignment) -> list[str]:
    """A config and what all methods share. Accuracy is looked at often; its seconds are not counted."""
    config: Path = ROOT / "configs" / ("registers.yaml" if assignment.policy is None else "registers_gpu.yaml")
    given = [] if assignment.policy is None else [f"policy.path={assignment.policy}"]
    often = ["evaluation.every=5", "evaluation.questions=150"] if assignment.on_gpu else small()
    return [
        str(config),
        *given,
        *often,
        f"policy.device={assignment.device}",
        f"training.iterations={FOREVER if assignment.on_gpu else FEW}",
        "learner.warmup_ratio=0",
        f"checkpoint.every={FOREVER}",
    ]


def small() -> list[str]:
    """To be seen to run, in a second a method: of learning it shows nothing."""
    few = ["evaluation.every=1", "evaluation.questions=8", "task.train_questions=50", "task.test_questions=20"]
    return [*few, "training.questions=4", "training.trajectories=4", "learner.minibatch=16", "learner.micro_batch=16"]
