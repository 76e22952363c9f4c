"""What moves the wall-clock: where an iteration of configs/registers.yaml spends its seconds, and what each idea saves.

    OMP_NUM_THREADS=1 python benchmarks/wall_clock.py [--policy DIR] [--batches 5]

Two ladders, one idea more on each rung: the credit of the same trajectories, then the update on them. The seconds are
the median over batches. What an iteration spends besides is printed below them.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean, median

from equal_tuning.methods import ROOT
from rollout_speed.contenders import generate
from rollout_speed.workload import Workload
from vineppo.config.load import load_config
from vineppo.config.schema import Config
from vineppo.credit.coupled_assigner import CoupledAssigner
from vineppo.credit.tree_assigner import TreeAssigner
from vineppo.credit.vine import VineAssigner
from vineppo.environment import Environment
from vineppo.learner.learner import Learner
from vineppo.learner.samples import to_branch_sample, to_sample
from vineppo.policy import Policy, load_policy
from vineppo.recipes.build import build_environment, build_workshop
from vineppo.recipes.scoring import judge_and_cut
from vineppo.steps import Pieces
from vineppo.tasks.build import build_task
from vineppo.types import Credit, Scored

K = 9
BUDGET = 150
"""Tokens of rollouts a trajectory."""
UPDATES: dict[str, dict[str, bool | float]] = {
    "with the KL to the starting policy": {},
    "without KL": {"kl_coefficient": 0.0, "skip_idle": False},
    "+ idle tails skipped": {"kl_coefficient": 0.0},
    "+ the rollouts learned from": {"kl_coefficient": 0.0},
}
"""Settings of `learner`; the last has branches."""
UNCHANGED = 1e-12
"""A learning rate that leaves the weights as they are: every rung updates the same policy."""
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
    sampling = config.sampling.law
    vine = VineAssigner(environment, rollouts=K, max_states=None, mask_above=None, sampling=sampling)
    free, kept = (
        CoupledAssigner(
            environment,
            rollouts=K,
            token_budget=budget,
            segments=None,
            sampling=sampling,
        )
        for budget in (None, BUDGET)
    )
    tree = TreeAssigner(environment, restarts=float(K), token_budget=BUDGET, share=1.0, prior=2.0, sampling=sampling)
    return [
        Rung(name=f"vine K = {K} by `generate`", credit=lambda batch, seed: unshared(policy, batch, config, seed)),
        Rung(name="+ shared trunks", credit=lambda batch, seed: vine(batch, seed=seed)),
        Rung(name="+ coupling, each trajectory alone", credit=lambda batch, seed: free(alone(batch), seed=seed)),
        Rung(name="+ a question's trajectories in one tree", credit=lambda batch, seed: free(batch, seed=seed)),
        Rung(name=f"+ {BUDGET} tokens a trajectory at most", credit=lambda batch, seed: kept(batch, seed=seed)),
        Rung(name="tree credit with as many", credit=lambda batch, seed: tree(batch, seed=seed)),
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
        shop = build_workshop(config)
        frozen, self._trained = shop.frozen(self._policy), shop.trained(self._policy)
        reference = shop.reference(frozen, self._trained)
        self._learners = {
            name: Learner(
                self._trained.scorer,
                None if settings else reference,
                config.learner.model_copy(update={"learning_rate": UNCHANGED, **settings}),
                updates=1000,
            )
            for name, settings in UPDATES.items()
        }
        self.rungs: dict[str, list[Timed]] = {rung.name: [] for rung in self._rungs}
        self.updates: dict[str, list[float]] = {name: [] for name in UPDATES}
        self.parts: dict[str, list[float]] = {"sample": [], "judge": []}

    def iterate(self, number: int) -> None:
        """Sample, judge, credit in every way, update in every way by the last of them."""
        clock = [time.perf_counter()]
        count, each = self._config.training.questions, self._config.training.trajectories
        chosen = self._questions[number * count : (number + 1) * count]
        law = self._config.sampling.law
        trajectories = self._environment.sample(chosen, count=each, sampling=law, seed=number, branches=True)
        clock.append(time.perf_counter())
        segment, pieces = self._config.steps.build(), Pieces(self._policy.decode)
        batch = judge_and_cut(self._environment, segment, pieces, trajectories)
        clock.append(time.perf_counter())
        for rung in self._rungs:
            self.rungs[rung.name].append(timed(rung, batch, number))
        credits = self.rungs[self._rungs[-1].name][-1].credits
        for own, (began, ended) in zip(self.parts.values(), pairwise(clock), strict=True):
            own.append(ended - began)
        pairs = list(zip(batch, credits, strict=True))
        samples = [to_sample(scored, credit) for scored, credit in pairs]
        branches = [to_branch_sample(scored, branch) for scored, credit in pairs for branch in credit.branches]
        for name, learner in self._learners.items():
            began = time.perf_counter()
            learner.update(samples, branches=branches if name == list(UPDATES)[-1] else (), seed=number)
            self.updates[name].append(time.perf_counter() - began)
        self._environment.engine.load_weights(self._trained.weights(), policy_version=number + 1)

    def show(self) -> str:
        """As Markdown; the first iteration warmed up and is left out."""
        lines = ["| credit of a batch | seconds | tokens of rollouts | |", "| --- | --- | --- | --- |"]
        before = 0.0
        for name, results in self.rungs.items():
            seconds, tokens = (median(r.seconds for r in results[1:]), fmean(r.tokens for r in results[1:]))
            lines.append(f"| {name} | {seconds:.2f} | {tokens:,.0f} | {f'{before / seconds:.1f}x' if before else ''} |")
            before = seconds
        lines += ["", "| update on it | seconds |", "| --- | --- |"]
        lines += [f"| {name} | {median(own[1:]):.3f} |" for name, own in self.updates.items()]
        parts = {name: median(own[1:]) for name, own in self.parts.items()}
        whole = before + sum(parts.values()) + median(next(iter(self.updates.values()))[1:])
        last = [credit for result in list(self.rungs.values())[-1][1:] for credit in result.credits]
        return "\n".join(
            [
                *lines,
                "",
                f"The rest of an iteration: {', '.join(f'{name} {own:.3f} s' for name, own in parts.items())}; judging",
                f"beside decoding could save {parts['judge'] / whole:.1%} of it. Trajectories without any advantage:",
                f"{fmean(not any(credit.advantages) for credit in last):.0%}; rollouts that teach, of a batch:",
                f"{sum(len(credit.branches) for credit in last) / (len(self.parts['judge']) - 1):.0f}.",
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
