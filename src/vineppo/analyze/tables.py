"""An analysis in the terminal."""

from collections.abc import Callable

from rich import box
from rich.console import Console
from rich.table import Table

from vineppo.analysis.advice import NOTHING, cheapest_gradient, ratio_text
from vineppo.analysis.records import Analysis, Share, SourceRecord, ValueScore
from vineppo.report.terminal import print_fitting, stacked_rows

NO_GRADIENT = (
    "that of the batch or of the large sample is 0, for in one of them no trajectory earned more than another of its "
    "question; take easier questions, a better policy, or more (analysis.questions, analysis.gradient_questions)"
)


def show(analysis: Analysis) -> None:
    """Tables, then what to take away of them."""
    console = Console(highlight=False)
    for table in (value_table(analysis), ranking_table(analysis), gradient_table(analysis)):
        if table is not None:
            print_fitting(console, table, stacked_rows(table))
            console.print()
    for line in notes(analysis):
        console.print(line, soft_wrap=True, markup=False)


def value_table(analysis: Analysis) -> Table:
    """Error, bias, and what is explained."""
    steps = sum(state.step > 0 for state in analysis.states)
    title = f"Values of {steps} states where a step begins, against {analysis.truth.rollouts} rollouts each"
    columns: dict[str, Callable[[SourceRecord], str]] = {
        "MAE": lambda source: _score(source.steps, lambda score: number(score.mae)),
        "bias": lambda source: _score(source.steps, lambda score: signed(score.bias)),
        "explained\noverall": lambda source: _score(source.steps, lambda score: number(score.explained_variance)),
        "explained\nwithin": lambda source: _score(source.steps, lambda score: number(score.explained_within)),
        "MAE\nof roots": lambda source: _score(source.roots, lambda score: number(score.mae)),
        "tokens per\ntrajectory": lambda source: f"{source.cost.tokens_per_trajectory:,.0f}",
    }
    return _table(title, analysis, columns)


def ranking_table(analysis: Analysis) -> Table | None:
    """Best of several, better of two."""
    if not analysis.choices:
        return None
    columns: dict[str, Callable[[SourceRecord], str]] = {
        "best\nnamed": lambda source: share(source.ranking and source.ranking.top1),
        "best, where\ntruth is sure": lambda source: share(source.ranking and source.ranking.top1_clear),
        "better\nof two": lambda source: share(source.ranking and source.ranking.pairwise),
        "better, where\ntruth is sure": lambda source: share(source.ranking and source.ranking.pairwise_clear),
    }
    return _table(f"Ranking next steps at {len(analysis.choices)} states (chance in brackets)", analysis, columns)


def gradient_table(analysis: Analysis) -> Table | None:
    """Noise, and agreement with the large-sample gradient."""
    setting = analysis.gradient
    if setting is None:
        return None
    columns: dict[str, Callable[[SourceRecord], str]] = {
        "noise over\nsignal": lambda source: _plus_minus(
            source.gradient and source.gradient.relative_variance,
            source.gradient and source.gradient.relative_variance_error,
        ),
        "cosine": lambda source: _plus_minus(
            source.gradient and source.gradient.cosine, source.gradient and source.gradient.cosine_error
        ),
        "tokens per\nquestion": lambda source: _whole(source.gradient and source.gradient.tokens_per_question),
        "noise per\n1,000 tokens": lambda source: number(source.gradient and source.gradient.noise_per_1000_tokens),
        "against\nRLOO (group)": lambda source: ratio_text(source.gradient),
    }
    title = (
        f"Policy gradient of {setting.trajectories} trajectories, against that of {setting.reference_trajectories:,}"
    )
    return _table(title, analysis, columns)


def notes(analysis: Analysis) -> list[str]:
    """What the tables do not say."""
    lines = []
    if analysis.sources and (score := analysis.sources[0].steps):
        lines.append(f"A perfect source would show MAE {number(score.mae_floor)}: the truth is measured, too.")
    if (most := analysis.returns_explained) is not None:
        known = analysis.returns_explained_interval
        between = "" if known is None else f" ({number(known.low)} to {number(known.high)})"
        lines.append(
            f"True values explain {number(most)}{between} of the variance of returns: no value network explains more."
        )
    if (search := analysis.search) is not None:
        lines.append(
            f"Ranking: {search.kept} of {search.examined} states looked at had {search.distinct} or more distinct "
            f"next steps in {search.draws} continuations."
        )
    if (advice := cheapest_gradient(analysis)) is not None:
        lines.append(advice)
    if analysis.gradient is not None and all(
        source.gradient is None or source.gradient.cosine is None for source in analysis.sources
    ):
        lines.append(f"Gradients: {NO_GRADIENT}.")
    found = analysis.reliability
    clear = f"{found.clear_steps} of {found.steps} steps change the value by more than the truth's noise"
    needed = NOTHING if found.rollouts_needed is None else f"{found.rollouts_needed}"
    lines.append(f"Steps: {clear}; rollouts for as much signal as noise: {needed}.")
    if found.warning is not None:
        lines.append(f"Warning: {found.warning}.")
    cost = analysis.truth
    lines.append(
        f"Truth: {cost.states} states, {cost.states_from_cache} of them known before; "
        f"{cost.tokens:,} tokens in {cost.seconds:.0f} s."
    )
    return lines


def _whole(value: float | None) -> str:
    return NOTHING if value is None else f"{value:,.0f}"


def _table(title: str, analysis: Analysis, columns: dict[str, Callable[[SourceRecord], str]]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("source")
    for name in columns:
        table.add_column(name, justify="right", vertical="bottom")
    for source in analysis.sources:
        table.add_row(source.name, *(cell(source) for cell in columns.values()))
    return table


def _score(score: ValueScore | None, text: Callable[[ValueScore], str]) -> str:
    return NOTHING if score is None else text(score)


def number(value: float | None) -> str:
    """Three decimals tell sources apart; more would be noise."""
    return NOTHING if value is None else f"{value:.3f}"


def signed(value: float) -> str:
    """A bias has a direction."""
    return f"{value:+.3f}"


def share(value: Share | None) -> str:
    """With its chance."""
    return NOTHING if value is None else f"{value.share:.1%} ({value.chance:.0%})"


def _plus_minus(value: float | None, error: float | None) -> str:
    return NOTHING if value is None else f"{value:.2f} ± {error or 0.0:.2f}"
