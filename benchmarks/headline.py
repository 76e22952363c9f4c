"""VinePPO against everything, at equal tuning: one grid of learning rates for all, chosen on tuning seeds and other
questions, then test seeds. Writes tables and figures into docs/headline.md.

    python benchmarks/headline.py                    # small: two runs side by side on two cores
    python benchmarks/headline.py --study gpu        # longer programs, a bigger policy: one run at a time on a GPU

Every method has the same starting policy, judge, trajectories an iteration and updates an iteration. Stopped, the same
command continues; finished runs are not run again. Needs `pip install -e '.[bench]'`, or leave TRL out of --methods.
"""

import argparse
import csv
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from equal_tuning.figures import draw_curves, draw_grid
from equal_tuning.jobs import Job, run_all
from equal_tuning.methods import ROOT, STUDIES, Point, Study, chosen, slug
from equal_tuning.peak import MEMORY
from equal_tuning.plan import choose, curve, first_round, score_all, second_round, test_jobs
from equal_tuning.tables import Row, grid_table, markdown, overview, reaching
from rollout_speed.record import with_section
from vineppo.analysis.run_comparison import Axis, make_experiment
from vineppo.compare.tables import point_row

COSTS: dict[Axis, str] = {"updates": "Updates", "seconds": "Seconds of training", "tokens": "Decoded tokens"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", choices=list(STUDIES), default="small")
    parser.add_argument("--seeds", type=int, default=5, help="test seeds")
    parser.add_argument("--methods", nargs="*", default=[], help="default: all")
    parser.add_argument("--workers", type=int, default=2, help="runs side by side, one thread each")
    parser.add_argument("--home", type=Path, default=ROOT / "build/headline", help="where the runs are kept")
    arguments = parser.parse_args()
    study, methods = STUDIES[arguments.study], list(chosen(arguments.methods))
    home: Path = arguments.home / study.name
    log = home / "log.txt"

    grid = first_round(study, methods, home)
    run_all("grid", list(grid.values()), workers=arguments.workers, log=log)
    finals = second_round(study, methods, grid, home)
    run_all("finals", list(finals.values()), workers=arguments.workers, log=log)
    best = choose(study, methods, finals)
    test = test_jobs(study, methods, best, range(arguments.seeds), home)
    run_all("test", [job for own in test.values() for job in own], workers=arguments.workers, log=log)

    rows = [
        Row(
            experiment=make_experiment(method.name, [curve(job) for job in test[method.name]]),
            rates=best[method.name].name,
            peak_bytes=fmean(peak_bytes(job) for job in test[method.name]),
        )
        for method in methods
    ]
    figures = ROOT / "docs/figures"
    draw_curves([row.experiment for row in rows], figures / f"headline-{study.name}.png")
    tuned = {key: [curve(job), *([curve(finals[key])] if key in finals else [])] for key, job in grid.items()}
    draw_grid(tuned, figures / f"headline-{study.name}-grid.png")
    keep(rows, test, study)
    body = results(study, rows, score_all(grid), score_all(finals), best)
    page = ROOT / "docs/headline.md"
    page.write_text(with_section(page.read_text() if page.exists() else "# The headline\n", title(study), body))
    print(body)


def results(
    study: Study,
    rows: Sequence[Row],
    scores: Mapping[tuple[str, str], float],
    finals: Mapping[tuple[str, str], float],
    best: Mapping[str, Point],
) -> str:
    """The section of a study."""
    seeds = len(rows[0].experiment.runs)
    parts = [
        f"`python benchmarks/headline.py{'' if study.name == 'small' else f' --study {study.name}'}`, {seeds} test "
        "seeds; ± is the standard deviation over them, brackets are 95 % bootstrap intervals, bold is how many times "
        "less than it took whose mark it is.",
        markdown(overview(rows)),
        f"![Accuracy over updates, seconds and tokens](figures/headline-{study.name}.png)",
    ]
    for axis, name in COSTS.items():
        parts += [f"**{name} to get there**", markdown(reaching(rows, axis))]
    parts += [
        f"**The grid**, on other seeds and questions: every point for {study.tuning_share:.0%} of a run, the best "
        f"{study.finalists} of each method then on another seed to the end. The best of those is chosen, and bold",
        markdown(grid_table(scores, finals, {method: point.name for method, point in best.items()})),
        f"![Every point of the grid](figures/headline-{study.name}-grid.png)",
    ]
    return "\n\n".join(parts)


def title(study: Study) -> str:
    """Of its section."""
    return f"Results, {study.name}"


def peak_bytes(job: Job) -> float:
    """Beyond libraries, in bytes."""
    return json.loads((job.folder / MEMORY).read_text())["peak_bytes"]


def keep(rows: Sequence[Row], test: Mapping[str, Sequence[Job]], study: Study) -> None:
    """Every evaluation of the test runs, and each method's config, small enough to be committed."""
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
        shutil.copy(jobs[0].folder / "config.yaml", place / f"{slug(name)}.yaml")


if __name__ == "__main__":
    main()
