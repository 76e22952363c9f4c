"""Does step credit pay? Every method at equal decoded tokens an update, each tuned in rate and batch shape.

    python benchmarks/headline.py --as-tuned         # the test: five seeds at the choices that are kept
    python benchmarks/headline.py --study quick      # two seeds, two fifths as long, at the same choices
    python benchmarks/headline.py                    # chooses first: about as long again as the test
    python benchmarks/headline.py --study gpu        # longer programs, a bigger policy: one run at a time on a GPU

Rates and shapes are chosen on tuning seeds and other questions (`equal_tuning/plan.py`), then test seeds decide. Tables
and figures of all methods are written into docs/headline.md; with --methods they are printed. Stopped, the same command
continues; finished runs are not run again.
Needs `pip install -e '.[bench]'`, or leave TRL out of --methods.
"""

import argparse
import csv
import json
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from statistics import fmean

from equal_tuning.figures import draw_curves
from equal_tuning.jobs import Job, run_all
from equal_tuning.methods import ROOT, STUDIES, Method, Point, Study, chosen, slug
from equal_tuning.plan import Scores, Tuning, curve, score, test_job, tuning_job, wanted, wanted_to_the_end
from equal_tuning.tables import Row, grid_table, markdown, overview, reaching
from rollout_speed.record import with_section
from vineppo.analysis.run_comparison import Axis, make_experiment
from vineppo.compare.tables import point_row
from vineppo.run_dir import RunDir

