"""The figures of an analysis as SVG files that stand alone, for documents and papers."""

from collections.abc import Mapping
from pathlib import Path

from vineppo.analysis.records import Analysis
from vineppo.report import analysis_figures as figures
from vineppo.report.drawing import Drawing, side_by_side, to_svg
from vineppo.report.html import write_page


def write_figures(analysis: Analysis, folder: Path) -> None:
    """One file a figure."""
    folder.mkdir(exist_ok=True)
    for name, drawing in make_figures(analysis).items():
        write_page(to_svg(drawing), folder / f"{name}.svg")


def make_figures(analysis: Analysis) -> Mapping[str, Drawing]:
    """By file name; instruments that were not asked for are left out."""
    inks = figures.source_inks(analysis.sources)
    values = [figures.value_panel(analysis, source, inks[source.name]) for source in analysis.sources]
    found = {
        "values": side_by_side("Values against the truth", values, columns=3),
        "position": side_by_side(
            "Along the response", [figures.error_by_position(analysis), figures.bias_by_position(analysis)], columns=2
        ),
        "rollouts": side_by_side(
            "Rollouts", [figures.reliability_figure(analysis), figures.token_cost(analysis)], columns=2
        ),
    }
    if analysis.choices:
        pair = [figures.best_named(analysis), figures.better_named(analysis)]
        found["ranking"] = side_by_side("Ranking next steps", pair, columns=2)
    if analysis.gradient is not None:
        pair = [figures.gradient_noise(analysis), figures.gradient_cosine(analysis)]
        found["gradient"] = side_by_side("The policy gradient", pair, columns=2)
    return found
