"""Sampling for a real model and real prompts: the embedded engine beside others, with and without few shots.

    OMP_NUM_THREADS=1 python benchmarks/real_prompts.py
    OMP_NUM_THREADS=1 .venv-vllm/bin/python benchmarks/real_prompts.py --contenders ours vllm     (make vllm-venv)

The model's folder, the test questions of a data set, and before each of them `--shots` worked examples or none. All
decode the same number of tokens, whatever they are; each contender gets the best of its batch sizes. Processor time is
counted, so a busy machine does less harm; every contender runs in this process, after a small warm-up.
docs/real_model.md
"""

import argparse
import time
from pathlib import Path

from rollout_speed.measure import WARM_UP_TRAJECTORIES, load
from rollout_speed.names import Contender, Place, Setting, Stage
from rollout_speed.workload import Workload
from vineppo.policy import load_tokenizer
from vineppo.tasks.files import read_jsonl

ROWS = {
    Contender.OURS: (64,),
    Contender.GENERATE: (16, 64),
    Contender.CONTINUOUS: (8, 16),
    Contender.VLLM: (32, 64),
    Contender.VLLM_COMPILED: (32, 64),
}
"""Sequences side by side that each may try."""
ROW = "{:<16} {:<32} {:>5} {:>14} {:>8} {:>12} {:>11} {:>8}"


def main() -> None:
    given = arguments()
    tokenizer = load_tokenizer(str(given.policy))
    questions = [str(row["question"]) for row in read_jsonl(given.data / "test.jsonl")][: given.questions]
    worked = [f"{row['question']}\n{row['response']}" for row in read_jsonl(given.data / "worked" / "train.jsonl")]
    few_shot = "\n\n".join([*worked[: given.shots], ""])
    stage = staged(given.policy, given.out)
    place = Place(device="cpu", dtype=given.dtype)
    print(ROW.format("prompts", "contender", "rows", "prompt tokens", "tokens", "processor s", "tokens / s", "ours is"))
    for name, before in (("plain", ""), (f"{given.shots} shots before", few_shot)):
        prompts = [tuple(tokenizer(before + question + "\n").input_ids) for question in questions]
        workload = Workload(
            trajectories=tuple(prompts),
            states=tuple((len(prompt),) for prompt in prompts),
            rollouts=given.rollouts,
            max_new_tokens=given.new_tokens,
            end_ids=(),
        )
        length, tokens = sum(map(len, prompts)) / len(prompts), workload.total_rollouts * given.new_tokens
        ours_best = 0.0
        for contender in given.contenders:
            rows, seconds = best(contender, stage, place, workload, given.repeats)
            speed = tokens / seconds
            ours_best = ours_best or speed
            shown = (f"{cell:,.1f}" for cell in (length, tokens, seconds, speed))
            print(ROW.format(name, contender.label, rows, *shown, f"{ours_best / speed:.1f}x"), flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--policy", type=Path, default=Path("build/svamp_start"))
    add("--data", type=Path, default=Path("build/svamp"))
    add("--questions", type=int, default=6)
    add("--rollouts", type=int, default=8, help="of each question")
    add("--new-tokens", type=int, default=16)
    add("--shots", type=int, default=6)
    add("--dtype", default="bfloat16")
    add("--repeats", type=int, default=1, help="of each measurement; the best counts")
    few = [Contender.OURS, Contender.GENERATE, Contender.CONTINUOUS]
    add("--contenders", nargs="+", type=Contender, choices=list(ROWS), default=few, help="the first is compared with")
    add("--out", type=Path, default=Path("build/real_prompts"), help="where a link to the model is left")
    return parser.parse_args()


def staged(policy: Path, folder: Path) -> Stage:
    """The model where the contenders look for it."""
    stage = Stage(folder=folder)
    folder.mkdir(parents=True, exist_ok=True)
    stage.model.unlink(missing_ok=True)
    stage.model.symlink_to(policy.resolve())
    return stage


def best(contender: Contender, stage: Stage, place: Place, workload: Workload, repeats: int) -> tuple[int, float]:
    """Rows and processor seconds of its best setting."""
    return min(
        ((rows, seconds_of(contender, stage, place, workload, rows, repeats)) for rows in ROWS[contender]),
        key=lambda measured: measured[1],
    )


def seconds_of(contender: Contender, stage: Stage, place: Place, workload: Workload, rows: int, repeats: int) -> float:
    """Processor seconds of the whole workload, the fewest of so many times."""
    sample, _ = load(contender, stage, workload, place, Setting(threads=1, rows=rows))
    sample(workload.first(WARM_UP_TRAJECTORIES), 0)
    times = []
    for seed in range(1, repeats + 1):
        began = time.process_time()
        lengths = sample(workload, seed)
        times.append(time.process_time() - began)
        workload.check(lengths)
    return min(times)


if __name__ == "__main__":
    main()
