"""What stands on the page of an analysis, from top to bottom, before it becomes HTML."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vineppo.analysis.advice import cheapest_gradient
from vineppo.analysis.records import Analysis, Interval, Share, SourceRecord
from vineppo.report.analysis_figures import figures, source_inks
from vineppo.report.charts import Chart
from vineppo.report.html import render_page, write_page
from vineppo.report.text import MINUS, NOTHING, count, duration, plural, quantity

FILE_NAME = "analysis.html"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One figure of the report card."""

    text: str
    interval: str = ""
    best: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A source on the report card."""

    name: str
    ink: str
    meaning: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A question put to every source."""

    name: str
    under: str
    """What it is, in a few words more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """The whole page."""

    title: str
    task: str
    lead: str
    facts: tuple[tuple[str, str], ...]
    cautions: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    findings: tuple[str, ...]
    figures: Mapping[str, tuple[Chart, ...]]
    """By name; without instruments that were not asked for."""
    ranking_note: str
    gradient_note: str
    reliability_note: str
    cost_note: str
    config: str
    provenance: tuple[tuple[str, str], ...]


def write_analysis_page(analysis: Analysis, folder: Path) -> Path:
    """One file that needs nothing else."""
    return write_page(render_page("analysis.html.jinja", make_page(analysis)), folder / FILE_NAME)


def make_page(analysis: Analysis) -> Page:
    """Everything the template shows."""
    inks = source_inks(analysis.sources)
    subject = analysis.subject
    at = "" if subject.iteration is None else f", iteration {subject.iteration}"
    return Page(
        title=f"{subject.name}{at}",
        task=subject.task,
        lead=(
            "Where does credit come from, and is it right? Every source of values is held against the truth: the mean "
            f"reward of {analysis.truth.rollouts} rollouts that no source has seen."
        ),
        facts=facts(analysis),
        cautions=cautions(analysis),
        columns=COLUMNS,
        rows=report_card(analysis, inks),
        findings=findings(analysis),
        figures=figures(analysis),
        ranking_note=ranking_note(analysis),
        gradient_note=gradient_note(analysis),
        reliability_note=reliability_note(analysis),
        cost_note=cost_note(analysis),
        config=analysis.config,
        provenance=tuple(analysis.provenance.items()),
    )


# --- report card -------------------------------------------------------------------------------------------------

COLUMNS = (
    Column(name="Error", under="mean absolute"),
    Column(name="Explained", under="within a question"),
    Column(name="Best named", under="of several next steps"),
    Column(name="Better named", under="of two next steps"),
    Column(name="Noise", under="gradient, per token, RLOO is 1"),
    Column(name="Tokens", under="per trajectory"),
)


def report_card(analysis: Analysis, inks: dict[str, str]) -> tuple[Row, ...]:
    """A row a source; the best figure of each column is marked."""
    readings = [_readings(source) for source in analysis.sources]
    # no mark for noise, where sources rarely differ by more than their errors, and none for what it cost
    smaller_is_better = (True, False, False, False, None, None)
    best = [
        _best([reading[column][0] for reading in readings], smaller) for column, smaller in enumerate(smaller_is_better)
    ]
    return tuple(
        Row(
            name=source.name,
            ink=inks[source.name],
            meaning=source.meaning,
            cells=tuple(
                Cell(text=text, interval=interval, best=value is not None and value == best[column])
                for column, (value, text, interval) in enumerate(reading)
            ),
        )
        for source, reading in zip(analysis.sources, readings, strict=True)
    )


Reading = tuple[float | None, str, str]
"""Value, text, interval."""


def _readings(source: SourceRecord) -> list[Reading]:
    steps, ranking, gradient = source.steps, source.ranking, source.gradient
    noise = gradient and gradient.against_rloo
    span = gradient and (gradient.against_rloo_low, gradient.against_rloo_high)
    return [
        _reading(steps and steps.mae, _three, steps and steps.mae_interval),
        _reading(steps and steps.explained_within, _share, steps and steps.explained_within_interval),
        _share_reading(ranking and ranking.top1),
        _share_reading(ranking and ranking.pairwise),
        (noise, NOTHING if noise is None else quantity(noise, "number"), _span(span)),
        (None, count(source.cost.tokens_per_trajectory), ""),
    ]


def _span(span: tuple[float | None, float | None] | None) -> str:
    return "" if span is None or None in span else f"{span[0]:.2g} to {span[1]:.2g}"


def _reading(value: float | None, text: Callable[[float], str], interval: Interval | None) -> Reading:
    span = "" if interval is None else f"{text(interval.low)} to {text(interval.high)}"
    return value, NOTHING if value is None else text(value), span


def _share_reading(share: Share | None) -> Reading:
    return (None, NOTHING, "") if share is None else _reading(share.share, _share, share.interval)


def _best(values: Sequence[float | None], smaller: bool | None) -> float | None:
    known = [value for value in values if value is not None]
    if smaller is None or not known:
        return None
    return min(known) if smaller else max(known)


def _three(value: float) -> str:
    return f"{value:.3f}".replace("-", MINUS)


def _share(value: float) -> str:
    return quantity(value, "share")


# --- words -------------------------------------------------------------------------------------------------------


def facts(analysis: Analysis) -> tuple[tuple[str, str], ...]:
    """What was looked at."""
    subject = analysis.subject
    steps = sum(state.step > 0 for state in analysis.states)
    return (
        ("Trajectories", f"{count(subject.trajectories)}, of {plural(subject.questions, 'question')}"),
        ("Mean reward", f"{subject.mean_reward:.2f}"),
        ("States with a true value", f"{count(steps)} + {count(len(analysis.states) - steps)} roots"),
        ("Choices of next steps", count(len(analysis.choices))),
    )


def cautions(analysis: Analysis) -> tuple[str, ...]:
    """What a reader must know first."""
    found = []
    if analysis.reliability.warning is not None:
        found.append(f"{analysis.reliability.warning}.")
    if analysis.search is not None and 0 < len(analysis.choices) < 30:
        found.append(f"Only {plural(len(analysis.choices), 'state')} had enough distinct next steps to rank.")
    if any(s.gradient is not None and s.gradient.relative_variance is None for s in analysis.sources):
        found.append("The large-sample gradient is lost in its own noise; raise analysis.gradient_questions.")
    return tuple(found)


def findings(analysis: Analysis) -> tuple[str, ...]:
    """The figures in words."""
    lines = []
    errors = {source.name: source.steps.mae for source in analysis.sources if source.steps is not None}
    if errors:
        floor = next(source.steps.mae_floor for source in analysis.sources if source.steps is not None)
        best, worst = min(errors, key=errors.__getitem__), max(errors, key=errors.__getitem__)
        lines.append(
            f"Values: {best} errs least ({_three(errors[best])}), {worst} most ({_three(errors[worst])}). "
            f"A perfect source would show {_three(floor)}, because the truth is measured, too."
        )
    pairs = {s.name: s.ranking.pairwise.share for s in analysis.sources if s.ranking and s.ranking.pairwise}
    if pairs:
        named = ", ".join(f"{name} in {_share(share)}" for name, share in pairs.items())
        lines.append(f"Ranking: the better of two next steps is named by {named} of the cases; guessing gives half.")
    if (advice := cheapest_gradient(analysis)) is not None:
        lines.append(advice)
    found = analysis.reliability
    if found.rollouts_needed is not None:
        lines.append(
            f"Steps: {plural(found.rollouts_needed, 'rollout')} per state make signal as large as noise; "
            f"{found.clear_steps} of {found.steps} steps change the value by more than the truth's own noise."
        )
    return tuple(lines)


def ranking_note(analysis: Analysis) -> str:
    """How the cases were found."""
    search = analysis.search
    if search is None:
        return "Not asked for."
    return (
        f"At {plural(search.kept, 'state')} the policy had at least {search.distinct} distinct next steps in "
        f"{search.draws} continuations ({count(search.examined)} states were looked at, at most {search.alternatives} "
        "next steps are ranked). The diamond counts only cases that the truth itself tells apart."
    )


def gradient_note(analysis: Analysis) -> str:
    """What was compared with what."""
    setting = analysis.gradient
    if setting is None:
        return "Not asked for."
    own = quantity(setting.reference_relative_variance, "number")
    others = f"{count(setting.reference_trajectories)} others (whose own noise over signal is {own})"
    return (
        f"Gradient of {count(setting.trajectories)} trajectories, against that of {others}. "
        "Noise for its price: the variance of a question's gradient times the tokens decoded for it, RLOO being 1; of "
        "a biased credit (GRPO) with the signal of its projection. Whiskers: 95 %, by the jackknife over questions."
    )


def reliability_note(analysis: Analysis) -> str:
    """What the curves are."""
    found = analysis.reliability
    return (
        "Reliability: the share of the variance of measured advantages that is true differences between steps. "
        f"Right sign: how often a measured advantage has the true one, over the {plural(found.clear_steps, 'step')} "
        "whose sign the truth knows; no difference counts as half."
    )


def cost_note(analysis: Analysis) -> str:
    """What the truth cost."""
    truth = analysis.truth
    return (
        f"The truth of {count(truth.states)} states took {count(truth.tokens)} tokens and {duration(truth.seconds)} "
        f"({count(truth.states_from_cache)} states were known before)."
    )
