"""The report says what the files say, runs nothing it was given, and needs nothing but itself."""

import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from vineppo.errors import UserError
from vineppo.report.credit_map import pick_examples, tint
from vineppo.report.html import content_hash, write_report
from vineppo.report.run_data import LoggedRollout, read_run
from vineppo.report.text import MINUS, NOTHING, count, duration, quantity, signed, visible

HOSTILE = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(2)>\x00\u202egnorw\u2066 \U0001f347 \ud800"
METRICS = [
    {
        "iteration": 0,
        "eval/accuracy": 0.25,
        "eval/standard_error": 0.02,
        "tokens/evaluation": 100,
        "time/evaluate": 1.0,
    },
    {
        "iteration": 1,
        "reward": 0.25,
        "kl": 0.125,
        "tokens/trajectories": 2000,
        "time/sample": 2.0,
        "updates_skipped": 1,
    },
    {
        "iteration": 2,
        "reward": 0.5,
        "kl": 0.25,
        "eval/accuracy": 0.625,
        "eval/standard_error": 0.03,
        "tokens/trajectories": 3000,
        "tokens/rollouts": 40000,
        "tokens/evaluation": 100,
        "time/sample": 2.0,
        "time/credit": 5.0,
        "time/total": 12.0,
    },
]
SUMMARY = {
    "credit": "vine",
    "iterations": 2,
    "updates": 32,
    "accuracy": {"start": 0.25, "final": 0.625, "best": 0.75, "best_iteration": 1},
    "tokens": {"trajectories": 5000, "rollouts": 40000, "evaluation": 200},
    "seconds": {"sample": 4.0, "credit": 5.0, "evaluate": 1.0},
    "seed": 7,
}


def step(text: str, position: int, value: float | None, advantage: float, rewards: tuple[float, ...]) -> dict:
    rollouts = [{"text": f"{text} retold {i}", "reward": reward} for i, reward in enumerate(rewards)]
    place = {"text": text, "position": position, "tokens": len(text), "advantage": advantage}
    return {**place, "value": value, "standard_error": None if value is None else 0.25, "rollouts": rollouts}


def trajectory(iteration: int, question: str, steps: list[dict], reward: float = 1.0) -> dict:
    return {
        "iteration": iteration,
        "question": question,
        "prompt": "5*7+4=?\n",
        "response": "".join(step["text"] for step in steps),
        "answer": "39",
        "reward": reward,
        "outcome": "correct" if reward else "wrong",
        "finish": "terminated",
        "steps": steps,
    }


def write_lines(path: Path, objects: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in objects))


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A finished run of two iterations, with one hostile response."""
    run = tmp_path / "my run"
    right = [step("5*7=35\n", 0, 0.5, 0.25, (0.0, 1.0, 1.0, 0.0)), step("35+4=39\n####39", 7, 0.75, 0.25, (1.0,))]
    wrong = [step("5*7=30\n", 0, 0.5, -0.5, (1.0, 0.0)), step(HOSTILE, 7, 0.0, 0.0, ())]
    write_lines(run / "metrics.jsonl", METRICS)
    write_lines(run / "trajectories/000001.jsonl", [trajectory(1, "train-1", right)])
    write_lines(
        run / "trajectories/000002.jsonl", [trajectory(2, "train-5", right), trajectory(2, HOSTILE, wrong, 0.0)]
    )
    (run / "config.yaml").write_text("task:\n  name: arithmetic\ncredit:\n  name: vine\n  rollouts: 9\n")
    (run / "provenance.json").write_text(json.dumps({"version": "0.1.0", "python": "3.11.2 <&>", "command": HOSTILE}))
    (run / "summary.json").write_text(json.dumps(SUMMARY))
    return run


class Page(HTMLParser):
    """What a browser would make of the page: elements, texts by class, chart data."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.scripts: list[str] = []
        self._inside = ""
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag
        self.text += " " if tag in ("dt", "dd", "div") else ""
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside != "style":
            self.text += data

    @property
    def words(self) -> str:
        return " ".join(self.text.replace("\N{NARROW NO-BREAK SPACE}", " ").split())

    def chart(self, title: str) -> dict:
        found = [a["data-chart"] for _, a in self.elements if "data-chart" in a and a["aria-label"] == title]
        return json.loads(found[0] or "") if found else {}


# --- the page ----------------------------------------------------------------------------------------------------


