"""Which charts a report has."""

from collections.abc import Sequence
from itertools import chain

from vineppo.report.curves import Axes, Chart, Layer, line_chart, running_mean, stacked_chart
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


def span_of(run: Run) -> tuple[float, float]:
    """First and last iteration of every chart, so that all charts share one axis."""
    return (0.0, max((line["iteration"] for line in run.metrics), default=0.0))


def main_curves(run: Run, unit: Unit) -> tuple[Chart, ...]:
    """Test accuracy with its standard error, and training reward."""
    axes = Axes(span=span_of(run), unit=unit, from_zero=False, intervals=4)
    return _accuracy(run, axes), _reward(run, axes)


def _accuracy(run: Run, axes: Axes) -> Chart:
    points, errors = run.column("eval/accuracy"), dict(run.column("eval/standard_error"))
    layer = Layer(
        name="accuracy",
        ink="accent",
        values=[y for _, y in points],
        errors=[errors.get(x) for x, _ in points] if errors else (),
        # more would merge into a thick line
        dots=len(points) <= 40,
    )
    title = "Test reward" if run.column("eval/reward") else "Test accuracy"
    blank = Chart(title=title, note="Mean reward on the test questions, \N{PLUS-MINUS SIGN} one standard error.")
    return line_chart(blank, [x for x, _ in points], [layer], axes)


def _reward(run: Run, axes: Axes) -> Chart:
    points = run.column("reward")
    rewards = [y for _, y in points]
    window = min(25, len(rewards) // 10)
    layers = [Layer(name="each", ink="accent", values=rewards, faint=window > 1)]
    if window > 1:
        layers.append(Layer(name=f"mean of last {window}", ink="accent", values=running_mean(rewards, window)))
    blank = Chart(title="Training reward", note="Mean reward of each iteration's trajectories.")
    return line_chart(blank, [x for x, _ in points], layers, axes)


def small_multiples(run: Run) -> tuple[Chart, ...]:
    """The instruments to look at when the main curves surprise."""
    optional = [
        instruments
        for instruments in (CRITIC_INSTRUMENTS, CURRICULUM_INSTRUMENTS)
        if any(run.column(key) for key, *_ in instruments)
    ]
    charts = []
    for key, title, unit, note in (*INSTRUMENTS, *chain.from_iterable(optional)):
        points = run.column(key)
        layer = Layer(name="", ink="accent", values=[y for _, y in points])
        blank = Chart(title=title, note=note)
        charts.append(line_chart(blank, [x for x, _ in points], [layer], Axes(span=span_of(run), unit=unit)))
    return tuple(charts)


def stacks(run: Run) -> tuple[Chart, ...]:
    """What each iteration cost."""
    span = span_of(run)
    return (
        _stack(run, "time", PHASES, Chart(title="Seconds per iteration"), Axes(span=span, unit="seconds", intervals=4)),
        _stack(
            run, "tokens", TOKEN_KINDS, Chart(title="Tokens per iteration"), Axes(span=span, unit="count", intervals=4)
        ),
    )


def _stack(run: Run, prefix: str, kinds: Sequence[str], blank: Chart, axes: Axes) -> Chart:
    columns = {kind: dict(run.column(f"{prefix}/{kind}")) for kind in kinds}
    xs = sorted({x for column in columns.values() for x in column})
    layers = [
        Layer(name=kind, ink=INKS.get(kind, kind), values=[column.get(x) for x in xs])
        for kind, column in columns.items()
        if column
    ]
    return stacked_chart(blank, xs, layers, axes)
