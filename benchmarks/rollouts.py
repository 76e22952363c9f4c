"""Rollouts from shared prefixes: the embedded engine beside transformers.generate, in one run.

The workload of VinePPO: trajectories, and from several states of each some continuations. Both sides sample the same
number of continuations of the same prefixes with the same law; `generate` gets its best batch size of those tried.

    python benchmarks/rollouts.py [--trajectories 16] [--states 8] [--rollouts 9]
"""

import argparse
import time
from collections.abc import Callable

import torch

from vineppo.engines.torch.engine import TorchEngine
from vineppo.policy import Policy, load_policy
from vineppo.tasks.arithmetic import Arithmetic
from vineppo.types import Request, Sampling

SAMPLING = Sampling(temperature=1.0, max_new_tokens=80)
BATCHES = (64, 256, 1024)


def vine_requests(policy: Policy, engine: TorchEngine, *, trajectories: int, states: int, rollouts: int):
    """Sample trajectories (not timed), and ask for rollouts from evenly spaced states of each."""
    questions = Arithmetic().questions("test")[:trajectories]
    prompts = [policy.encode(question.prompt) for question in questions]
    groups = engine.sample([Request(prefix=p, count=1, seed=i, branches=True) for i, p in enumerate(prompts)], SAMPLING)
    return [
        Request(prefix=prompt + ids[: k * len(ids) // states], count=rollouts, seed=k, max_new_tokens=80)
        for prompt, ((ids),) in zip(prompts, [(group[0].token_ids,) for group in groups], strict=True)
        for k in range(states)
    ]


def run_engine(engine: TorchEngine, requests: list[Request]) -> int:
    """Decoded tokens."""
    return sum(len(c.token_ids) for group in engine.sample(requests, SAMPLING) for c in group)


@torch.inference_mode()
def run_generate(policy: Policy, requests: list[Request], batch: int) -> int:
    """Decoded tokens, those after the end token not counted."""
    prefixes = sorted((r.prefix for r in requests for _ in range(r.count)), key=len)
    end, pad = policy.end_ids[0], policy.tokenizer.pad_token_id
    decoded = 0
    for start in range(0, len(prefixes), batch):
        rows = prefixes[start : start + batch]
        width = max(map(len, rows))
        ids = torch.tensor([(pad,) * (width - len(row)) + row for row in rows])
        mask = torch.tensor([(0,) * (width - len(row)) + (1,) * len(row) for row in rows])
        new = policy.model.generate(  # pyright: ignore
            ids, attention_mask=mask, do_sample=True, max_new_tokens=80, eos_token_id=end, pad_token_id=pad
        )[:, width:]
        ended = (new == end).int().cumsum(-1)
        decoded += int(((ended - (new == end).int()) == 0).sum())
    return decoded


def rate(work: Callable[[], int]) -> float:
    """Tokens per second, the better of two runs: the first may still warm up."""
    rates = []
    for _ in range(2):
        started = time.perf_counter()
        tokens = work()
        rates.append(tokens / (time.perf_counter() - started))
    return max(rates)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policy", default="bundled:arithmetic")
    parser.add_argument("--trajectories", type=int, default=16)
    parser.add_argument("--states", type=int, default=8)
    parser.add_argument("--rollouts", type=int, default=9)
    arguments = parser.parse_args()
    policy = load_policy(arguments.policy)
    engine = TorchEngine(policy.model, end_ids=policy.end_ids, context=policy.context, rows=1024, kept_bytes=2**30)
    requests = vine_requests(
        policy,
        engine,
        trajectories=arguments.trajectories,
        states=arguments.states,
        rollouts=arguments.rollouts,
    )
    ours = rate(lambda: run_engine(engine, requests))
    print(f"{sum(r.count for r in requests)} rollouts, {torch.get_num_threads()} threads, {policy.model.device}")
    print(f"vineppo embedded engine            {ours:>8.0f} tokens/s")
    for batch in BATCHES:
        theirs = rate(lambda batch=batch: run_generate(policy, requests, batch))
        print(f"transformers.generate, batch {batch:>5} {theirs:>8.0f} tokens/s   ratio {ours / theirs:.1f}x")


if __name__ == "__main__":
    main()
