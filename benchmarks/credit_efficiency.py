"""How wrong advantages are for the tokens they cost: independent vines and coupled ones, on the bundled task.

Three policies (the bundled one, and its training after 20 and 60 iterations with VinePPO), two sampling laws. Truth is
the mean of many independent rollouts per state, which no estimate shares; its own variance is subtracted from the mean
squared error. Both are cached: a second run takes minutes.

    python benchmarks/credit_efficiency.py [--questions 16] [--truth 512] [--repeats 4]
"""

import argparse
import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain, pairwise
from math import exp, log
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from vineppo.config.load import load_config
from vineppo.credit.coupled_assigner import CoupledAssigner
from vineppo.credit.vine import VineAssigner
from vineppo.policy import load_policy
from vineppo.progress import Display
from vineppo.recipes.build import build_environment
from vineppo.recipes.measurements import credit_metrics
from vineppo.recipes.scoring import judge_and_cut
from vineppo.rng import derive_seed
from vineppo.seams import CreditAssigner
from vineppo.steps import Pieces
from vineppo.tasks.build import build_task
from vineppo.types import Credit, Sampling, Scored
from whole_run import whole_run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HOME = Path("build/coupled")
CHECKPOINTS = (20, 60)
GROUP = 4
"""Trajectories a question, as in training."""
LAWS = {"T=1": Sampling(max_new_tokens=80), "T=0.6, top-p 0.9": Sampling(temperature=0.6, top_p=0.9, max_new_tokens=80)}
VINES, COUPLED = (1, 3, 9, 27), (1, 2, 3, 5, 9, 27)
STYLES = {
    "vine": {"marker": "o", "color": "#2066a8"},
    "coupled": {"marker": "s", "color": "#0e8a62"},
    "coupled, each alone": {"marker": "^", "color": "#8a6fb0", "linestyle": "--"},
}
CLEAR = 0.1
"""The size of a true advantage whose sign should be right."""
SEED = 2026


@dataclass(frozen=True, kw_only=True)
class Point:
    """One estimator on one policy and law."""

    policy: str
    law: str
    estimator: str
    rollouts: int
    tokens: float
    """Decoded, per trajectory."""
    error: float
    """Mean squared error of a step's advantage."""
    spread: float
    """Standard deviation of the error over bootstrapped questions."""
    sign: float
    """Share of clear steps whose sign is right. Nan where no step is clear."""


@dataclass(frozen=True, kw_only=True)
class Truth:
    """Of one trajectory."""

    advantages: list[float]
    variances: list[float]
    """Of these."""


# --- policies, trajectories, truth -------------------------------------------------------------------------------


def policies() -> dict[str, str]:
    """Names and places; the later ones are trained here if they are not there yet."""
    training = load_config(
        "configs/arithmetic.yaml",
        [
            "credit={name: vine, rollouts: 4}",
            f"training.iterations={CHECKPOINTS[-1]}",
            "checkpoint.keep_every=20",
            f"run.dir={HOME / 'training'}",
        ],
    )
    whole_run(training)
    later = {f"iteration {at}": f"{HOME}/training/checkpoints/{at:06d}/policy" for at in CHECKPOINTS}
    return {"start": "bundled:arithmetic", **later}


