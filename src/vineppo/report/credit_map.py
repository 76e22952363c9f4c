"""The credit heat map: a few trajectories, each step tinted by its advantage."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vineppo.report.run_data import LoggedRollout, LoggedStep, LoggedTrajectory, Run
from vineppo.report.text import NOT_MEASURED, Unit, plural, quantity, signed

SMALLEST_SCALE = 0.05
"""Advantages below this stay pale even where there are no larger ones, so that noise does not look like credit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StepView:
    """A step as it is shown."""

    text: str
    sign: str
    """`plus`, `minus` or `none`."""
    tint: float
    """Percent of the full colour."""
    advantage: str
    before: str
    """Value of the state where the step begins."""
    before_percent: float | None
    """The same as a bar, where values lie in 0..1."""
    after: str
    standard_error: str
    place: str
    examples: tuple[tuple[str, str], ...]
    """(reward, text) of up to two rollouts."""
    examples_note: str


@dataclass(frozen=True, kw_only=True, slots=True)
class TrajectoryView:
    """A trajectory as it is shown."""

    key: str
    label: str
    question: str
    prompt: str
    answer: str
    reward: str
    outcome: str
    finish: str
    steps: tuple[StepView, ...]
    has_values: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class CreditMap:
    """Trajectories by iteration. `scale` is the advantage that gets the full colour."""

    groups: tuple[tuple[str, tuple[TrajectoryView, ...]], ...]
    scale: str
    opening: str
    """Key of the trajectory shown first: the latest iteration's with the largest advantage."""


def make_credit_map(run: Run, unit: Unit) -> CreditMap | None:
    """The latest and the first logged iteration; None when no trajectory was logged."""
    if not run.latest:
        return None
    scale = full_colour([*run.latest, *run.first])
    latest = tuple(_view_trajectory(t, f"latest-{i}", scale, unit) for i, t in enumerate(run.latest))
    first = tuple(_view_trajectory(t, f"first-{i}", scale, unit) for i, t in enumerate(run.first))
    groups = [(f"Iteration {run.latest[0].iteration} (latest)", latest)]
    if run.first:
        groups.append((f"Iteration {run.first[0].iteration} (first)", first))
    strongest = max(range(len(latest)), key=lambda i: largest(run.latest[i]))
    return CreditMap(groups=tuple(groups), scale=quantity(scale, "number"), opening=latest[strongest].key)


def largest(trajectory: LoggedTrajectory) -> float:
    """The largest finite advantage, in size."""
    return max((abs(s.advantage) for s in trajectory.steps if math.isfinite(s.advantage)), default=0.0)


def full_colour(trajectories: Sequence[LoggedTrajectory]) -> float:
    """The advantage that gets the full colour: the largest one shown."""
    return max(SMALLEST_SCALE, *(largest(trajectory) for trajectory in trajectories))


def tint(advantage: float, scale: float) -> float:
    """Percent of the full colour, in proportion to the advantage."""
    return round(100 * min(1.0, abs(advantage) / scale), 1) if math.isfinite(advantage) else 0.0


def pick_examples(rollouts: Sequence[LoggedRollout]) -> tuple[LoggedRollout, ...]:
    """The best- and the worst-rewarded; the earliest of each."""
    if len(rollouts) <= 2:
        return tuple(rollouts)
    order = range(len(rollouts))
    best = max(order, key=lambda i: (rollouts[i].reward, -i))
    worst = min((i for i in order if i != best), key=lambda i: (rollouts[i].reward, i))
    return rollouts[best], rollouts[worst]


def _view_trajectory(trajectory: LoggedTrajectory, key: str, scale: float, unit: Unit) -> TrajectoryView:
    reward = quantity(trajectory.reward, "number")
    afters = [*(step.value for step in trajectory.steps[1:]), trajectory.reward]
    return TrajectoryView(
        key=key,
        label=f"{trajectory.question}: {trajectory.outcome}, reward {reward}",
        question=trajectory.question,
        prompt=trajectory.prompt.rstrip("\n"),
        answer=trajectory.answer,
        reward=reward,
        outcome=trajectory.outcome,
        finish=trajectory.finish,
        steps=tuple(_view_step(step, after, scale, unit) for step, after in zip(trajectory.steps, afters, strict=True)),
        has_values=any(step.value is not None for step in trajectory.steps),
    )


def _view_step(step: LoggedStep, after: float | None, scale: float, unit: Unit) -> StepView:
    shade = tint(step.advantage, scale)
    examples = pick_examples(step.rollouts)
    return StepView(
        text=step.text.rstrip("\n") or "(no visible text)",
        sign="none" if shade == 0 else "plus" if step.advantage > 0 else "minus",
        tint=shade,
        advantage=signed(step.advantage),
        before=_value(step.value),
        before_percent=_percent(step.value) if unit == "share" else None,
        after=_value(after),
        standard_error=_standard_error(step.standard_error),
        place=f"{plural(step.tokens, 'token')} from token {step.position}",
        examples=tuple((quantity(rollout.reward, "number"), rollout.text) for rollout in examples),
        examples_note=_examples_note(len(examples), len(step.rollouts)),
    )


def _value(value: float | None) -> str:
    return NOT_MEASURED if value is None else f"{value:.2f}".replace("-", "\N{MINUS SIGN}")


def _percent(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(100 * min(1.0, max(0.0, value)), 1)


def _standard_error(error: float | None) -> str:
    match error:
        case None:
            return NOT_MEASURED
        case 0:
            return "0: known exactly"
        case _:
            return f"{error:.2f}"


def _examples_note(shown: int, logged: int) -> str:
    if logged == 0:
        return "No rollouts were logged for this state."
    if shown == logged:
        return f"{plural(logged, 'rollout')} from the state before this step:"
    return f"The best and the worst of {logged} rollouts from the state before this step:"
