"""What moves the wall-clock: where an iteration of configs/registers.yaml spends its seconds, and what each idea saves.

    OMP_NUM_THREADS=1 python benchmarks/wall_clock.py [--policy DIR] [--batches 5]

The ladder times the credit of the same trajectories, one idea more on each rung; the seconds are the median over
batches. What an iteration spends besides, and what could be saved there at most, is printed below it.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median

from equal_tuning.methods import ROOT
from rollout_speed.contenders import generate
from rollout_speed.workload import Workload
from vineppo.config.load import load_config
from vineppo.config.schema import Config
from vineppo.credit.coupled_assigner import CoupledAssigner
from vineppo.credit.vine import VineAssigner
from vineppo.environment import Environment
from vineppo.learner.learner import Learner
from vineppo.policy import Policy, load_policy
from vineppo.processes import ALONE
from vineppo.recipes.build import build_environment, build_sampling
from vineppo.recipes.build_learner import build_reference, build_trained, copy_reference
from vineppo.recipes.policy_iteration import to_sample
from vineppo.recipes.scoring import judge_and_cut
from vineppo.steps import Pieces, build_segmenter
from vineppo.tasks.build import build_task
from vineppo.types import Credit, Scored

K = 9
BUDGET = 150
"""Tokens of rollouts a trajectory."""
ROWS = 192
"""Of `generate`: its best on two cores (RESULTS.md)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rung:
    """One way of crediting a batch."""

    name: str
    credit: Callable[[Sequence[Scored], int], list[Credit] | list[int]]
    """Credits, or the decoded tokens of each rollout where there is nothing but rollouts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Timed:
    """What a rung took."""

    seconds: float
    tokens: int
    credits: list[Credit]


def ladder(config: Config, policy: Policy, environment: Environment) -> list[Rung]:
    """From independent rollouts without shared trunks to coupled vines within a budget."""
    sampling = build_sampling(config.sampling)
    vine = VineAssigner(environment, rollouts=K, max_states=None, mask_above=None, sampling=sampling)
    free, kept = (
        CoupledAssigner(environment, rollouts=K, token_budget=budget, segments=None, sampling=sampling)
        for budget in (None, BUDGET)
    )
    return [
        Rung(name=f"vine K = {K} by `generate`", credit=lambda batch, seed: unshared(policy, batch, config, seed)),
        Rung(name="+ shared trunks", credit=lambda batch, seed: vine(batch, seed=seed)),
        Rung(name="+ coupling, each trajectory alone", credit=lambda batch, seed: free(alone(batch), seed=seed)),
        Rung(name="+ a question's trajectories in one tree", credit=lambda batch, seed: free(batch, seed=seed)),
        Rung(name=f"+ {BUDGET} tokens a trajectory at most", credit=lambda batch, seed: kept(batch, seed=seed)),
    ]


def unshared(policy: Policy, batch: Sequence[Scored], config: Config, seed: int) -> list[int]:
    """K rollouts from every state by transformers, each with its whole prefix. Decoded tokens of each."""
    workload = Workload(
        trajectories=tuple(scored.trajectory.prompt_ids + scored.trajectory.response_ids for scored in batch),
        states=tuple(tuple(len(s.trajectory.prompt_ids) + at for at in s.bounds[:-1]) for s in batch),
        rollouts=K,
        max_new_tokens=config.sampling.max_new_tokens,
        end_ids=tuple(policy.end_ids),
    )
    return generate.sampler(policy.model, workload, rows=ROWS)(workload, seed)


def alone(batch: Sequence[Scored]) -> list[Scored]:
    """As if each trajectory answered a question of its own."""
    found = []
    for place, scored in enumerate(batch):
        question = replace(scored.trajectory.question, id=f"{scored.trajectory.question.id}/{place}")
        found.append(replace(scored, trajectory=replace(scored.trajectory, question=question)))
    return found


def timed(rung: Rung, batch: Sequence[Scored], seed: int) -> Timed:
    """Once."""
    started = time.perf_counter()
    found = rung.credit(batch, seed)
    seconds = time.perf_counter() - started
    credits = [each for each in found if isinstance(each, Credit)]
    rollouts = {id(rollout): rollout for credit in credits for value in credit.values for rollout in value.rollouts}
    tokens = sum(each for each in found if isinstance(each, int))
    tokens += sum(len(rollout.completion.token_ids) for rollout in rollouts.values())
    return Timed(seconds=seconds, tokens=tokens, credits=credits)


class Loop:
    """Iterations of the study's default, with every rung of the ladder timed on the way."""

    def __init__(self, config: Config):
        self._config = config
        self._policy, task = load_policy(config.policy.path, device=config.policy.device), build_task(config.task)
        self._questions = task.questions("train")
        self._environment = build_environment(self._policy, task, config.engine)
        self._rungs = ladder(config, self._policy, self._environment)
        frozen, self._trained = copy_reference(config, self._policy), build_trained(config, self._policy, ALONE)
        reference = build_reference(config, frozen, self._trained, ALONE)
        self._learner = Learner(self._trained.scorer, reference, config.learner, updates=1000)
        self.rungs: dict[str, list[Timed]] = {rung.name: [] for rung in self._rungs}
        self.parts: dict[str, list[float]] = {"sample": [], "judge": [], "update": []}

    def iterate(self, number: int) -> None:
        """Sample, judge, credit in every way, update by the last of them."""
        clock = [time.perf_counter()]
        count, each = self._config.training.questions, self._config.training.trajectories
        chosen = self._questions[number * count : (number + 1) * count]
        law = build_sampling(self._config.sampling)
        trajectories = self._environment.sample(chosen, count=each, sampling=law, seed=number, branches=True)
        clock.append(time.perf_counter())
        segment, pieces = build_segmenter(self._config.steps), Pieces(self._policy.decode)
        batch = judge_and_cut(self._environment, segment, pieces, trajectories)
        clock.append(time.perf_counter())
        for rung in self._rungs:
            self.rungs[rung.name].append(timed(rung, batch, number))
        credits = self.rungs[self._rungs[-1].name][-1].credits
        samples = [to_sample(scored, credit) for scored, credit in zip(batch, credits, strict=True)]
        began = time.perf_counter()
        self._learner.update(samples, seed=number)
        self._environment.engine.load_weights(self._trained.weights(), policy_version=number + 1)
        spent = (clock[1] - clock[0], clock[2] - clock[1], time.perf_counter() - began)
        for own, seconds in zip(self.parts.values(), spent, strict=True):
            own.append(seconds)

    def show(self) -> str:
        """As Markdown; the first iteration warmed up and is left out."""
        lines = ["| credit of a batch | seconds | tokens of rollouts | |", "| --- | --- | --- | --- |"]
        before = 0.0
        for name, results in self.rungs.items():
            seconds, tokens = (median(r.seconds for r in results[1:]), fmean(r.tokens for r in results[1:]))
            lines.append(f"| {name} | {seconds:.2f} | {tokens:,.0f} | {f'{before / seconds:.1f}x' if before else ''} |")
            before = seconds
        parts = {name: median(own[1:]) for name, own in self.parts.items()}
        whole = before + sum(parts.values())
        last = [credit for result in list(self.rungs.values())[-1][1:] for credit in result.credits]
        silent = fmean(not any(credit.advantages) for credit in last)
        return "\n".join(
            [
                *lines,
                "",
                f"The rest of an iteration: {', '.join(f'{name} {own:.3f} s' for name, own in parts.items())}.",
                f"Judging beside decoding could save {parts['judge'] / whole:.1%} of an iteration. Without KL and",
                f"whitening, leaving out of the update the {silent:.0%} of trajectories without advantage could save",
                f"{silent * parts['update'] / whole:.1%}.",
            ]
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policy", default="bundled:registers")
    parser.add_argument("--batches", type=int, default=5)
    arguments = parser.parse_args()
    loop = Loop(load_config(ROOT / "configs/registers.yaml", [f"policy.path={arguments.policy}"]))
    for number in range(arguments.batches + 1):
        loop.iterate(number)
    print(loop.show())


if __name__ == "__main__":
    main()