def test_shows_the_numbers_of_the_files(run_dir: Path) -> None:
    page = Page(write_report(run_dir))
    assert "VinePPO on arithmetic" in page.words
    assert "mean reward of 9 rollouts" in page.words
    assert "25.0 % → 62.5 % best 75.0 % at iteration 1" in page.words
    assert "2 iterations, 32 updates, seed 7" in page.words
    assert "Tokens decoded 45.2 k" in page.words
    assert "Time 12.0 s" in page.words
    assert "1 update skipped because the mean probability ratio exceeded the guard." in page.words
    # 5000, 40000 and 200 of 45200; 4, 5 and 1 of 12 seconds, 2 unexplained
    for row in ("trajectories 5,000 11.1 %", "rollouts 40.0 k 88.5 %", "evaluation 200 0.4 %"):
        assert row in page.words
    for row in ("sample 4 s 33.3 %", "credit 5 s 41.7 %", "evaluate 1 s 8.3 %", "rest 2 s 16.7 %"):
        assert row in page.words
    assert "python 3.11.2 <&>" in page.words


def test_charts_hold_the_metrics(run_dir: Path) -> None:
    page = Page(write_report(run_dir))
    accuracy = page.chart("Test accuracy")
    assert accuracy["x"] == [0, 2]
    assert [text.replace("\u202f", " ") for text in accuracy["text"][0]] == ["25.0 % ± 2.0 %", "62.5 % ± 3.0 %"]
    assert page.chart("KL")["text"] == [["0.125", "0.25"]]
    tokens = page.chart("Tokens per iteration")
    assert tokens["x"] == [0, 1, 2]
    plain = [[text.replace("\u202f", " ") for text in layer] for layer in tokens["text"]]
    assert plain == [[NOTHING, "2,000", "3,000"], [NOTHING, NOTHING, "40.0 k"], ["100", NOTHING, "100"]]
    assert page.chart("Entropy") == {}, "a metric nobody measured has no data"
    assert page.words.count("not measured") >= 5


def test_credit_map_tints_steps_and_opens_on_the_largest_advantage(run_dir: Path) -> None:
    page = Page(write_report(run_dir))
    steps = [a for tag, a in page.elements if tag == "details" and (a.get("class") or "").startswith("step ")]
    # the scale is 0.5, the largest advantage shown: 0.25 is half of it
    assert [(a["class"], a["style"]) for a in steps] == [
        ("step plus", "--tint:50.0%"),
        ("step plus", "--tint:50.0%"),
        ("step minus", "--tint:100.0%"),
        ("step none", "--tint:0.0%"),
        ("step plus", "--tint:50.0%"),
        ("step plus", "--tint:50.0%"),
    ]
    assert [a["value"] for tag, a in page.elements if tag == "option" and "selected" in a] == ["latest-1"]
    assert "value before 0.50 standard error 0.25 value after 0.75 advantage +0.25 tokens 7 tokens" in page.words
    assert "The best and the worst of 4 rollouts from the state before this step:" in page.words
    assert "reward 1 5*7=35 retold 1" in page.words
    assert "reward 0 5*7=35 retold 0" in page.words
    assert "Iteration 2 (latest)" in page.words
    assert "Iteration 1 (first)" in page.words


def test_needs_nothing_but_itself(run_dir: Path) -> None:
    page = Page(write_report(run_dir))
    assert not re.search(r"https?:(?!//www\.w3\.org/(2000/svg|1999/xlink)\")|@import|url\(", page.source)
    for tag, attributes in page.elements:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base", "form"), tag
        assert not {"src", "href", "srcset", "action", "poster"} & attributes.keys(), (tag, attributes)


def test_model_output_stays_text(run_dir: Path) -> None:
    page = Page(write_report(run_dir))
    assert len(page.scripts) == 1, "only our own script"
    assert "</script><script>alert(1)</script>" in page.text
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    for hidden in "\x00\u202e\u2066\ud800":
        assert hidden not in page.source
    assert "\u2400\u27e8U+202E\u27e9gnorw\u27e8U+2066\u27e9 \U0001f347 \ufffd" in page.text
    policies = [a["content"] or "" for tag, a in page.elements if tag == "meta" and "http-equiv" in a]
    assert "default-src 'none'" in policies[0]
    assert f"script-src '{content_hash(page.scripts[0])}'" in policies[0]
    assert "unsafe-inline" not in policies[0].split("script-src")[1]


