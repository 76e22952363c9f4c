"""What an analysis leaves behind: all of it as JSON, and its points as CSV for other programs."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from vineppo.analysis.records import Analysis
from vineppo.disk import write_atomically


def write_files(analysis: Analysis, folder: Path) -> None:
    """analysis.json, values.csv, next_steps.csv."""
    write_atomically(folder / "analysis.json", analysis.model_dump_json(indent=1))
    write_atomically(folder / "values.csv", to_csv(value_rows(analysis)))
    write_atomically(folder / "next_steps.csv", to_csv(next_step_rows(analysis)))


def value_rows(analysis: Analysis) -> list[list[object]]:
    """A header, then one row a state, one column a source."""
    head: list[object] = [
        "question",
        "step",
        "position",
        "relative",
        "truth",
        "truth_error",
        *(s.name for s in analysis.sources),
    ]
    rows: list[list[object]] = [
        [state.question, state.step, state.position, state.relative, state.truth, state.truth_error]
        + [source.values[index] for source in analysis.sources]
        for index, state in enumerate(analysis.states)
    ]
    return [head, *rows]


def next_step_rows(analysis: Analysis) -> list[list[object]]:
    """A header, then one row a next step; the column of a source that has one value for all is empty."""
    head: list[object] = [
        "choice",
        "question",
        "position",
        "step",
        "truth",
        "truth_error",
        *(s.name for s in analysis.sources),
    ]
    rows: list[list[object]] = [
        [number, choice.question, choice.position, choice.steps[k], choice.truths[k], choice.truth_errors[k]]
        + [source.next_values[number][k] if source.next_values else "" for source in analysis.sources]
        for number, choice in enumerate(analysis.choices)
        for k in range(len(choice.steps))
    ]
    return [head, *rows]


def to_csv(rows: Iterable[Sequence[object]]) -> str:
    """As spreadsheets read it."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
