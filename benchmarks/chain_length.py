"""What credit costs on long chains: decoded tokens and error for 8 to 512 steps.

A synthetic policy whose values are known exactly. A step is two tokens: a word, for which there are two, and work, done
right or wrong. Work is in doubt in four steps only, wrong with probability 1/4 there; the reward is 1 if at most one
went wrong. `sure` policies say the same word 999 times in 1000, `free` ones toss a coin in every step, so that they
leave their trajectory all the time and it means nothing.

    python benchmarks/chain_length.py [--trajectories 24] [--repeats 3]
"""

import argparse
import random
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from math import comb, exp, log
from statistics import fmean

import numpy as np
from torch import Tensor

from vineppo.credit.coupled_assigner import CoupledAssigner
from vineppo.credit.vine import VineAssigner
from vineppo.environment import Environment
from vineppo.recipes.measurements import credit_metrics
from vineppo.rng import derive_seed
from vineppo.seams import CreditAssigner, Progress
from vineppo.types import Completion, Credit, Finish, Judgement, Outcome, Question, Request, Sampling, Scored

LENGTHS = (8, 32, 64, 128, 512)
DECISIVE, WRONG = 4, 0.25
END, WORD, OTHER_WORD, GOOD, BAD = range(5)
USUAL_WORD = {"sure": 0.999, "free": 0.5}
SEGMENTS = 8
ROLLOUTS = (1, 3, 9, 27)


class Chain:
    """Engine, task and truth in one."""

    policy_version = 0

    def __init__(self, steps: int, usual: float):
        self.steps, self._usual = steps, usual
        self.sampling = Sampling(max_new_tokens=2 * steps + 1)
        self.environment = Environment(engine=self, task=self, encode=self._encode, decode=bytes)

    def load_weights(self, state: Mapping[str, Tensor], *, policy_version: int) -> None:
        raise AssertionError("there are no weights")

    def questions(self, split: str) -> list[Question]:
        return [Question(id=f"{index}", prompt=f"{index}", answer="") for index in range(1000)]

    def _encode(self, prompt: object) -> tuple[int, ...]:
        return (int(str(prompt)),)

    def chances(self, question: int) -> np.ndarray:
        """[2 steps + 1, 5] law at each position of a response. It depends on nothing else."""
        law = np.zeros((2 * self.steps + 1, 5))
        law[0:-1:2, WORD], law[0:-1:2, OTHER_WORD] = self._usual, 1 - self._usual
        law[1:-1:2, GOOD], law[-1, END] = 1, 1
        doubtful = 1 + 2 * np.array(self.decisive(question))
        law[doubtful, GOOD], law[doubtful, BAD] = 1 - WRONG, WRONG
        return law

    def decisive(self, question: int) -> list[int]:
        return random.Random(question).sample(range(self.steps), DECISIVE)

    def sample(
        self, requests: Sequence[Request], sampling: Sampling, *, progress: Progress | None = None
    ) -> list[tuple[Completion, ...]]:
        return [tuple(self._continue(request, draw) for draw in range(request.count)) for request in requests]

    def _continue(self, request: Request, draw: int) -> Completion:
        law = self.chances(request.prefix[0])[len(request.prefix) - 1 :]
        law[0, list(request.forbidden_first)] = 0
        law[0] /= law[0].sum()
        uniforms = np.random.default_rng(derive_seed(request.seed, draw)).random((len(law), 1))
        tokens = (law.cumsum(1) <= uniforms).sum(1)
        return Completion(
            token_ids=tuple(tokens.tolist()),
            logprobs=tuple(np.log(law[np.arange(len(law)), tokens]).tolist()),
            finish=Finish.TERMINATED,
            policy_version=0,
        )

    def judge(self, questions: Sequence[Question], responses: Sequence[bytes]) -> list[Judgement]:
        return [Judgement(reward=float(own.count(BAD) <= 1), outcome=Outcome.SCORED) for own in responses]

    def trajectories(self, count: int) -> list[Scored]:
        own = self.environment.sample(self.questions("train")[:count], count=1, sampling=self.sampling, seed=0)
        bounds = (*range(0, 2 * self.steps, 2), 2 * self.steps + 1)
        judged = self.environment.judge_trajectories(own)
        return [Scored(trajectory=t, judgement=j, bounds=bounds) for t, j in zip(own, judged, strict=True)]

    def value(self, scored: Scored, position: int) -> float:
        """The probability that at most one step goes wrong."""
        written = scored.trajectory.response_ids[:position]
        left = sum(2 * step + 1 >= position for step in self.decisive(scored.trajectory.prompt_ids[0]))
        allowed = 1 - written.count(BAD)
        return sum(comb(left, bad) * WRONG**bad * (1 - WRONG) ** (left - bad) for bad in range(allowed + 1))


