"""The credit heat map: a few trajectories, each step tinted by its advantage."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vineppo.analysis.intervals import Interval
from vineppo.report.run_data import LoggedRollout, LoggedStep, LoggedTrajectory, Run
from vineppo.report.text import NOT_MEASURED, Unit, plural, quantity, signed

SMALLEST_SCALE = 0.05
"""Advantages below this stay pale even where there are no larger ones, so that noise does not look like credit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Gauge:
    """A value and its interval as marks on a bar from 0 to 1, in percent."""

    value: float
    low: float
    high: float


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
    gauge: Gauge | None
    """The same as a bar, where values lie in 0..1."""
    before_interval: str
    """Empty where it is not known."""
    after: str
    after_interval: str
    change_interval: str
    noise: str
    """`clear` where the change's interval excludes 0, else `noise`; empty where there is no interval."""
    standard_error: str
    place: str
    examples: tuple[tuple[str, str], ...]
    """(reward, text) of up to two rollouts."""
    examples_note: str


@dataclass(frozen=True, kw_only=True, slots=True)
class TrajectoryView:
    """A trajectory as it is shown."""

    key: str
    caption: str
    """Which of its group, or which group it is of."""
    label: str
    question: str
    prompt: str
    answer: str
    reward: str
    outcome: str
    ended: str
    """How it was judged, and how it ended where that is another word."""
    steps: tuple[StepView, ...]
    has_values: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class CreditMap:
    """Trajectories in groups, e.g. of an iteration. `scale` is the advantage that gets the full colour."""

    groups: tuple[tuple[str, tuple[TrajectoryView, ...]], ...]
    scale: str
    opening: str
    """Key of the trajectory shown first: the first group's with the largest advantage."""
    has_intervals: bool


Group = tuple[str, str, Sequence[LoggedTrajectory]]
"""Its title, the prefix of its trajectories' keys, the trajectories."""


def make_credit_map(run: Run, unit: Unit) -> CreditMap | None:
    """The latest and the first logged iteration; None when no trajectory was logged."""
    if not run.latest:
        return None
    groups: list[Group] = [(f"Iteration {run.latest[0].iteration} (latest)", "latest", run.latest)]
    if run.first:
        groups.append((f"Iteration {run.first[0].iteration} (first)", "first", run.first))
    return map_of(groups, unit)


def map_of(groups: Sequence[Group], unit: Unit, *, numbered: bool = False) -> CreditMap:
    """Any trajectories; the first group has at least one. `numbered`: a group's are the solutions of a question."""
    scale = full_colour([trajectory for _, _, members in groups for trajectory in members])
    views = tuple(
        (
            title,
            tuple(
                _view_trajectory(t, f"{prefix}-{i}", f"solution {i + 1}" if numbered else title, scale=scale, unit=unit)
                for i, t in enumerate(members)
            ),
        )
        for title, prefix, members in groups
    )
    _, prefix, opening = groups[0]
    strongest = max(range(len(opening)), key=lambda i: largest(opening[i]))
    return CreditMap(
        groups=views,
        scale=quantity(scale, "number"),
        opening=f"{prefix}-{strongest}",
        has_intervals=any(step.noise for _, members in views for view in members for step in view.steps),
    )


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


def values_after(trajectory: LoggedTrajectory) -> list[tuple[float | None, Interval | None]]:
    """Per step, the value after it and that value's interval; at the end the reward, known exactly."""
    later = [(step.value, step.interval) for step in trajectory.steps[1:]]
    return [*later, (trajectory.reward, (trajectory.reward, trajectory.reward))]


def _view_trajectory(
    trajectory: LoggedTrajectory, key: str, caption: str, *, scale: float, unit: Unit
) -> TrajectoryView:
    reward = quantity(trajectory.reward, "number")
    return TrajectoryView(
        key=key,
        caption=caption,
        label=f"{trajectory.question}: {trajectory.outcome}, reward {reward}",
        question=trajectory.question,
        prompt=trajectory.prompt.rstrip("\n"),
        answer=trajectory.answer,
        reward=reward,
        outcome=trajectory.outcome,
        ended=", ".join(dict.fromkeys((trajectory.outcome, trajectory.finish))),
        steps=tuple(
            _view_step(step, *after, scale=scale, unit=unit)
            for step, after in zip(trajectory.steps, values_after(trajectory), strict=False)
        ),
        has_values=any(step.value is not None for step in trajectory.steps),
    )


def _view_step(
    step: LoggedStep,
    after: float | None,
    of_after: Interval | None,
    *,
    scale: float,
    unit: Unit,
) -> StepView:
    change = step.advantage_interval
    shade = tint(step.advantage, scale)
    examples = pick_examples(step.rollouts)
    return StepView(
        text=step.text.rstrip("\n") or "(no visible text)",
        sign="none" if shade == 0 else "plus" if step.advantage > 0 else "minus",
        tint=shade,
        advantage=signed(step.advantage),
        before=_value(step.value),
        gauge=_gauge(step.value, step.interval) if unit == "share" else None,
        before_interval=_interval(step.interval),
        after=_value(after),
        after_interval=_interval(of_after),
        change_interval="" if change is None else f"{signed(change[0])} to {signed(change[1])}",
        noise="" if change is None else "clear" if change[0] > 0 or change[1] < 0 else "noise",
        standard_error=_standard_error(step),
        place=f"{plural(step.tokens, 'token')} from token {step.position}",
        examples=tuple((quantity(rollout.reward, "number"), rollout.text) for rollout in examples),
        examples_note=_examples_note(len(examples), step.num_rollouts or len(step.rollouts)),
    )


def _value(value: float | None) -> str:
    return NOT_MEASURED if value is None else f"{value:.2f}".replace("-", "\N{MINUS SIGN}")


def _interval(interval: Interval | None) -> str:
    if interval is None:
        return ""
    low, high = map(_value, interval)
    return "exactly" if interval[0] == interval[1] else f"{low} to {high}"


def _gauge(value: float | None, interval: Interval | None) -> Gauge | None:
    if value is None or not math.isfinite(value):
        return None
    low, high = interval or (value, value)
    places = [round(100 * min(1.0, max(0.0, place)), 1) for place in (value, low, high)]
    return Gauge(value=places[0], low=places[1], high=places[2])


def _standard_error(step: LoggedStep) -> str:
    if step.standard_error is None:
        return NOT_MEASURED
    if step.standard_error == 0:
        return "0: known exactly"
    return f"{step.standard_error:.2f}"


def _examples_note(shown: int, sampled: int) -> str:
    if sampled == 0:
        return "No rollouts were logged for this state."
    if shown == sampled:
        return f"{plural(sampled, 'rollout')} from the state before this step:"
    return f"The best and the worst of {sampled} rollouts from the state before this step:"
