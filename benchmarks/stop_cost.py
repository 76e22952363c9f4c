"""What stop strings cost: the same responses without and with some that are looked for and never come, in turn.

    python benchmarks/stop_cost.py                              the bundled policy, whose steps are quick
    python benchmarks/stop_cost.py --policy MODEL --prompts 8   any other; its prompts stay the arithmetic task's

CPU seconds of this process, the least of some repeats. One that never comes is the dearest: nothing ends early.
"""

import argparse
import time

from vineppo.engines.torch.settings import TorchEngineConfig
from vineppo.policy import Policy, load_policy
from vineppo.seams import Engine
from vineppo.tasks.arithmetic import Arithmetic
from vineppo.types import Request, Sampling

STOPS = {"none": (), "rare": ("\n\n\nProblem:",), "frequent": ("\n\n\n\n",)}
"""By how often a token is the last character of one: hardly ever; at every line break."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policy", default="bundled:arithmetic")
    parser.add_argument("--prompts", type=int, default=64, help="questions of the arithmetic task (64)")
    parser.add_argument("--count", type=int, default=8, help="responses to each (8)")
    parser.add_argument("--new-tokens", type=int, default=80, help="the most of a response (80)")
    parser.add_argument("--repeats", type=int, default=5, help="the least counts (5)")
    given = parser.parse_args()
    policy = load_policy(given.policy, device="cpu")
    engine, requests = TorchEngineConfig().build(policy), requests_of(policy, given.prompts, given.count)
    seconds: dict[str, list[float]] = {name: [] for name in STOPS}
    tokens = 0
    for repeat in range(given.repeats + 1):
        for name, stop in STOPS.items():
            began = time.process_time()
            tokens = sample(engine, requests, Sampling(max_new_tokens=given.new_tokens, stop=stop))
            if repeat:  # the first fills tables and caches
                seconds[name].append(time.process_time() - began)
    for name, own in seconds.items():
        print(
            f"{name:9s} {min(own):7.3f} s   {min(own) / min(seconds['none']):5.3f} of none   "
            f"{1e6 * (min(own) - min(seconds['none'])) / tokens:6.2f} us a token more, of {tokens} tokens"
        )


def requests_of(policy: Policy, prompts: int, count: int) -> list[Request]:
    """The first questions."""
    questions = Arithmetic().questions("test")[:prompts]
    return [Request(prefix=policy.encode(q.prompt), count=count, seed=i) for i, q in enumerate(questions)]


def sample(engine: Engine, requests: list[Request], sampling: Sampling) -> int:
    """Tokens sampled."""
    return sum(len(one.token_ids) for group in engine.sample(requests, sampling) for one in group)


if __name__ == "__main__":
    main()