@pytest.mark.parametrize("name", ["summary.json", "metrics.jsonl", "config.yaml", "provenance.json", "trajectories"])
@pytest.mark.parametrize("how", ["missing", "empty"])
def test_tolerates_what_is_not_there(run_dir: Path, name: str, how: str) -> None:
    path = run_dir / name
    is_folder = path.is_dir()
    shutil.rmtree(path) if is_folder else path.unlink()
    if how == "empty":
        path.mkdir() if is_folder else path.touch()
    assert "Where the credit went" in Page(write_report(run_dir)).words


def test_an_empty_run_measured_nothing(tmp_path: Path) -> None:
    words = Page(write_report(tmp_path)).words
    assert "A training run" in words
    assert "Test accuracy not measured" in words
    assert "no trajectories were logged" in words


def test_a_run_in_progress_is_read_from_its_metrics(run_dir: Path) -> None:
    (run_dir / "summary.json").unlink()
    (run_dir / "config.yaml").write_text("credit: {name: vine}\ntraining: {iterations: 10}\n")
    with (run_dir / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"iteration": 3, "kl": float("nan")}) + "\n" + '{"iteration": 4, "rew')
    words = Page(write_report(run_dir)).words
    assert "not finished: 3 of 10 iterations" in words
    assert "start to latest 25.0 % → 62.5 % best 62.5 % at iteration 2" in words
    assert "Tokens decoded 45.2 k" in words
    assert "1 metric value not finite: left out of the curves." in words


def test_a_resumed_run_counts_an_iteration_once(run_dir: Path) -> None:
    with (run_dir / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"iteration": 2, "reward": 0.75}) + "\n")
    assert read_run(run_dir).column("reward") == [(1, 0.25), (2, 0.75)]


def test_methods_without_values_show_none(run_dir: Path) -> None:
    shutil.rmtree(run_dir / "trajectories")
    steps = [step("5*7=35\n35+4=39\n####39", 0, None, 1.5, ())]
    write_lines(run_dir / "trajectories/000002.jsonl", [trajectory(2, "train-5", steps)])
    page = Page(write_report(run_dir))
    assert "value before not measured standard error not measured value after 1.00 exactly" in page.words
    assert "advantage +1.50" in page.words
    assert any("valueless" in (a.get("class") or "") for _, a in page.elements)
    assert "(first)" not in page.words, "there is only one logged iteration"


def test_intervals_are_shown_and_what_may_be_noise_is_marked(run_dir: Path) -> None:
    shutil.rmtree(run_dir / "trajectories")
    clear = step("5*7=35\n", 0, 0.25, 0.5, (1.0, 0.0)) | {"interval": (0.1, 0.5), "advantage_interval": (0.2, 0.7)}
    noise = step("35+4=39\n", 7, 0.75, 0.25, ()) | {"interval": (0.6, 0.9), "advantage_interval": (-0.1, 0.4)}
    clear |= {"num_rollouts": 8}
    write_lines(run_dir / "trajectories/000002.jsonl", [trajectory(2, "train-5", [clear, noise])])
    page = Page(write_report(run_dir))
    assert "value before 0.25 0.10 to 0.50" in page.words
    assert "value after 0.75 0.60 to 0.90 advantage +0.50 +0.20 to +0.70" in page.words
    assert "value after 1.00 exactly" in page.words
    assert "The best and the worst of 8 rollouts from the state before this step:" in page.words
    assert "Bold: the 95 % interval of the change of value excludes 0" in page.words
    steps = [a["class"] for tag, a in page.elements if tag == "details" and (a.get("class") or "").startswith("step ")]
    assert steps == ["step plus clear", "step plus noise"]


def test_another_recipe_is_called_by_its_name(run_dir: Path) -> None:
    (run_dir / "config.yaml").write_text("recipe: {name: rest_em}\ntask: {name: arithmetic}\ncredit: {name: vine}\n")
    words = Page(write_report(run_dir)).words
    assert "RestEM" in words
    assert "VinePPO" not in words
    assert "The starting policy is finetuned on accepted responses" in words


def test_what_the_curriculum_found_and_cost_is_shown_where_there_is_something(run_dir: Path) -> None:
    assert "Teaches nothing" not in Page(write_report(run_dir)).words
    tried = {"iteration": 3, "curriculum/teaches_nothing": 0.75, "tokens/curriculum": 9000, "time/curriculum": 3.0}
    with (run_dir / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(tried) + "\n")
    (run_dir / "summary.json").unlink()
    words = Page(write_report(run_dir)).words
    assert "Teaches nothing" in words
    assert "curriculum 9,000 16.6 %" in words


