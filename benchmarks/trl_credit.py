"""TRL with coupled credit beside TRL's GRPO, at equal updates and at equal tokens: the embedded task, some seeds.

    python benchmarks/trl_credit.py            trains what is not trained yet, then writes the table
    python benchmarks/trl_credit.py --table    the table of what there is

All arms are vineppo.integrations.trl.CreditGRPOTrainer from the bundled policy, with the same GRPOConfig (TRL's
defaults but for what SETTINGS says; nothing was tuned for any). With credit=grpo its updates are GRPOTrainer's to the
last bit (a test holds it). Coupled credit decodes rollouts besides, about as many tokens as its completions have, so
that GRPO goes twice as far at equal tokens: an arm of its own, for the learning rate falls to 0 at the end of each.
Seconds are left out: they say how busy the machine was. Runs go on from their last checkpoint.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

from datasets import Dataset
from trl import GRPOConfig

from vineppo.credit.coupled_assigner import CoupledCredit
from vineppo.credit.group import GrpoCredit
from vineppo.credit.settings import CreditSettings
from vineppo.integrations.trl import CreditGRPOTrainer
from vineppo.report.run_data import Run, read_run
from vineppo.settings.model_shape import resolve_bundled
from vineppo.steps.lines import LinesSteps
from vineppo.tasks.arithmetic import Arithmetic

RUNS, RESULTS = Path("runs/trl_credit_study"), Path("benchmarks/results/trl")
SEEDS = (0, 1, 2)


@dataclass(frozen=True, kw_only=True)
class Arm:
    credit: CreditSettings
    updates: int


ARMS = {
    "grpo": Arm(credit=GrpoCredit(), updates=120),
    "coupled": Arm(credit=CoupledCredit(rollouts=9, token_budget=150), updates=120),
    "grpo-twice": Arm(credit=GrpoCredit(), updates=240),
}
SETTINGS = {
    "per_device_train_batch_size": 64,
    "steps_per_generation": 2,  # 32 questions, 4 completions each
    "num_generations": 4,
    "num_iterations": 2,
    "max_completion_length": 80,
    "learning_rate": 2e-4,
    "model_init_kwargs": {"dtype": "float32"},
    "bf16": False,
    "use_cpu": True,
    "gradient_checkpointing": False,
    "dataloader_pin_memory": False,
    "eval_strategy": "steps",
    "eval_on_start": True,
    "eval_steps": 20,
    "num_generations_eval": 1,
    "per_device_eval_batch_size": 256,
    "save_strategy": "steps",
    "save_steps": 20,
    "save_total_limit": 1,
    "logging_steps": 4,
    "report_to": "none",
    "disable_tqdm": True,
}
QUESTIONS, TEST_QUESTIONS, TOGETHER = 4000, 256, 512


def right(completions: list[str], answer: list[str], **_: object) -> list[float]:
    return [float(text.rpartition("####")[2].strip() == gold) for text, gold in zip(completions, answer, strict=True)]


def questions(split: str, count: int) -> Dataset:
    task = Arithmetic()
    found = task.questions("train" if split == "train" else "test")[:count]
    return Dataset.from_list([{"prompt": q.prompt, "answer": q.answer} for q in found])


def train(arm: Arm, seed: int, folder: Path) -> None:
    """To the end, from the last checkpoint where there is one."""
    if (folder / "summary.json").exists():
        return
    trainer = CreditGRPOTrainer(
        model=resolve_bundled("bundled:arithmetic"),
        reward_funcs=right,
        args=GRPOConfig(output_dir=str(folder), seed=seed, max_steps=arm.updates, **SETTINGS),
        train_dataset=questions("train", QUESTIONS),
        eval_dataset=questions("test", TEST_QUESTIONS),
        credit=arm.credit,
        steps=LinesSteps(),
        together=TOGETHER,
    )
    trainer.train(resume_from_checkpoint=any(folder.glob("checkpoint-*")) or None)


def finished(root: Path, name: str) -> list[Run]:
    """The runs of an arm that came to their end, a seed each."""
    folders = [root / f"{name}-{seed}" for seed in SEEDS]
    return [read_run(folder) for folder in folders if (folder / "summary.json").exists()]


def table(root: Path) -> str:
    """What the finished runs came to, and the way there."""
    runs = {name: found for name in ARMS if (found := finished(root, name))}
    lines = [
        *rows_of(("arm", "updates", "tokens decoded in training", "start", "end of each seed", "mean ± sd"), ends(runs))
    ]
    updates = sorted({update for found in runs.values() for run in found for update, _, _ in way(run)})
    lines += ["", *rows_of(("arm", *map(str, updates)), ways(runs, updates))]
    return "\n".join(lines) + "\n"


def ends(runs: dict[str, list[Run]]) -> Iterator[list[str]]:
    """A row an arm: where it began and ended."""
    for name, found in runs.items():
        ways_there = [way(run) for run in found]
        starts, finals = ([points[place][1] for points in ways_there] for place in (0, -1))
        tokens = fmean(points[-1][2] for points in ways_there)
        each = ", ".join(f"{final:.1%}" for final in finals)
        yield [name, str(ARMS[name].updates), f"{tokens:,.0f}", f"{fmean(starts):.1%}", each, spread(finals)]


def ways(runs: dict[str, list[Run]], updates: Sequence[int]) -> Iterator[list[str]]:
    """Two rows an arm: mean accuracy after so many updates, and the tokens decoded until then."""
    for name, found in runs.items():
        points = [{update: (accuracy, tokens) for update, accuracy, tokens in way(run)} for run in found]
        there = [[own[update] for own in points] if update in points[0] else [] for update in updates]
        yield [name, *(spread([accuracy for accuracy, _ in own]) if own else "" for own in there)]
        yield [f"{name}: tokens", *(f"{fmean(tokens for _, tokens in own):,.0f}" if own else "" for own in there)]


def way(run: Run) -> list[tuple[int, float, float]]:
    """(updates, accuracy, tokens decoded in training until then) of each evaluation."""
    points, tokens = [], 0.0
    for line in run.metrics:
        tokens += line.get("tokens/trajectories", 0) + line.get("tokens/rollouts", 0)
        if "eval/accuracy" in line:
            points.append((int(line["updates"]), line["eval/accuracy"], tokens))
    return points


def spread(numbers: Sequence[float]) -> str:
    return f"{fmean(numbers):.1%}" + (f" ± {stdev(numbers):.1%}" if len(numbers) > 1 else "")


def rows_of(columns: Sequence[str], rows: Iterator[list[str]]) -> Iterator[str]:
    """Markdown."""
    for cells in (columns, ["---"] * len(columns), *rows):
        yield f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="store_true", help="train nothing")
    parser.add_argument("--runs", type=Path, default=RUNS)
    arguments = parser.parse_args()
    if not arguments.table:
        for seed in SEEDS:
            for name, arm in ARMS.items():
                train(arm, seed, arguments.runs / f"{name}-{seed}")
    RESULTS.mkdir(parents=True, exist_ok=True)
    for run in sorted(arguments.runs.glob("*/metrics.jsonl")):
        (RESULTS / f"{run.parent.name}.jsonl").write_text(run.read_text())
    (RESULTS / "table.md").write_text(table(arguments.runs))
    print(table(arguments.runs))


if __name__ == "__main__":
    main()
