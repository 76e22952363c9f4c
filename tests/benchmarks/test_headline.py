"""The headline's choice of rates, its jobs and its tables, on curves made by hand."""

import json
from collections.abc import Callable
from dataclasses import replace
from math import log
from pathlib import Path

import pytest

import headline
from equal_tuning.cost import COST
from equal_tuning.jobs import Job, run_all
from equal_tuning.methods import METHODS, ROOT, STUDIES, Method, Point, Study, chosen
from equal_tuning.plan import Tuning, curve, finalists, score, test_job, tuning_job, wanted, wanted_to_the_end
from equal_tuning.tables import Row, grid_table, kl_at, markdown, overview, quantity, reaching
from vineppo.analysis.run_comparison import Experiment, RunCurve, make_experiment
from vineppo.analysis.run_comparison import Point as Evaluation
from vineppo.config.load import load_config

test_job.__test__ = False  # pyright: ignore[reportFunctionMemberAccess]
SMALL = STUDIES["small"]


def run(accuracies: list[float], *, seed: int = 0, step: int = 10) -> RunCurve:
    """An evaluation every `step` updates; a second and 100 tokens an update; KL as large as the accuracy."""
    points = [
        Evaluation(
            iteration=i * step,
            accuracy=accuracy,
            at={"updates": i * step, "seconds": float(i * step), "tokens": 100.0 * i * step, "kl": accuracy},
        )
        for i, accuracy in enumerate(accuracies)
    ]
    return RunCurve(name=f"run {seed}", seed=seed, points=tuple(points))


def experiment(name: str, *runs: list[float]) -> Experiment:
    return make_experiment(name, [run(own, seed=seed) for seed, own in enumerate(runs)])


def row(name: str, *runs: list[float]) -> Row:
    return Row(
        experiment=experiment(name, *runs),
        point="0.001",
        iterations=20,
        decoded=8000.0,
        trained=None,
        peak_bytes=3 * 2**20,
    )


# --- the grid ----------------------------------------------------------------------------------------------------


def test_a_run_is_worth_its_mean_accuracy():
    assert score(run([0.0, 1.0])) == 0.5
    assert score(run([0.2, 0.2, 0.6])) == pytest.approx((0.2 + 0.4) / 2)
    assert score(run([0.3])) == 0.3


def test_early_counts_and_so_does_staying():
    assert score(run([0.0, 0.8, 0.8])) > score(run([0.0, 0.4, 0.8]))
    assert score(run([0.0, 0.8, 0.8])) > score(run([0.0, 0.8, 0.4]))


GRPO, TREE = (next(method for method in METHODS if method.name == name) for name in ("grpo", "tree"))


def tried(method: Method, worth: Callable[[Point], float], study: Study = SMALL) -> dict[Point, float]:
    """The trials of a method whose points are worth what a function says, to the end."""
    scores: dict[Point, float] = {}
    while more := wanted(study, method, scores):
        assert not scores.keys() & set(more), "nothing is tried twice"
        scores |= {point: worth(point) for point in more}
    return scores


@pytest.mark.parametrize("peak", [2e-5, 4e-5, 8e-5, 1.6e-4, 6.4e-4])
def test_the_best_rate_is_never_at_an_edge_of_what_was_tried(peak: float):
    scores = tried(GRPO, lambda point: -abs(log(point.learning_rate / peak)))
    (best, *_) = finalists(SMALL, scores)
    rates = [point.learning_rate for point in scores if point.shape == best.shape]
    assert best.learning_rate == pytest.approx(peak)
    assert min(rates) < peak < max(rates)


def test_every_shape_is_tried_and_the_rates_beside_the_winners():
    def worth(point: Point) -> float:
        return TREE.shapes.index(point.shape) - abs(log(point.learning_rate / 8e-5))

    scores = tried(TREE, worth)
    assert {point.shape for point in scores} == set(TREE.shapes)
    best, *others = finalists(SMALL, scores)
    assert (best.shape, best.learning_rate) == (TREE.shapes[-1], pytest.approx(8e-5))
    assert [point.shape for point in others] == list(TREE.shapes[-2:-4:-1]), "shapes meet again, not rates of one"
    assert len([point for point in scores if point.shape == best.shape]) >= 3


@pytest.mark.parametrize("peak", [4e-5, 8e-5, 6.4e-4])
def test_no_choice_of_the_finals_lies_on_an_edge_of_what_its_shape_was_tried_at(peak: float):
    trials, finals = tried(TREE, lambda point: -TREE.shapes.index(point.shape)), dict[Point, float]()
    while more := wanted_to_the_end(SMALL, trials, finals):
        assert not finals.keys() & set(more)
        finals |= {p: TREE.shapes.index(p.shape) - abs(log(p.learning_rate / peak)) for p in more}
    best = Tuning(trials=trials, finals=finals).best
    rates = [point.learning_rate for point in (*trials, *finals) if point.shape == best.shape]
    assert best.learning_rate == pytest.approx(peak)
    assert min(rates) < peak < max(rates)


