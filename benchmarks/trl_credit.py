"""TRL with coupled credit beside TRL's GRPO, at equal updates: the embedded task from the bundled policy, some seeds.

    python benchmarks/trl_credit.py            trains what is not trained yet, then writes the table
    python benchmarks/trl_credit.py --table    the table of what there is

Both arms are vineppo.integrations.trl.CreditGRPOTrainer with the same GRPOConfig (TRL's defaults but for what SETTINGS
says; nothing was tuned for either). With credit=grpo its updates are GRPOTrainer's to the last bit (a test holds it).
Equal updates are not equal tokens: coupled credit decodes rollouts besides, and the table says how many. Seconds are
left out: they say how busy the machine was. Runs go on from their last checkpoint.
"""

import argparse
import json
from pathlib import Path
from statistics import fmean, stdev

from datasets import Dataset
from trl import GRPOConfig

from vineppo.credit.coupled_assigner import CoupledCredit
from vineppo.credit.group import GrpoCredit
from vineppo.integrations.trl import CreditGRPOTrainer
from vineppo.policy import resolve_path
from vineppo.run_dir import RunDir
from vineppo.steps.lines import LinesSteps
from vineppo.tasks.arithmetic import Arithmetic

RUNS, RESULTS = Path("runs/trl_credit_study"), Path("benchmarks/results/trl")
METHODS = {"grpo": GrpoCredit(), "coupled": CoupledCredit(rollouts=9, token_budget=150)}
SEEDS = (0, 1, 2)
SETTINGS = {
    "max_steps": 120,
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
TOKENS = ("tokens of trajectories", "of rollouts")


def right(completions: list[str], answer: list[str], **_: object) -> list[float]:
    return [float(text.rpartition("####")[2].strip() == gold) for text, gold in zip(completions, answer, strict=True)]


def questions(split: str, count: int) -> Dataset:
    task = Arithmetic()
    found = task.questions("train" if split == "train" else "test")[:count]
    return Dataset.from_list([{"prompt": q.prompt, "answer": q.answer} for q in found])


def train(method: str, seed: int, folder: Path) -> None:
    """To the end, from the last checkpoint where there is one."""
    if (folder / "summary.json").exists():
        return
    trainer = CreditGRPOTrainer(
        model=resolve_path("bundled:arithmetic"),
        reward_funcs=right,
        args=GRPOConfig(output_dir=str(folder), seed=seed, **SETTINGS),
        train_dataset=questions("train", QUESTIONS),
        eval_dataset=questions("test", TEST_QUESTIONS),
        credit=METHODS[method],
        steps=LinesSteps(),
        together=TOGETHER,
    )
    trainer.train(resume_from_checkpoint=any(folder.glob("checkpoint-*")) or None)


def table(root: Path) -> str:
    """What the finished runs came to."""
    rows = []
    for method in METHODS:
        runs = [root / f"{method}-{seed}" for seed in SEEDS]
        finished = [RunDir(run) for run in runs if (run / "summary.json").exists()]
        summaries = [json.loads(run.summary_file.read_text()) for run in finished]
        if not summaries:
            continue
        finals = [summary["accuracy"]["final"] for summary in summaries]
        tokens = {name: fmean(s["tokens"].get(name, 0) for s in summaries) for name in ("trajectories", "rollouts")}
        rows.append(
            f"| {method} | {len(finals)} | {fmean(s['accuracy']['start'] for s in summaries):.1%} "
            f"| {', '.join(f'{final:.1%}' for final in finals)} "
            f"| {fmean(finals):.1%}{f' ± {stdev(finals):.1%}' if len(finals) > 1 else ''} | {summaries[0]['updates']} "
            f"| {tokens['trajectories']:,.0f} | {tokens['rollouts']:,.0f} |"
        )
    columns = ("credit", "seeds", "start", "after the last update", "mean ± sd", "updates", *TOKENS)
    return "\n".join([f"| {' | '.join(columns)} |", "|---" * len(columns) + "|", *rows]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="store_true", help="train nothing")
    parser.add_argument("--runs", type=Path, default=RUNS)
    arguments = parser.parse_args()
    if not arguments.table:
        for seed in SEEDS:
            for method in METHODS:
                train(method, seed, arguments.runs / f"{method}-{seed}")
    RESULTS.mkdir(parents=True, exist_ok=True)
    for run in sorted(arguments.runs.glob("*/metrics.jsonl")):
        (RESULTS / f"{run.parent.name}.jsonl").write_text(run.read_text())
    (RESULTS / "table.md").write_text(table(arguments.runs))
    print(table(arguments.runs))


if __name__ == "__main__":
    main()