class Setting:
    """A policy under a law, and trajectories of it."""

    def __init__(self, path: str, sampling: Sampling, questions: int):
        config = load_config("configs/arithmetic.yaml")
        policy, task = load_policy(path), build_task(config.task)
        self.environment = build_environment(policy, task, config.engine)
        self.sampling = sampling
        chosen = random.Random(SEED).sample(list(task.questions("train")), questions)
        trajectories = self.environment.sample(chosen, count=GROUP, sampling=sampling, seed=SEED, branches=True)
        self.scored = judge_and_cut(self.environment, config.steps.build(), Pieces(policy.decode), trajectories)

    def vine(self, rollouts: int) -> CreditAssigner:
        return VineAssigner(self.environment, rollouts=rollouts, max_states=None, sampling=self.sampling)

    def coupled(self, rollouts: int) -> CreditAssigner:
        return CoupledAssigner(
            self.environment, rollouts=rollouts, token_budget=None, segments=None, sampling=self.sampling
        )

    def truth(self, rollouts: int, cache: Path, display: Display) -> list[Truth]:
        """Question by question, from the cache if it is of these trajectories."""
        responses = [list(own.trajectory.response_ids) for own in self.scored]
        if cache.exists() and (held := json.loads(cache.read_text()))["responses"] == responses:
            return [Truth(**own) for own in held["truth"]]
        truth: list[Truth] = []
        for start in range(0, len(self.scored), GROUP):
            group = self.scored[start : start + GROUP]
            with display.phase(f"truth {start // GROUP + 1}/{len(self.scored) // GROUP}") as progress:
                seed = derive_seed(SEED, "truth")
                truth += [truth_of(own) for own in self.vine(rollouts)(group, seed=seed, progress=progress)]
        cache.parent.mkdir(parents=True, exist_ok=True)
        cache.write_text(json.dumps({"responses": responses, "truth": [asdict(own) for own in truth]}))
        return truth


def truth_of(credit: Credit) -> Truth:
    assert credit.standard_errors is not None
    starts = [value.position for value in credit.values[:-1]]
    return Truth(
        advantages=[credit.advantages[at] for at in starts],
        variances=[credit.standard_errors[at] ** 2 for at in starts],
    )


# --- estimates ---------------------------------------------------------------------------------------------------


def alone(scored: Sequence[Scored]) -> list[Scored]:
    """The same trajectories, each of a question of its own: nothing is shared within the group."""
    return [
        replace(own, trajectory=replace(own.trajectory, question=replace(own.trajectory.question, id=f"{index}")))
        for index, own in enumerate(scored)
    ]


def measure(
    assign: CreditAssigner, scored: Sequence[Scored], truth: Sequence[Truth], repeats: int
) -> tuple[float, float, float, float]:
    """Tokens a trajectory, error, its spread, sign agreement."""
    tokens, squares, signs = [], [[] for _ in scored], []
    for repeat in range(repeats):
        credits = assign(scored, seed=derive_seed(SEED, "estimate", repeat))
        tokens.append(credit_metrics(credits).get("tokens/rollouts", 0.0) / len(scored))
        for own, credit, exact, errors in zip(scored, credits, truth, squares, strict=True):
            for start, right, variance in zip(own.bounds[:-1], exact.advantages, exact.variances, strict=True):
                errors.append((credit.advantages[start] - right) ** 2 - variance)
                if abs(right) > CLEAR:
                    signs.append(credit.advantages[start] * right > 0)
    questions = [list(chain(*squares[start : start + GROUP])) for start in range(0, len(squares), GROUP)]
    return fmean(tokens), fmean(chain(*questions)), bootstrap(questions), fmean(signs) if signs else float("nan")


def bootstrap(questions: Sequence[list[float]], draws: int = 300) -> float:
    """Standard deviation of the mean over questions drawn anew."""
    rng = random.Random(SEED)
    return stdev(fmean(chain(*rng.choices(questions, k=len(questions)))) for _ in range(draws))


def contenders(setting: Setting) -> Iterable[tuple[str, int, CreditAssigner, Sequence[Scored]]]:
    yield from (("vine", k, setting.vine(k), setting.scored) for k in VINES)
    yield from (("coupled", k, setting.coupled(k), setting.scored) for k in COUPLED)
    yield from (("coupled, each alone", k, setting.coupled(k), alone(setting.scored)) for k in COUPLED)


def run(questions: int, truth_rollouts: int, repeats: int) -> list[Point]:
    points: list[Point] = []
    places = policies()
    with Display(len(places) * len(LAWS), unit="setting") as display:
        for name, path in places.items():
            for law, sampling in LAWS.items():
                setting = Setting(path, sampling, questions)
                cache = HOME / "truth" / f"{name}-{law}-{questions}-{truth_rollouts}.json".replace(" ", "-")
                truth = setting.truth(truth_rollouts, cache, display)
                for estimator, k, assign, scored in contenders(setting):
                    with display.phase(f"{name}, {law}: {estimator} {k}"):
                        tokens, error, spread, sign = measure(assign, scored, truth, repeats)
                    points.append(
                        Point(
                            policy=name,
                            law=law,
                            estimator=estimator,
                            rollouts=k,
                            tokens=tokens,
                            error=error,
                            spread=spread,
                            sign=sign,
                        )
                    )
                floor = fmean(variance for own in truth for variance in own.variances)
                display.say(describe(points, name, law, floor))
                display.advance(len(points))
    return points


