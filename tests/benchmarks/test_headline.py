"""The headline's choice of rates, its jobs and its tables, on curves made by hand."""

import json
from pathlib import Path

import pytest

from equal_tuning.jobs import Job, run_all
from equal_tuning.methods import METHODS, STUDIES, Point, Study, chosen
from equal_tuning.peak import MEMORY
from equal_tuning.plan import choose, first_round, score, score_all, second_round, test_jobs, tuning_job
from equal_tuning.tables import Row, grid_table, kl_at, markdown, overview, quantity, reaching
from vineppo.analysis.run_comparison import Experiment, RunCurve, make_experiment
from vineppo.analysis.run_comparison import Point as Evaluation
from vineppo.config.load import load_config

test_jobs.__test__ = False  # pyright: ignore[reportFunctionMemberAccess]
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
    return Row(experiment=experiment(name, *runs), rates="0.001", peak_bytes=3 * 2**20)


# --- the grid ----------------------------------------------------------------------------------------------------


def test_all_are_tuned_over_the_same_learning_rates():
    for method in METHODS:
        rates = [point.learning_rate for point in SMALL.grid(method)]
        assert sorted(set(rates)) == sorted(SMALL.learning_rates)
        assert len(rates) == len(SMALL.learning_rates) * (len(SMALL.critic_rates) if method.has_critic else 1)


def test_a_run_is_worth_its_mean_accuracy():
    assert score(run([0.0, 1.0])) == 0.5
    assert score(run([0.2, 0.2, 0.6])) == pytest.approx((0.2 + 0.4) / 2)
    assert score(run([0.3])) == 0.3


def test_early_counts_and_so_does_staying():
    assert score(run([0.0, 0.8, 0.8])) > score(run([0.0, 0.4, 0.8]))
    assert score(run([0.0, 0.8, 0.8])) > score(run([0.0, 0.8, 0.4]))


