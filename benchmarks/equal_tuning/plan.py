"""The runs of a study: trials and finals, on seeds and questions of their own, then the best on test seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from equal_tuning.jobs import Job
from equal_tuning.methods import Method, Point, Shape, Study, slug
from vineppo.analysis.run_comparison import RunCurve, read_points
from vineppo.run_dir import RunDir

Scores = Mapping[Point, float]
FACTOR = 2.0
"""Between neighbouring rates."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tuning:
    """What a method's points came to."""

    trials: Scores
    finals: Scores
    """Of those that ran to the end."""

    @property
    def best(self) -> Point:
        """The choice."""
        return _best(self.finals)


def wanted(study: Study, method: Method, scores: Scores) -> list[Point]:
    """The points to try next, given what the others came to; none: the tuning is over.

    First the rates at the method's first shape, further while the best lies on an edge, then the other shapes at that
    rate, then the rates beside it at the shape that won, further likewise.
    """
    first = method.shapes[0]
    if missing := _missing(scores, first, study.learning_rates):
        return missing
    best = _best({point: worth for point, worth in scores.items() if point.shape == first})
    if beside := _untried_beside(study, best, scores):
        return beside
    if others := [point for shape in method.shapes for point in _missing(scores, shape, (best.learning_rate,))]:
        return others
    return _untried_beside(study, _best(scores), scores)


def wanted_to_the_end(study: Study, trials: Scores, finals: Scores) -> list[Point]:
    """The finals to run next: the finalists, then the rates beside the best of them at which its shape was never tried,
    so that no choice lies on an edge."""
    if not finals:
        return finalists(study, trials)
    return _untried_beside(study, _best(finals), {**trials, **finals})


def finalists(study: Study, scores: Scores) -> list[Point]:
    """Who runs to the end: what is fast at first need not last.

    The best of each shape first: a trial can tell rates apart, but hardly shapes, and two rates of one shape would
    leave the choice between shapes to it.
    """
    ranked = sorted(scores, key=lambda point: -scores[point])
    of_each = {point.shape: point for point in reversed(ranked)}.values()
    return sorted(ranked, key=lambda point: (point not in of_each, -scores[point]))[: study.finalists]


def tuning_job(study: Study, method: Method, point: Point, home: Path, *, last: bool) -> Job:
    """One trial, or one final."""
    seed, share = (study.tuning_seeds[1], 1.0) if last else (study.tuning_seeds[0], study.tuning_share)
    place = home / ("finals" if last else "trials")
    return job(study, method, point, seed, place, (*study.length(method, share), *study.tuning_settings))


def test_job(study: Study, method: Method, point: Point, seed: int, home: Path) -> Job:
    """One run that counts."""
    return job(study, method, point, seed, home / "test", study.length(method, 1.0))


def job(study: Study, method: Method, point: Point, seed: int, home: Path, settings: Sequence[str]) -> Job:
    """One run."""
    words = (*study.settings, *method.settings, *point.overrides, f"training.seed={seed}", *settings)
    if method.worth > 1:
        words = (*words, "evaluation.every=1", "learner.minibatch=64", "learner.micro_batch=32")
    return Job(
        program=method.program,
        words=(str(study.config), *words),
        folder=home / slug(f"{method.name}, {point.name}, seed {seed}"),
    )


def score(run: RunCurve) -> float:
    """Mean accuracy along the run's updates, between evaluations on straight lines: early counts, high, and staying."""
    pairs = list(zip(run.points, run.points[1:], strict=False))
    areas = [
        (after.accuracy + before.accuracy) / 2 * (after.at["updates"] - before.at["updates"]) for before, after in pairs
    ]
    whole = run.points[-1].at["updates"] - run.points[0].at["updates"]
    return sum(areas) / whole if whole else run.points[-1].accuracy


def curve(job: Job) -> RunCurve:
    """What came of a run, with the seconds its core worked for it: others on the machine cost it none."""
    name = job.folder.name
    points = [
        replace(point, at={**point.at, "seconds": point.at["seconds"] * job.share_of_core})
        for point in read_points(RunDir(job.folder).read_metrics())
    ]
    return RunCurve(name=name, seed=int(name.rpartition("_")[2]), points=tuple(points))


def _missing(scores: Scores, shape: Shape, rates: Sequence[float]) -> list[Point]:
    points = [Point(learning_rate=rate, shape=shape) for rate in rates]
    return [point for point in points if point not in scores]


def _best(scores: Scores) -> Point:
    return max(scores, key=lambda point: scores[point])


def _untried_beside(study: Study, point: Point, scores: Scores) -> list[Point]:
    """The same at the next lower and the next higher rate, as far as a study goes, where they have no score."""
    lowest, highest = min(study.learning_rates), max(study.learning_rates)
    reach = FACTOR**study.extensions * 1.01
    rates = (point.learning_rate / FACTOR, point.learning_rate * FACTOR)
    beside = [replace(point, learning_rate=rate) for rate in rates if lowest / reach <= rate <= highest * reach]
    return [point for point in beside if point not in scores]