COSTS: dict[Axis, str] = {"updates": "Updates", "seconds": "Seconds of training", "tokens": "Decoded tokens"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", choices=list(STUDIES), default="small")
    parser.add_argument("--seeds", type=int, help="test seeds; left out, the study's")
    parser.add_argument("--methods", nargs="*", default=[], help="default: all")
    parser.add_argument("--workers", type=int, default=2, help="runs side by side, one thread each")
    parser.add_argument("--as-tuned", action="store_true", help="take the choices that are kept in benchmarks/results")
    parser.add_argument("--home", type=Path, default=ROOT / "build/headline", help="where the runs are kept")
    arguments = parser.parse_args()
    study, methods = STUDIES[arguments.study], list(chosen(arguments.methods))
    home: Path = arguments.home / study.name
    log = home / "log.txt"

    kept = arguments.as_tuned or study.tuned_by
    if kept:
        tuning = read_tuning(study)
        methods = with_choice(methods, tuning)
    else:
        tuning = tune(study, methods, home, arguments.workers, log)
        write_tuning(study, (read_tuning(study) if tuning_file(study).exists() else {}) | tuning)
    best = {method.name: tuning[method.tuned_as or method.name].best for method in methods}
    test = {
        method.name: [
            test_job(study, method, best[method.name], seed, home) for seed in study.test_seeds(method, arguments.seeds)
        ]
        for method in methods
    }
    # Seed after seed, so that a study that is stopped has seen every method as often.
    in_turn = [job for jobs in zip_longest(*test.values()) for job in jobs if job]
    run_all("test", in_turn, workers=arguments.workers, log=log)

    rows = [make_row(method, best[method.name], test[method.name]) for method in methods]
    body = results(study, rows, tuning)
    print(body)
    if arguments.methods:
        print("\nThese methods alone: docs/headline.md and benchmarks/results are written where --methods is left out")
        return
    draw_curves([row.experiment for row in rows], ROOT / f"docs/figures/headline-{study.name}.png")
    keep(rows, test, study, home)
    page = ROOT / "docs/headline.md"
    page.write_text(with_section(page.read_text() if page.exists() else "# The headline\n", title(study), body))


def with_choice(methods: Sequence[Method], tuning: Mapping[str, Tuning]) -> list[Method]:
    """Those whose rate and shape are known."""
    known = [method for method in methods if (method.tuned_as or method.name) in tuning]
    if missing := [method.name for method in methods if method not in known]:
        print(f"left out, since they are not tuned yet: {', '.join(missing)}")
    return known


def tune(study: Study, methods: Sequence[Method], home: Path, workers: int, log: Path) -> dict[str, Tuning]:
    """Every method's trials, round after round, until none wants more; then the finals, likewise."""
    tuned = [method for method in methods if not method.tuned_as]

    def explore(next_points: Callable[[Method, Scores], Sequence[Point]], *, last: bool) -> dict[str, Scores]:
        scores: dict[str, Scores] = {method.name: {} for method in tuned}
        while more := {method: points for method in tuned if (points := next_points(method, scores[method.name]))}:
            for name, found in run_points(study, more, home, log, workers=workers, last=last).items():
                scores[name] = {**scores[name], **found}
        return scores

    trials = explore(lambda method, own: wanted(study, method, own), last=False)
    finals = explore(lambda method, own: wanted_to_the_end(study, trials[method.name], own), last=True)
    return {name: Tuning(trials=own, finals=finals[name]) for name, own in trials.items()}


def run_points(
    study: Study, points: Mapping[Method, Sequence[Point]], home: Path, log: Path, *, workers: int, last: bool
) -> dict[str, dict[Point, float]]:
    """What they came to, by method."""
    jobs = {
        method: {point: tuning_job(study, method, point, home, last=last) for point in own}
        for method, own in points.items()
    }
    title = "finals" if last else "trials"
    run_all(title, [job for own in jobs.values() for job in own.values()], workers=workers, log=log)
    return {method.name: {point: score(curve(job)) for point, job in own.items()} for method, own in jobs.items()}


def make_row(method: Method, point: Point, jobs: Sequence[Job]) -> Row:
    """Of the table."""
    lines = [[line for line in RunDir(job.folder).read_metrics() if line["iteration"] > 0] for job in jobs]
    decoded = [
        sum(value for name, value in line.items() if name.startswith("tokens/") and name != "tokens/evaluation")
        for own in lines
        for line in own
    ]
    trained = [line["trained_tokens"] for own in lines for line in own if "trained_tokens" in line]
    return Row(
        experiment=make_experiment(method.name, [curve(job) for job in jobs]),
        point=point.name,
        iterations=len(lines[0]),
        decoded=fmean(decoded),
        trained=fmean(trained) if trained else None,
        peak_bytes=fmean(job.cost["peak_bytes"] for job in jobs),
        is_bound=method.is_bound,
    )


def results(study: Study, rows: Sequence[Row], tuning: Mapping[str, Tuning]) -> str:
    """The section of a study."""
    command = f"benchmarks/headline.py{'' if study.name == 'small' else f' --study {study.name}'}"
    parts = [
        f"`python {command}`. ± is the standard deviation over test seeds, brackets are 95 % bootstrap intervals, bold "
        "is how many times less than it took whose mark it is. Decoded and trained tokens and seconds are those of an "
        "iteration.",
        markdown(overview(rows)),
        f"![Accuracy over decoded tokens and seconds](figures/headline-{study.name}.png)",
    ]
    for axis, name in COSTS.items():
        parts += [f"**{name} to get there**", markdown(reaching(rows, axis))]
    if study.tuned_by:
        return "\n\n".join([*parts, f"Rates and shapes are those of the study `{study.tuned_by}`."])
    parts += [
        f"**Tuning**, on other seeds and questions: every point for {study.tuning_share:.0%} of a run, the best "
        f"{study.finalists} of each method then on another seed to the end. The best of those is chosen, and bold",
        markdown(grid_table(tuning)),
    ]
    return "\n\n".join(parts)


def title(study: Study) -> str:
    """Of its section."""
    return f"Results, {study.name}"


def keep(rows: Sequence[Row], test: Mapping[str, Sequence[Job]], study: Study, home: Path) -> None:
    """Every evaluation of the test runs, and each method's config as from the repository's root, to be committed."""
    place = ROOT / f"benchmarks/results/headline-{study.name}"
    place.mkdir(parents=True, exist_ok=True)
    points = [
        point_row(row.experiment, run, point) for row in rows for run in row.experiment.runs for point in run.points
    ]
    with (place / "points.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(points[0]))
        writer.writeheader()
        writer.writerows(points)
    for name, jobs in test.items():
        config = (jobs[0].folder / "config.yaml").read_text(encoding="utf-8")
        config = config.replace(str(home.resolve()), f"build/headline/{study.name}")
        (place / f"{slug(name)}.yaml").write_text(from_root(config), encoding="utf-8")


def from_root(config: str) -> str:
    """Without the path of the checkout that it was run in, this one or another."""
    return re.sub(r"/\S*/(?=examples/|src/)", "", config.replace(f"{ROOT}/", ""))


def write_tuning(study: Study, tuning: Mapping[str, Tuning]) -> None:
    """Scores by method and point, so that test runs can go on elsewhere."""
    kept = {
        method: {
            stage: {point.name: worth for point, worth in scores.items()}
            for stage, scores in (("trials", own.trials), ("finals", own.finals))
        }
        for method, own in tuning.items()
    }
    tuning_file(study).write_text(json.dumps(kept, indent=1) + "\n")


def read_tuning(study: Study) -> dict[str, Tuning]:
    """What `write_tuning` wrote."""
    kept = json.loads(tuning_file(study).read_text())
    shapes = {method.name: {shape.name: shape for shape in method.shapes} for method in chosen([])}

    def scores(method: str, stage: str) -> dict[Point, float]:
        named = ((name.partition(", "), worth) for name, worth in kept[method][stage].items())
        return {
            Point(learning_rate=float(rate), shape=shapes[method][shape]): worth for (rate, _, shape), worth in named
        }

    return {method: Tuning(trials=scores(method, "trials"), finals=scores(method, "finals")) for method in kept}


def tuning_file(study: Study) -> Path:
    """Beside the results."""
    return ROOT / f"benchmarks/results/headline-{study.tuned_by or study.name}/tuning.json"


if __name__ == "__main__":
    main()
