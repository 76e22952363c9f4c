"""What a run directory holds, read into typed records. Files may be missing: the run may still be going on."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from vineppo.errors import UserError
from vineppo.metrics import Metrics
from vineppo.report.text import visible

Text = Annotated[str, BeforeValidator(lambda value: visible(value) if isinstance(value, str) else value)]
"""Untrusted text, made visible as it is read."""


class Logged(BaseModel):
    """A line of a run's logs. Keys it does not know are a later version's business."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class LoggedRollout(Logged):
    """One continuation from the state where a step begins."""

    text: Text
    reward: float


class LoggedStep(Logged):
    """One step of a trajectory, with the value of the state where it begins."""

    text: Text
    position: int
    tokens: int
    advantage: float
    advantage_interval: tuple[float, float] | None = None
    """95 % interval of the change of value."""
    value: float | None = None
    standard_error: float | None = None
    interval: tuple[float, float] | None = None
    """95 % interval of the value."""
    num_rollouts: int | None = None
    """Sampled for the value; None in older logs."""
    rollouts: tuple[LoggedRollout, ...] = ()
    """Some of them."""


class LoggedTrajectory(Logged):
    """A trajectory and the credit it got."""

    iteration: int
    question: Text
    asked: Text = ""
    """The question alone; empty in older logs."""
    prompt: Text
    """As the policy saw it."""
    response: Text
    answer: Text = ""
    reward: float
    outcome: Text
    finish: Text
    steps: tuple[LoggedStep, ...] = ()


class Accuracy(Logged):
    """Test accuracy of a finished run."""

    start: float | None = None
    final: float | None = None
    best: float | None = None
    best_iteration: int | None = None


class Summary(Logged):
    """What a finished run says of itself."""

    credit: Text | None = None
    iterations: int | None = None
    updates: int | None = None
    accuracy: Accuracy = Accuracy()
    tokens: dict[str, float] = {}
    seconds: dict[str, float] = {}
    seed: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One training run, as far as it has come."""

    name: str
    config_text: str = ""
    config: Mapping[str, object] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)
    metrics: tuple[Metrics, ...] = ()
    """One per iteration, in order; the first may be iteration 0."""
    first: tuple[LoggedTrajectory, ...] = ()
    """Trajectories of the first logged iteration; empty where that is also the latest."""
    latest: tuple[LoggedTrajectory, ...] = ()
    summary: Summary | None = None

    def setting(self, *path: str) -> object:
        """The configuration's value at a path, or None."""
        value: object = self.config
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    def column(self, name: str) -> list[tuple[float, float]]:
        """(iteration, value) wherever a metric was measured and is finite."""
        points = ((line["iteration"], line.get(name)) for line in self.metrics)
        return [(x, y) for x, y in points if y is not None and math.isfinite(y)]


def read_run(directory: Path) -> Run:
    """Read all that a report needs."""
    if not directory.is_dir():
        raise UserError(f"there is no run directory {directory}; give the folder that holds metrics.jsonl")
    config_text = _read_text(directory / "config.yaml")
    first, latest = _read_trajectories(directory / "trajectories")
    summary = _read_json(directory / "summary.json")
    return Run(
        name=visible(directory.resolve().name),
        config_text=config_text,
        config=_parse_config(config_text, directory / "config.yaml"),
        provenance={visible(key): _line(value) for key, value in _read_json(directory / "provenance.json").items()},
        metrics=_read_metrics(directory / "metrics.jsonl"),
        first=first,
        latest=latest,
        summary=_validate(Summary, summary, str(directory / "summary.json")) if summary else None,
    )


def _read_text(path: Path) -> str:
    return visible(path.read_text(encoding="utf-8", errors="replace")) if path.is_file() else ""


def _parse_config(text: str, path: Path) -> Mapping[str, object]:
    try:
        parsed = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    return parsed if isinstance(parsed, dict) else {}


def _read_json(path: Path) -> dict[str, object]:
    """{} for a file that is missing or empty."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    return _parse_object(text, str(path)) if text.strip() else {}


def _read_lines(path: Path) -> list[tuple[str, dict[str, object]]]:
    """(where, object) of each line. A last line without its line break is still being written, and is left out."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    complete = text[: text.rfind("\n") + 1]
    # only \n separates: str.splitlines would also cut at U+2028 inside a model's words
    lines = enumerate(complete.split("\n"), start=1)
    places = ((f"{path}, line {number}", line) for number, line in lines if line.strip())
    return [(place, _parse_object(line, place)) for place, line in places]


def _parse_object(text: str, place: str) -> dict[str, object]:
    try:
        parsed = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"{place} is not JSON ({error}); repair or remove it") from error
    if not isinstance(parsed, dict):
        raise UserError(f"{place} holds a JSON {type(parsed).__name__}, expected an object; repair or remove it")
    return parsed


def _read_metrics(path: Path) -> tuple[Metrics, ...]:
    """The last line of each iteration: a resumed run may have written one twice."""
    by_iteration: dict[float, Metrics] = {}
    for place, line in _read_lines(path):
        numbers = {key: float(value) for key, value in line.items() if isinstance(value, int | float)}
        if not math.isfinite(numbers.get("iteration", math.nan)):
            raise UserError(f"{place} has no iteration; repair or remove it")
        by_iteration[numbers["iteration"]] = numbers
    return tuple(by_iteration[iteration] for iteration in sorted(by_iteration))


def _read_trajectories(folder: Path) -> tuple[tuple[LoggedTrajectory, ...], tuple[LoggedTrajectory, ...]]:
    """Those of the first and of the latest iteration that has any; the first is empty when they are the same."""
    paths = sorted((path for path in folder.glob("*.jsonl") if path.stem.isdecimal()), key=lambda p: int(p.stem))
    latest_path, latest = _first_filled(paths[::-1])
    first_path, first = _first_filled(paths)
    return (() if first_path == latest_path else first), latest


def _first_filled(paths: Sequence[Path]) -> tuple[Path | None, tuple[LoggedTrajectory, ...]]:
    for path in paths:
        if lines := _read_lines(path):
            return path, tuple(_validate(LoggedTrajectory, line, place) for place, line in lines)
    return None, ()


_Record = TypeVar("_Record", bound=Logged)


def _validate(record: type[_Record], value: object, place: str) -> _Record:
    try:
        return record.model_validate(value)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(map(str, problem["loc"]))
        raise UserError(f"{place}: {where}: {problem['msg']}; repair or remove it") from error


def _line(value: object) -> str:
    return visible(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