def squared_errors(chain: Chain, scored: Scored, credit: Credit) -> tuple[list[float], list[float]]:
    """Per step, against its own true advantage, and against that of the segment it was measured in."""
    own, segment = [], {}
    for before, after in pairwise(credit.values):
        change = chain.value(scored, after.position) - chain.value(scored, before.position)
        segment |= dict.fromkeys(range(before.position, after.position), change)
    for start, stop in pairwise(scored.bounds):
        own.append((credit.advantages[start] - (chain.value(scored, stop) - chain.value(scored, start))) ** 2)
    return own, [(credit.advantages[start] - segment[start]) ** 2 for start in scored.bounds[:-1]]


def measure(chain: Chain, assign: CreditAssigner, trajectories: int, repeats: int) -> tuple[float, float, float]:
    """Tokens a trajectory, and the two mean squared errors."""
    scored, tokens = chain.trajectories(trajectories), []
    own: list[float] = []
    segment: list[float] = []
    for repeat in range(repeats):
        credits = assign(scored, seed=repeat)
        tokens.append(credit_metrics(credits).get("tokens/rollouts", 0.0) / trajectories)
        for item, credit in zip(scored, credits, strict=True):
            both = squared_errors(chain, item, credit)
            own += both[0]
            segment += both[1]
    return fmean(tokens), fmean(own), fmean(segment)


Build = Callable[[Chain, int], CreditAssigner]


def vine(chain: Chain, rollouts: int) -> CreditAssigner:
    return VineAssigner(chain.environment, rollouts=rollouts, max_states=None, sampling=chain.sampling)


def coupled(chain: Chain, rollouts: int, segments: int | None = None) -> CreditAssigner:
    return CoupledAssigner(
        chain.environment, rollouts=rollouts, token_budget=None, segments=segments, sampling=chain.sampling
    )


def in_segments(chain: Chain, rollouts: int) -> CreditAssigner:
    return coupled(chain, rollouts, SEGMENTS)


def tokens_for(curve: Sequence[tuple[float, float]], error: float) -> str:
    """Tokens at which a curve of (tokens, error) reaches an error, in log-log between its points."""
    for (cheap, large), (dear, small) in pairwise(sorted(curve)):
        if large > error >= small:
            return f"{exp(log(cheap) + log(large / error) / log(large / small) * log(dear / cheap)):.0f}"
    return f"at most {min(curve)[0]:.0f}" if min(curve)[1] <= error else f"more than {max(curve)[0]:.0f}"


def run(kind: str, name: str, build: Build, trajectories: int, repeats: int) -> None:
    curves: dict[int, list[tuple[float, float]]] = {}
    for steps in LENGTHS:
        chain = Chain(steps, USUAL_WORD[kind])
        dear = name == "vine" or (kind == "free" and build is coupled)
        for rollouts in ROLLOUTS:
            if dear and steps * rollouts > 9 * 128:
                continue  # quadratic: minutes for nothing new
            tokens, own, segment = measure(chain, build(chain, rollouts), trajectories, repeats)
            curves.setdefault(steps, []).append((tokens, own))
            print(
                f"{kind}  {name:24} {steps:>3} steps  K {rollouts:>2}  {tokens:>9.0f} tokens  "
                f"error {own:.2e} a step, {segment:.2e} as measured",
                flush=True,
            )
    if 512 in curves and 64 in curves:
        tokens, error = curves[64][ROLLOUTS.index(9)]
        print(
            f"  64 steps, K 9: {tokens:.0f} tokens. 512 steps, the same error: {tokens_for(curves[512], error)} tokens"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trajectories", type=int, default=24)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    for kind in USUAL_WORD:
        for name, build in (("vine", vine), ("coupled", coupled), (f"coupled, {SEGMENTS} segments", in_segments)):
            run(kind, name, build, arguments.trajectories, arguments.repeats)


if __name__ == "__main__":
    main()
