"""`vineppo compare` on runs whose numbers are known."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from written_runs import write_run

from vineppo.cli import main
from vineppo.compare.read import common_name, distinct_names, read_comparison


@pytest.fixture
def runs(tmp_path) -> list[Path]:
    """vine gets to 0.8 in one iteration, ppo to 0.4 in two; two seeds each."""
    return [
        write_run(tmp_path / f"{credit}-{seed}", accuracies, credit=credit, seed=seed)
        for credit, accuracies in (("vine", [0.2, 0.8, 0.8]), ("ppo", [0.2, 0.3, 0.4]))
        for seed in (0, 1)
    ]


def output_of(capsys, *argv: object) -> str:
    assert main(["compare", *map(str, argv)]) == 0
    return capsys.readouterr().out.replace("\N{NARROW NO-BREAK SPACE}", " ")


def error_of(capsys, *argv: object) -> str:
    assert main(["compare", *map(str, argv)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.removeprefix("vineppo: error: ").removesuffix("\n")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


# --- output ------------------------------------------------------------------------------------------------------


def test_the_table_has_a_line_an_experiment_and_a_cell_a_target(capsys, runs, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    out = output_of(capsys, *runs, "--out", tmp_path / "out")
    words = [" ".join(line.split()) for line in out.splitlines()]
    assert "2 experiments, 4 runs on arithmetic" in words
    assert "vine 2 seeds 20.0 % 80.0 % ± 0.0 % 80.0 % to 80.0 % 80.0 % iteration 1 1" in words
    assert "ppo 2 seeds 20.0 % 40.0 % ± 0.0 % 40.0 % to 40.0 % 40.0 % iteration 2 1" in words
    # vine is at 0.4 after a third of its first four updates, where ppo took eight
    assert any(line.startswith("peak of ppo, 40.0 % 1, 6\N{MULTIPLICATION SIGN} less (6 to 6) 8") for line in words)
    assert any(line.startswith("peak of vine, 80.0 % 4 never") for line in words)
    assert "Fewer than 3 seeds of vine, ppo: differences may be luck." in words


def test_the_tables_hold_every_number(capsys, runs, tmp_path):
    output_of(capsys, *runs, "--out", tmp_path / "out")
    points = rows(tmp_path / "out" / "points.csv")
    assert len(points) == 12
    assert points[2] == {
        "experiment": "vine",
        "run": "vine-0",
        "seed": "0",
        "iteration": "2",
        "accuracy": "0.8",
        "updates": "8.0",
        "seconds": "4.0",
        "tokens": "200.0",
        "kl": "1.0",
    }
    peak = next(row for row in rows(tmp_path / "out" / "experiments.csv") if row["point"] == "peak")
    assert (peak["experiment"], peak["iteration"], float(peak["accuracy"])) == ("vine", "1", 0.8)
    reaches = {(row["experiment"], row["target"], row["axis"]): row for row in rows(tmp_path / "out" / "reaches.csv")}
    there = reaches["vine", "peak of ppo", "seconds"]
    assert float(there["cost"]) == pytest.approx(2 / 3)
    assert float(there["times_less"]) == pytest.approx(6.0)
    assert (there["seeds_there"], there["seeds"]) == ("2", "2")
    assert reaches["ppo", "peak of vine", "tokens"]["cost"] == ""


def test_runs_that_differ_in_their_seed_are_one_experiment(tmp_path):
    runs = [
        write_run(tmp_path / str(i), [0.1, 0.2], seed=i, learner={"clip": clip}) for i, clip in enumerate([1, 1, 2])
    ]
    compared = read_comparison(runs)
    # folders that are nothing but a number have no common name
    assert dict(compared.grouped) == {"clip=1": ["0", "1"], "clip=2": ["2"]}
    assert compared.differing == (("learner.clip", ("1", "2")),)


@pytest.mark.parametrize(
    ("folders", "name"),
    [
        (["vine"], "vine"),
        (["vine-0", "vine-1"], "vine"),
        (["vine-10", "vine-11"], "vine"),
        (["arithmetic-vine", "arithmetic-vine-seed=1"], "arithmetic-vine"),
        (["rollouts=3,seed=0", "rollouts=3,seed=1"], "rollouts=3"),
        (["a", "b"], ""),
    ],
)
def test_an_experiment_is_called_by_what_its_folders_share(folders: list[str], name: str):
    assert common_name(folders) == name


def test_a_seed_is_counted_once_by_the_run_that_came_furthest(tmp_path):
    short = write_run(tmp_path / "x-0", [0.1, 0.2], seed=0)
    long = write_run(tmp_path / "x-0b", [0.1, 0.2, 0.3], seed=0)
    other = write_run(tmp_path / "x-1", [0.3, 0.4, 0.5], seed=1)
    compared = read_comparison([short, long, other])
    [experiment] = compared.experiments
    assert [run.name for run in experiment.runs] == ["x-0b", "x-1"]
    assert experiment.curve[-1].accuracy.mean == pytest.approx(0.4)
    assert list(compared.runs) == ["x-0b", "x-1"]


def test_experiments_can_be_given_names(capsys, runs, tmp_path):
    out = output_of(capsys, *runs, "--name", "ours", "--name", "theirs", "--out", tmp_path / "out")
    assert "ours" in out
    assert "until peak of theirs" in out or "peak of theirs, 40.0 %" in out
    message = error_of(capsys, *runs, "--name", "ours")
    assert "needs one name for each of 2 experiments, which are vine (vine-0, vine-1); ppo (ppo-0, ppo-1)" in message


@pytest.mark.parametrize("width", [40, 80])
def test_on_a_narrow_terminal_no_number_is_cut_off(capsys, runs, tmp_path, monkeypatch, width: int):
    monkeypatch.setenv("COLUMNS", str(width))
    lines = output_of(capsys, *runs, "--out", tmp_path / "out").splitlines()
    table = lines[: next(i for i, line in enumerate(lines) if line.startswith("credit.name"))]
    assert max(map(len, table)) <= width
    text = " ".join(" ".join(table).split())
    assert "\N{HORIZONTAL ELLIPSIS}" not in text
    for words in ("vine, 2 seeds start 20.0 % final 80.0 % ± 0.0 % (80.0 % to 80.0 %)", "peak of ppo, 40.0 %"):
        assert words in text


def test_an_unfinished_run_is_compared_as_far_as_it_came(capsys, tmp_path):
    done = write_run(tmp_path / "done", [0.1, 0.2, 0.3])
    going = write_run(tmp_path / "going", [0.1, 0.5], finished=False, seed=1)
    with (going / "metrics.jsonl").open("a") as file:
        file.write('{"iteration": 2, "eval/acc')
    out = output_of(capsys, done, going, "--out", tmp_path / "out")
    assert "Not finished: going." in out
    compared = read_comparison([done, going])
    assert [point.iteration for point in compared.experiments[0].curve] == [0, 1]


def test_what_may_mislead_is_said(tmp_path):
    first = write_run(tmp_path / "a", [0.1, 0.2])
    again = write_run(tmp_path / "b", [0.1, 0.2])
    other = write_run(tmp_path / "c", [0.1, 0.2], task={"name": "gsm8k"}, sampling={"temperature": 0.5})
    (first / "provenance.json").write_text(json.dumps({"platform": "Linux", "torch": "2.9"}))
    said = " ".join(read_comparison([first, again, other]).cautions)
    assert "Left out, since another run of its experiment has the same seed: b (seed 0)." in said
    assert "The experiments have different questions" in said
    assert "The experiments have different ways of evaluating" in said
    assert "different platforms or versions of torch" in said


def test_one_law_of_evaluation_is_no_difference(tmp_path):
    law = {"temperature": 0.35, "top_p": 0.9}
    runs = [
        write_run(tmp_path / str(t), [0.1, 0.2], sampling={"temperature": t}, evaluation=law) for t in (0.6, 0.8, 1.0)
    ]
    assert not any("evaluating" in caution for caution in read_comparison(runs).cautions)


def test_the_page_has_a_panel_an_axis_and_needs_nothing_else(capsys, runs, tmp_path):
    output_of(capsys, *runs, "--out", tmp_path / "out")
    page = (tmp_path / "out" / "comparison.html").read_text()
    for axis in ("updates", "seconds", "tokens", "kl"):
        assert f'data-axis="{axis}"' in page
    for word in ("http:", "https:", "@import", "url(", "src=", "href="):
        # the namespaces of a drawing are names, not addresses
        assert word not in page.replace("http-equiv", "").replace('="http://www.w3.org/', "")


def test_names_and_settings_stay_text(capsys, tmp_path):
    hostile = "<script>alert(1)</script>"
    runs = [
        write_run(tmp_path / "a<b>", [0.1, 0.2], note={"x": hostile}),
        write_run(tmp_path / "b", [0.1, 0.2], note={"x": "[red]y"}),
    ]
    out = output_of(capsys, *runs, "--out", tmp_path / "out")
    assert "note.x: <script>alert(1)</script> | [red]y" in out
    page = (tmp_path / "out" / "comparison.html").read_text()
    assert hostile not in page
    assert page.count("<script>") == 1


def test_a_single_run_has_nothing_to_reach(capsys, tmp_path):
    out = output_of(capsys, write_run(tmp_path / "a", [0.1, 0.2]), "--out", tmp_path / "out")
    assert "1 experiment, 1 run on arithmetic" in out
    assert "until" not in out


def test_folders_of_one_name_are_told_apart():
    assert distinct_names([Path("/a/x"), Path("/b/x")]) == ["a/x", "b/x"]


# --- errors ------------------------------------------------------------------------------------------------------


def test_what_is_no_run_is_named_with_a_remedy(capsys, runs, tmp_path):
    assert error_of(capsys).startswith("no run is named; give run directories, e.g. vineppo compare ")
    assert error_of(capsys, tmp_path / "none").endswith(
        "none is no folder; give run directories, which hold metrics.jsonl"
    )
    (tmp_path / "empty").mkdir()
    assert error_of(capsys, tmp_path / "empty").endswith("it has no metrics.jsonl; name a run directory")
    assert f"it holds the runs {tmp_path / 'ppo-0'}, " in error_of(capsys, tmp_path)
    assert error_of(capsys, runs[0], f"{runs[0]}/").endswith("is given twice; name every run once")


def test_runs_without_a_shared_metric_are_refused(capsys, tmp_path):
    first, second = (write_run(tmp_path / name, [0.1, 0.2], seed=seed) for seed, name in enumerate("ab"))
    (first / "metrics.jsonl").write_text('{"iteration": 0, "eval/accuracy": 0.1, "updates": 0}\n')
    (second / "metrics.jsonl").write_text('{"iteration": 0, "eval/accuracy": 0.1, "num_tokens": 0}\n')
    assert error_of(capsys, first, second).startswith("the runs share none of the metrics updates, time/total, ")


def test_a_run_that_was_not_evaluated_yet_is_left_out_and_said_to_be(runs, capsys, tmp_path):
    for name, text in (("new", '{"iteration": 1, "reward": 0.1}\n'), ("newest", "")):
        (write_run(tmp_path / name, [0.1], finished=False) / "metrics.jsonl").write_text(text)
    new = (tmp_path / "new", tmp_path / "newest")
    printed = output_of(capsys, *runs, *new, "--out", tmp_path / "out")
    assert "Left out, not evaluated yet: new, newest." in printed
    assert "Not finished" not in printed
    assert {row["run"] for row in rows(tmp_path / "out" / "points.csv")} == {run.name for run in runs}
    assert error_of(capsys, *new).startswith("new, newest: no eval/accuracy in metrics.jsonl yet; wait for ")


def test_a_comparison_imports_no_torch(runs, tmp_path):
    program = f"""
