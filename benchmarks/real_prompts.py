"""Sampling for a real model and real prompts: the embedded engine beside transformers, with and without few shots.

    OMP_NUM_THREADS=1 python benchmarks/real_prompts.py --policy build/svamp_start --data build/svamp

The model's folder, the test questions of a data set, and before each of them `--shots` worked examples or none. All
decode the same number of tokens, whatever they are; each contender gets the best of its batch sizes. Processor time is
counted, so a busy machine does less harm; every contender runs in this process, after a small warm-up.
docs/real_model.md
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from rollout_speed.contenders import continuous, generate, ours
from rollout_speed.workload import Workload
from vineppo.policy import load_tokenizer
from vineppo.tasks.files import read_jsonl

SAMPLERS = {"vineppo": ours.sampler, "generate": generate.sampler, "continuous batching": continuous.sampler}
ROWS = {"vineppo": (64,), "generate": (16, 64), "continuous batching": (8, 16)}
"""Sequences side by side that each may try."""
ROW = "{:<16} {:<20} {:>5} {:>14} {:>8} {:>12} {:>11} {:>8}"


def main() -> None:
    given = arguments()
    tokenizer = load_tokenizer(given.policy)
    questions = [str(row["question"]) for row in read_jsonl(given.data / "test.jsonl")][: given.questions]
    worked = [f"{row['question']}\n{row['response']}" for row in read_jsonl(given.data / "worked" / "train.jsonl")]
    few_shot = "\n\n".join([*worked[: given.shots], ""])
    loaded = AutoModelForCausalLM.from_pretrained(given.policy, dtype=getattr(torch, given.dtype))
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
        ours_best = 0.0
        for contender in given.contenders:
            rows, seconds = best(contender, loaded.eval(), workload, given.repeats)
            speed = workload.total_rollouts * given.new_tokens / seconds
            ours_best = ours_best or speed
            length = sum(map(len, prompts)) / len(prompts)
            tokens = workload.total_rollouts * given.new_tokens
            shown = (f"{cell:,.1f}" for cell in (length, tokens, seconds, speed))
            print(ROW.format(name, contender, rows, *shown, f"{ours_best / speed:.1f}x"), flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--policy", default="build/svamp_start")
    add("--data", type=Path, default=Path("build/svamp"))
    add("--questions", type=int, default=6)
    add("--rollouts", type=int, default=8, help="of each question")
    add("--new-tokens", type=int, default=16)
    add("--shots", type=int, default=6)
    add("--dtype", default="bfloat16")
    add("--repeats", type=int, default=1, help="of each measurement; the best counts")
    add("--contenders", nargs="+", choices=list(SAMPLERS), default=list(SAMPLERS), help="the first is compared with")
    return parser.parse_args()


def best(contender: str, model: PreTrainedModel, workload: Workload, repeats: int) -> tuple[int, float]:
    """Rows and processor seconds of its best setting."""
    return min(
        ((rows, timed(SAMPLERS[contender](model, workload, rows=rows), workload, repeats)) for rows in ROWS[contender]),
        key=lambda measured: measured[1],
    )


def timed(sample: Callable[[Workload, int], list[int]], workload: Workload, repeats: int) -> float:
    """Processor seconds, all threads of the process, of the quickest repeat."""
    sample(workload.first(1), 0)
    seconds = []
    for repeat in range(repeats):
        began = time.process_time()
        workload.check(sample(workload, repeat + 1))
        seconds.append(time.process_time() - began)
    return min(seconds)


if __name__ == "__main__":
    main()