# --- words and a picture -----------------------------------------------------------------------------------------


def tokens_for(points: Sequence[Point], error: float) -> float | None:
    """Tokens at which a curve reaches an error, between its points in log-log; None: it never does."""
    for left, right in pairwise(sorted(points, key=lambda point: point.tokens)):
        if left.error > error >= right.error > 0:
            share = log(left.error / error) / log(left.error / right.error)
            return exp(log(left.tokens) + share * log(right.tokens / left.tokens))
    return min((point.tokens for point in points if point.error <= error), default=None)


def describe(points: Sequence[Point], policy: str, law: str, floor: float) -> str:
    """A table of one policy and law."""
    own = [point for point in points if (point.policy, point.law) == (policy, law)]
    nine = next(point for point in own if (point.estimator, point.rollouts) == ("vine", 9))
    lines = [f"\n{policy}, {law}: variance of the truth itself {floor:.1e}, subtracted"]
    for point in own:
        lines.append(
            f"  {point.estimator:20} K {point.rollouts:>2}  {point.tokens:>7.1f} tokens  "
            f"error {point.error:.2e} +- {point.spread:.0e}  sign {point.sign:.0%}"
        )
    for estimator in ("coupled", "coupled, each alone"):
        tokens = tokens_for([point for point in own if point.estimator == estimator], nine.error)
        if tokens:
            lines.append(f"  {estimator}: the error of vine K 9 for {nine.tokens / tokens:.1f}x fewer tokens")
    return "\n".join(lines)


def draw_panel(panel: "Axes", points: Sequence[Point]) -> None:
    """A curve for each estimator. What costs nothing, or is exact within the truth's own noise, has no logarithm."""
    shown = [point for point in points if point.error > 0 and point.tokens > 0]
    if not shown:
        panel.text(0.5, 0.5, "nothing can be left:\nall are exact", ha="center", transform=panel.transAxes)
        panel.set(xticks=[], yticks=[])
        return
    for estimator, style in STYLES.items():
        curve = sorted((p for p in shown if p.estimator == estimator), key=lambda p: p.tokens)
        panel.errorbar(
            [p.tokens for p in curve],
            [p.error for p in curve],
            yerr=[p.spread for p in curve],
            **style,
            capsize=2,
            label=estimator,
        )
    panel.set(xscale="log", yscale="log")


def draw(points: Sequence[Point], path: Path) -> None:
    """Error over tokens, a panel for each policy and law."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    names = list(dict.fromkeys(point.policy for point in points))
    figure, panels = plt.subplots(len(LAWS), len(names), figsize=(4 * len(names), 3.2 * len(LAWS)), squeeze=False)
    for row, law in zip(panels, LAWS, strict=True):
        for panel, policy in zip(row, names, strict=True):
            draw_panel(panel, [point for point in points if (point.policy, point.law) == (policy, law)])
            panel.set(title=f"{policy}, {law}", xlabel="decoded tokens per trajectory")
        row[0].set_ylabel("squared error of the advantage")
    panels[0][0].legend()
    figure.tight_layout()
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=16, help=f"each with {GROUP} trajectories")
    parser.add_argument("--truth", type=int, default=512, help="independent rollouts per state")
    parser.add_argument("--repeats", type=int, default=4, help="of every estimate, with other seeds")
    arguments = parser.parse_args()
    points = run(arguments.questions, arguments.truth, arguments.repeats)
    (HOME / "credit_efficiency.json").write_text(json.dumps([asdict(point) for point in points], indent=1))
    draw(points, HOME / "credit_efficiency.png")
    print(f"written: {HOME}/credit_efficiency.json and .png")


if __name__ == "__main__":
    main()