def finish(job: Job, end: float) -> None:
    """As if it had run, from 10 % to this accuracy."""
    job.folder.mkdir(parents=True)
    lines = [{"iteration": i, "updates": i, "eval/accuracy": a} for i, a in ((0, 0.1), (10, end))]
    (job.folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_the_best_two_of_each_method_meet_again_and_the_better_is_chosen(tmp_path: Path):
    methods = list(chosen(["coupled", "ppo"]))
    grid = first_round(SMALL, methods, tmp_path)
    best_two = {"coupled": SMALL.grid(methods[0])[1:3], "ppo": SMALL.grid(methods[1])[:2]}
    for (method, point), job in grid.items():
        finish(job, 0.9 if point == best_two[method][0].name else 0.8 if point == best_two[method][1].name else 0.5)
    finals = second_round(SMALL, methods, grid, tmp_path)
    assert finals.keys() == {(method, point.name) for method, two in best_two.items() for point in two}
    for (method, point), job in finals.items():
        finish(job, 0.3 if point == best_two[method][0].name else 0.8)
    assert choose(SMALL, methods, finals) == {method: two[1] for method, two in best_two.items()}
    assert score_all(finals)["coupled", best_two["coupled"][1].name] == pytest.approx((0.1 + 0.8) / 2)


def test_the_grid_is_a_part_of_a_run_and_the_finals_are_whole_ones(tmp_path: Path):
    (method,) = chosen(["grpo"])
    part, whole = (
        tuning_job(SMALL, method, SMALL.grid(method)[0], tmp_path / str(last), last=last) for last in (False, True)
    )
    lengths = [load_config(Path(job.words[0]), job.words[1:]).training.iterations for job in (part, whole)]
    assert lengths == [round(SMALL.tuning_share * SMALL.iterations), SMALL.iterations]


# --- jobs --------------------------------------------------------------------------------------------------------


def every_tuning_job(study: Study, home: Path) -> list[Job]:
    return [
        tuning_job(study, method, point, home / str(last), last=last)
        for method in METHODS
        for point in study.grid(method)
        for last in (False, True)
    ]


def test_every_job_is_a_config_that_loads(tmp_path: Path):
    for study in STUDIES.values():
        jobs = every_tuning_job(study, tmp_path)
        best = {method.name: study.grid(method)[0] for method in METHODS}
        jobs += [job for own in test_jobs(study, METHODS, best, range(2), tmp_path).values() for job in own]
        assert len({job.folder for job in jobs}) == len(jobs)
        configs = [load_config(Path(job.words[0]), job.words[1:]) for job in jobs]
        assert {config.task.name for config in configs} == {"registers"}
        rl = [config for config in configs if config.recipe.name == "policy_iteration"]
        assert {(config.batch, config.updates_per_iteration) for config in rl} == {
            (rl[0].batch, rl[0].updates_per_iteration)
        }


def test_tuning_and_test_share_neither_seeds_nor_questions(tmp_path: Path):
    grid = every_tuning_job(SMALL, tmp_path)
    best = {method.name: SMALL.grid(method)[0] for method in METHODS}
    test = [job for own in test_jobs(SMALL, METHODS, best, range(5), tmp_path).values() for job in own]
    tuned, tested = ([load_config(Path(j.words[0]), j.words[1:]) for j in jobs] for jobs in (grid, test))
    assert not {c.training.seed for c in tuned} & {c.training.seed for c in tested}
    assert not {c.task.seed for c in tuned} & {c.task.seed for c in tested}  # pyright: ignore


def test_finished_runs_are_left_alone_and_a_failure_names_the_run(tmp_path: Path, capsys):
    done = Job(program="vineppo", words=("nowhere.yaml",), folder=tmp_path / "done")
    done.folder.mkdir()
    (done.folder / MEMORY).write_text("{}")
    run_all("tuning", [done], workers=1, log=tmp_path / "log.txt")
    assert "1 runs, 1 of them done already" in capsys.readouterr().out
    broken = Job(program="vineppo", words=("nowhere.yaml",), folder=tmp_path / "new")
    with pytest.raises(SystemExit, match="new failed: exit code 1"):
        run_all("tuning", [done, broken], workers=1, log=tmp_path / "log.txt")
    assert "nowhere.yaml" in (tmp_path / "log.txt").read_text()


def test_an_unknown_method_is_refused():
    with pytest.raises(
        SystemExit, match=r"there is no method 'pppo'; choose from vine K = 9, coupled, coupled [+] rollouts, ppo"
    ):
        list(chosen(["pppo"]))


# --- tables ------------------------------------------------------------------------------------------------------


def test_how_many_times_less_than_it_took_whose_mark_it_is():
    rows = [row("coupled", [0.0, 0.8, 0.8]), row("ppo", [0.0, 0.2, 0.4]), row("grpo", [0.0, 0.1, 0.16])]
    header, coupled, ppo, grpo = reaching(rows, "updates")
    assert header == ["method", "PPO's peak (40.0%)", "GRPO's peak (16.0%)", "90 % of the best (72.0%)"]
    # PPO is at 40 % after 20 updates, coupled after 5; GRPO is at 16 % after 20, coupled after 2, PPO after 8.
    assert coupled == ["coupled", "5, **4.0x**", "2, **10.0x**", "9"]
    assert ppo == ["ppo", "20", "8, **2.5x**", "never (0 of 1 seeds)"]
    assert grpo == ["grpo", "never (0 of 1 seeds)", "20", "never (0 of 1 seeds)"]


def test_kl_is_read_where_the_curve_first_has_the_accuracy():
    assert kl_at(experiment("a", [0.0, 0.4, 0.8]), 0.6) == pytest.approx(0.6)
    assert kl_at(experiment("a", [0.0, 0.4]), 0.6) is None


def test_the_overview_has_means_spreads_and_memory():
    header, first = overview([row("ppo", [0.1, 0.5], [0.1, 0.7])])
    assert header[-1] == "KL at 60%"
    assert first[:6] == ["**ppo**", "0.001", "10.0% ± 0.0", "60.0% ± 14.1", "60.0% ± 14.1", "3 MiB"]


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
    point = Point(learning_rate=1e-3, critic_rate=2e-3)
    scores = {("ppo", point.name): 0.5, ("ppo", "other"): 0.4, ("ppo", "worst"): 0.1}
    finals = {("ppo", point.name): 0.7, ("ppo", "other"): 0.6}
    assert markdown(grid_table(scores, finals, {"ppo": point.name})).splitlines()[-1] == (
        "| ppo | **0.001, critic 0.002: 50.0%, 70.0%**; other: 40.0%, 60.0%; worst: 10.0% |"
    )