def test_finals_decide():
    early, late = (Point(learning_rate=rate, shape=GRPO.shapes[0]) for rate in (8e-5, 4e-5))
    assert Tuning(trials={early: 0.3, late: 0.2}, finals={early: 0.4, late: 0.5}).best == late


def test_a_method_may_have_fewer_seeds_and_fewer_iterations():
    few, recipe = replace(GRPO, seeds=3), replace(GRPO, worth=4, ahead=2)
    assert SMALL.test_seeds(GRPO, None) == range(5)
    assert (SMALL.test_seeds(few, None), SMALL.test_seeds(few, 2), SMALL.test_seeds(GRPO, 9)) == (
        range(3),
        range(2),
        range(9),
    )
    assert [method.iterations(SMALL.iterations) for method in (GRPO, recipe)] == [40, 8]


def test_where_there_are_few_shapes_rates_meet_again():
    alone = replace(GRPO, shapes=GRPO.shapes[:1])
    scores = tried(alone, lambda point: -abs(log(point.learning_rate / 8e-5)))
    assert len(finalists(SMALL, scores)) == 3


def test_rates_end_somewhere():
    scores = tried(GRPO, lambda point: point.learning_rate)
    assert max(point.learning_rate for point in scores) == pytest.approx(1.6e-4 * 2**SMALL.extensions)


def test_trials_are_a_part_of_a_run_and_finals_are_whole_ones(tmp_path: Path):
    point = Point(learning_rate=1e-4, shape=GRPO.shapes[0])
    jobs = [tuning_job(SMALL, GRPO, point, tmp_path, last=last) for last in (False, True)]
    lengths = [load_config(Path(job.words[0]), job.words[1:]).training.iterations for job in jobs]
    assert lengths == [round(SMALL.tuning_share * SMALL.iterations), SMALL.iterations]


# --- jobs --------------------------------------------------------------------------------------------------------


def every_job(study: Study, home: Path, *, tuning: bool) -> list[Job]:
    shapes = {method.name: method.shapes for method in METHODS}
    return [
        tuning_job(study, method, point, home, last=last) if tuning else test_job(study, method, point, int(last), home)
        for method in METHODS
        for point in (Point(learning_rate=1e-4, shape=shape) for shape in shapes[method.tuned_as or method.name])
        for last in (False, True)
    ]


def test_every_job_is_a_config_that_loads_and_updates_on_whole_iterations(tmp_path: Path):
    for study in STUDIES.values():
        jobs = [*every_job(study, tmp_path, tuning=True), *every_job(study, tmp_path, tuning=False)]
        assert len({job.folder for job in jobs}) == len(jobs)
        configs = [load_config(Path(job.words[0]), job.words[1:]) for job in jobs]
        assert {config.task.name for config in configs} == {"registers"}
        rl = [config for config in configs if config.recipe.name == "policy_iteration"]
        assert all(config.updates_per_iteration == config.learner.epochs for config in rl)


def test_tuning_and_test_share_neither_seeds_nor_questions(tmp_path: Path):
    tuned, tested = (
        [load_config(Path(j.words[0]), j.words[1:]) for j in every_job(SMALL, tmp_path, tuning=tuning)]
        for tuning in (True, False)
    )
    assert not {c.training.seed for c in tuned} & {c.training.seed for c in tested}
    assert not {c.task.seed for c in tuned} & {c.task.seed for c in tested}  # pyright: ignore


