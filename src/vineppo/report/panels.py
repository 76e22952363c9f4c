"""Which charts a report has."""

from collections.abc import Sequence
from itertools import chain

from vineppo.report.charts import LOW, SHORT, Chart, Curve, Side, curve_chart, running_mean, stacked_chart
from vineppo.report.run_data import Run
from vineppo.report.text import Unit

TOKEN_KINDS = ("curriculum", "trajectories", "rollouts", "validation", "evaluation")
PHASES = ("curriculum", "sample", "judge", "credit", "update", "validate", "evaluate")
INKS = {
    "trajectories": "sample",
    "solutions": "sample",
    "rollouts": "credit",
    "validation": "validate",
    "evaluation": "evaluate",
}
"""Tokens wear the colour of the phase that decodes them; phases are colours of the style sheet."""

INSTRUMENTS: tuple[tuple[str, str, Unit, str], ...] = (
    ("kl", "KL", "number", "To the starting policy, nats."),
    ("entropy", "Entropy", "number", "Nats, at the sampled tokens."),
    ("completions/mean_length", "Response length", "number", "Tokens."),
    ("completions/clipped_ratio", "Cut off by length", "share", "Share of trajectories."),
    ("ratio/clipped", "Clipped ratio", "share", "Share of tokens."),
    ("grad_norm", "Gradient norm", "number", "Before clipping."),
)
"""Metric, title, unit, note."""
CRITIC_INSTRUMENTS: tuple[tuple[str, str, Unit, str], ...] = (
    ("critic/explained_variance", "Explained variance", "number", "Of the returns, by the value network."),
    ("critic/loss", "Value loss", "number", "Token mean."),
    ("critic/grad_norm", "Critic gradient norm", "number", "Before clipping."),
)
"""Only where there is a value network."""
CURRICULUM_INSTRUMENTS: tuple[tuple[str, str, Unit, str], ...] = (
    ("curriculum/success_0", "Never solved", "share", "Share of the questions tried."),
    ("curriculum/success_100", "Always solved", "share", "Share of the questions tried."),
    ("curriculum/teaches_nothing", "Teaches nothing", "share", "Share of the questions tried: all attempts end alike."),
    (
        "curriculum/learnability",
        "Learnability",
        "number",
        "p (1 \N{MINUS SIGN} p) of the chosen questions, at most 0.25.",
    ),
)
"""Only where questions were tried."""


def iterations(run: Run) -> Side:
    """All charts of a run share one axis. Half an iteration of room on either side, for bars."""
    last = max((line["iteration"] for line in run.metrics), default=0.0)
    return Side(unit="count", reading="iteration {}", span=(-0.5, last + 0.5), whole=True)


def main_curves(run: Run, unit: Unit) -> tuple[Chart, ...]:
    """Test accuracy with its standard error, and training reward."""
    x, y = iterations(run), Side(unit=unit, from_zero=False)
    return _accuracy(run, x, y), _reward(run, x, y)


def _accuracy(run: Run, x: Side, y: Side) -> Chart:
    points, errors = run.column("eval/accuracy"), dict(run.column("eval/standard_error"))
    edges = [(at, score - errors[at], score + errors[at]) for at, score in points if at in errors]
    curve = Curve(name="accuracy", ink="accent", points=points, band=edges, plus_minus=True)
    title = "Test reward" if run.column("eval/reward") else "Test accuracy"
    note = "Mean reward on the test questions, \N{PLUS-MINUS SIGN} one standard error."
    return curve_chart(Chart(title=title, note=note), [curve], x, y)


def _reward(run: Run, x: Side, y: Side) -> Chart:
    points = run.column("reward")
    window = min(25, len(points) // 10)
    curves = [Curve(name="each", ink="accent", points=points, faint=window > 1)]
    if window > 1:
        means = running_mean([reward for _, reward in points], window)
        smooth = [(at, mean) for (at, _), mean in zip(points, means, strict=True)]
        curves.append(Curve(name=f"mean of last {window}", ink="accent", points=smooth))
    return curve_chart(
        Chart(title="Training reward", note="Mean reward of each iteration's trajectories."), curves, x, y
    )


def small_multiples(run: Run) -> tuple[Chart, ...]:
    """The instruments to look at when the main curves surprise."""
    optional = [
        instruments
        for instruments in (CRITIC_INSTRUMENTS, CURRICULUM_INSTRUMENTS)
        if any(run.column(key) for key, *_ in instruments)
    ]
    return tuple(
        curve_chart(
            Chart(title=title, note=note, sizes=SHORT),
            [Curve(name="", ink="accent", points=run.column(key))],
            iterations(run),
            Side(unit=unit, ticks=3),
        )
        for key, title, unit, note in (*INSTRUMENTS, *chain.from_iterable(optional))
    )


def stacks(run: Run) -> tuple[Chart, ...]:
    """What each iteration cost."""
    return (
        _stack(run, "time", PHASES, Chart(title="Seconds per iteration", sizes=LOW), "seconds"),
        _stack(run, "tokens", TOKEN_KINDS, Chart(title="Tokens per iteration", sizes=LOW), "count"),
    )


def _stack(run: Run, prefix: str, kinds: Sequence[str], blank: Chart, unit: Unit) -> Chart:
    columns = {kind: run.column(f"{prefix}/{kind}") for kind in kinds}
    parts = [Curve(name=kind, ink=INKS.get(kind, kind), points=column) for kind, column in columns.items() if column]
    return stacked_chart(blank, parts, iterations(run), Side(unit=unit))