import sys
from vineppo.cli import main
main(["compare", *{[str(run) for run in runs]!r}, "--out", {str(tmp_path / "out")!r}])
heavy = sys.modules.keys() & {{"torch", "transformers", "datasets"}}
sys.exit(f"imported {{sorted(heavy)}}" if heavy else 0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_mean_rewards_are_not_called_accuracies(tmp_path, capsys):
    """Rewards 5 and -3 have a mean of 1, which is no 100 %."""
    for seed in (0, 1):
        folder = write_run(tmp_path / f"run-{seed}", [0.25, 1.0], seed=seed)
        file = folder / "metrics.jsonl"
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        file.write_text("".join(json.dumps(row | {"eval/reward": row["eval/accuracy"]}) + "\n" for row in rows))
    printed = output_of(capsys, tmp_path / "run-0", tmp_path / "run-1", "--out", tmp_path / "out")
    page = (tmp_path / "out" / "comparison.html").read_text()
    assert "test reward" in printed
    assert "100.0" not in printed
    assert "accuracy" not in printed.lower()
    assert ">Reward</h2>" in page


def test_what_other_commands_left_in_runs_is_passed_over(runs, capsys, tmp_path):
    for name, file in (("comparison", "comparison.html"), ("evaluation-1", "responses.jsonl")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text("")
    (tmp_path / "sweeps").mkdir()
    folders = sorted(path for path in tmp_path.iterdir() if path.is_dir())
    assert f"Passed over, since they are no runs: {tmp_path / 'sweeps'}." in output_of(
        capsys, *folders, "--out", tmp_path / "out"
    )
    assert "2 experiments, 4 runs" in output_of(capsys, *folders, "--out", tmp_path / "out")
    assert "is no run" in error_of(capsys, tmp_path / "comparison")


def test_a_peak_where_training_began_is_no_target(capsys, tmp_path):
    runs = [write_run(tmp_path / "a", [0.2, 0.1], credit="ppo"), write_run(tmp_path / "b", [0.2, 0.4])]
    printed = output_of(capsys, *runs, "--out", tmp_path / "out")
    assert "peak of b, 40.0 %" in printed
    assert "peak of a" not in printed
    assert "until" not in output_of(capsys, runs[0], "--out", tmp_path / "one")


def test_a_template_of_many_lines_is_one_in_the_terminal(capsys, tmp_path):
    templates = ("{question}\nStep by step.", "One\n" * 40)
    runs = [
        write_run(tmp_path / name, [0.2, 0.4], task={"name": "gsm8k", "template": template})
        for name, template in zip("ab", templates, strict=True)
    ]
    printed = output_of(capsys, *runs, "--out", tmp_path / "out")
    assert f"task.template: {{question}} Step by step. | {'One ' * 14}O..." in printed