def test_seconds_are_those_that_a_core_worked(tmp_path: Path):
    job = Job(program="vineppo", words=(), folder=tmp_path / "grpo_seed_0")
    job.folder.mkdir()
    lines = [{"iteration": i, "updates": i, "time/total": 10 * i, "eval/accuracy": 0.1 * i} for i in (0, 1)]
    (job.folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (job.folder / COST).write_text(json.dumps({"peak_bytes": 1, "seconds": 20.0, "cpu_seconds": 15.0}))
    assert [point.at["seconds"] for point in curve(job).points] == [0, 7.5]


def test_finished_runs_are_left_alone_and_a_failure_names_the_run(tmp_path: Path, capsys):
    done = Job(program="vineppo", words=("nowhere.yaml",), folder=tmp_path / "done")
    done.folder.mkdir()
    (done.folder / COST).write_text("{}")
    run_all("tuning", [done], workers=1, log=tmp_path / "log.txt")
    assert "1 runs, 1 of them done already" in capsys.readouterr().out
    broken = Job(program="vineppo", words=("nowhere.yaml",), folder=tmp_path / "new")
    with pytest.raises(SystemExit, match="new failed: exit code 1"):
        run_all("tuning", [done, broken], workers=1, log=tmp_path / "log.txt")
    assert "nowhere.yaml" in (tmp_path / "log.txt").read_text()


def test_an_unknown_method_is_refused():
    with pytest.raises(SystemExit, match=r"there is no method 'pppo'; choose from grpo, rloo, Dr. GRPO, ppo"):
        list(chosen(["pppo"]))


# --- tables ------------------------------------------------------------------------------------------------------


def test_how_many_times_less_than_it_took_whose_mark_it_is():
    rows = [row("coupled", [0.0, 0.8, 0.8]), row("ppo", [0.0, 0.2, 0.4]), row("grpo", [0.0, 0.1, 0.16])]
    header, coupled, ppo, grpo = reaching(rows, "updates")
    assert header == ["method", "GRPO's peak (16.0%)", "PPO's peak (40.0%)", "90 % of the best (72.0%)"]
    # PPO is at 40 % after 20 updates, coupled after 5; GRPO is at 16 % after 20, coupled after 2, PPO after 8.
    assert coupled == ["coupled", "2, **10.0x**", "5, **4.0x**", "9"]
    assert ppo == ["ppo", "8, **2.5x**", "20", "never (0 of 1 seeds)"]
    assert grpo == ["grpo", "20", "never (0 of 1 seeds)", "never (0 of 1 seeds)"]


def test_none_is_measured_by_what_is_told_the_truth():
    told = replace(row("perfect", [0.0, 1.0]), is_bound=True)
    header, *_ = reaching([told, row("grpo", [0.0, 0.5])], "updates")
    assert header == ["method", "GRPO's peak (50.0%)", "90 % of the best (45.0%)"]


def test_kl_is_read_where_the_curve_first_has_the_accuracy():
    assert kl_at(experiment("a", [0.0, 0.4, 0.8]), 0.6) == pytest.approx(0.6)
    assert kl_at(experiment("a", [0.0, 0.4]), 0.6) is None


def test_the_overview_has_means_spreads_and_memory():
    header, first = overview([row("ppo", [0.1, 0.5], [0.1, 0.7])])
    assert header[-1] == "KL at 60%"
    assert first[:8] == ["**ppo**", "0.001", "2", "8,000", "-", "0.50", "10.0% ± 0.0", "60.0% ± 14.1"]
    assert first[8:10] == ["35.0% [30.0%, 40.0%]", "3 MiB"]


def test_quantities_have_three_digits():
    assert [quantity(n) for n in (0.1234, 12.34, 1234, 45678, 1234567, float("inf"))] == [
        "0.123",
        "12.3",
        "1,234",
        "45.7k",
        "1.23M",
        "never",
    ]


def test_the_chosen_point_of_the_grid_is_bold():
    best, other, worst = (Point(learning_rate=rate, shape=GRPO.shapes[0]) for rate in (1e-3, 2e-3, 4e-3))
    trials, finals = {best: 0.5, other: 0.4, worst: 0.1}, {best: 0.7, other: 0.6}
    assert markdown(grid_table({"ppo": Tuning(trials=trials, finals=finals)})).splitlines()[-1] == (
        "| ppo | **0.001, 10 x 8: 50.0%, 70.0%**; 0.002, 10 x 8: 40.0%, 60.0%; 0.004, 10 x 8: 10.0% |"
    )


def test_choices_are_kept_and_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(headline, "tuning_file", lambda study: tmp_path / "tuning.json")
    best, other = (Point(learning_rate=8e-5, shape=shape) for shape in TREE.shapes[:2])
    tuning = {"tree": Tuning(trials={best: 0.4, other: 0.5}, finals={best: 0.6})}
    headline.write_tuning(SMALL, tuning)
    assert headline.read_tuning(SMALL) == tuning
    shuffled = next(method for method in METHODS if method.tuned_as == "tree")
    assert headline.with_choice([GRPO, TREE, shuffled], tuning) == [TREE, shuffled]
    assert tuning["tree"].best == best


def test_a_kept_config_names_no_checkout():
    config = f"function: {ROOT}/examples/a.py:f\npath: /another/checkout/src/vineppo/assets/b\ndir: {ROOT}/build/c\n"
    assert headline.from_root(config) == "function: examples/a.py:f\npath: src/vineppo/assets/b\ndir: build/c\n"