def test_rewards_outside_0_to_1_are_no_percentages(run_dir: Path) -> None:
    lines = [{**line, "reward": -2.5} if "reward" in line else line for line in METRICS]
    write_lines(run_dir / "metrics.jsonl", lines)
    page = Page(write_report(run_dir))
    assert page.chart("Training reward")["text"] == [[f"{MINUS}2.5", f"{MINUS}2.5"]]
    assert "0.25 → 0.625" in page.words


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("metrics.jsonl", "{oops}\n", r"metrics\.jsonl, line 1 is not JSON"),
        ("metrics.jsonl", '{"reward": 1}\n', r"metrics\.jsonl, line 1 has no iteration"),
        ("summary.json", "[1]", r"summary\.json holds a JSON list, expected an object"),
        ("config.yaml", "a: [", r"config\.yaml is not YAML"),
        ("trajectories/000003.jsonl", '{"iteration": 3}\n', r"000003\.jsonl, line 1: question: Field required"),
    ],
)
def test_broken_files_are_named(run_dir: Path, name: str, content: str, complaint: str) -> None:
    (run_dir / name).write_text(content)
    with pytest.raises(UserError, match=complaint):
        write_report(run_dir)


def test_no_such_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no run directory"):
        write_report(tmp_path / "nowhere")


def test_the_old_report_stays_until_the_new_one_is_whole(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = run_dir / "report.html"
    path.write_text("old")
    seen = []

    def replace(source: Path, target: Path) -> None:
        seen.append((path.read_text(), Path(source).read_text(encoding="utf-8").endswith("</html>"), source.parent))
        Path(source).rename(target)

    monkeypatch.setattr(os, "replace", replace)
    assert write_report(run_dir) == path
    assert seen == [("old", True, run_dir)]
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert not list(run_dir.glob("*.tmp")) + list(run_dir.glob(".*.tmp"))


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium on the PATH to load the page in")
def test_runs_in_a_browser_without_errors(run_dir: Path, tmp_path: Path) -> None:
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    flags += " --disable-component-update --disable-sync --enable-logging=stderr --dump-dom --virtual-time-budget=2000"
    command = ["chromium", *flags.split(), f"--user-data-dir={tmp_path / 'profile'}", write_report(run_dir).as_uri()]
    loaded = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "CONSOLE" not in loaded.stderr
    assert 'data-ready="yes"' in loaded.stdout, "the script ran to its end"
    assert len(re.findall(r'<article class="card[^>]* hidden=""', loaded.stdout)) == 2, "one of three cards is shown"


# --- pieces ------------------------------------------------------------------------------------------------------


def test_examples_are_the_best_and_the_worst() -> None:
    rollouts = [LoggedRollout(text=str(i), reward=reward) for i, reward in enumerate((0.5, 1.0, 0.0, 1.0))]
    assert [rollout.text for rollout in pick_examples(rollouts)] == ["1", "2"]
    assert [rollout.text for rollout in pick_examples([rollouts[1]] * 3)] == ["1", "1"]
    assert pick_examples(rollouts[:1]) == tuple(rollouts[:1])


def test_tint_is_in_proportion() -> None:
    assert [tint(a, 0.5) for a in (-0.5, 0.125, 0.0, 2.0, float("nan"))] == [100.0, 25.0, 0.0, 100.0, 0.0]


def test_words_for_numbers() -> None:
    plain = [text.replace("\u202f", " ") for text in (count(9876), count(12_345), count(12_345_678), count(999_990))]
    assert plain == ["9,876", "12.3 k", "12.3 M", "1 M"]
    assert [duration(s).replace("\u202f", " ") for s in (0.25, 42.13, 59.96, 750, 3599.7, 11_100)] == [
        "0.25 s",
        "42.1 s",
        "1 min 00 s",
        "12 min 30 s",
        "1 h 00 min",
        "3 h 05 min",
    ]
    assert [signed(a) for a in (0.5, -0.5, 0.001, -0.001)] == ["+0.50", f"{MINUS}0.50", "0.00", "0.00"]
    assert [quantity(x, "number") for x in (None, float("inf"), -0.01234)] == [
        "not measured",
        "not finite",
        f"{MINUS}0.0123",
    ]


def test_visible_keeps_ordinary_text() -> None:
    assert visible("a\tb\nç 漢 \U0001f468\u200d\U0001f469") == "a\tb\nç 漢 \U0001f468\u200d\U0001f469"
    assert visible("\x1b[31m\r\x7f\x85") == "\u241b[31m\u240d\u2421\u27e8U+0085\u27e9"
