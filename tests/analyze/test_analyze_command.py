"""`vineppo analyze` from end to end on the bundled policy, and its complaints."""

import csv
import json
from pathlib import Path

import pytest

from browser import browser, needs_browser
from vineppo import Trainer, load_config
from vineppo.analysis.records import Analysis
from vineppo.cli import main
from vineppo.recipes import analyze as analyze_module

TASK = "task={name: arithmetic, operations: 3, train_questions: 60, test_questions: 20}"
TRAINING = [
    TASK,
    "sampling={temperature: 1.0, top_p: 1.0, max_new_tokens: 32}",
    "training={iterations: 2, questions: 4, trajectories: 2}",
    "learner={learning_rate: 1.0e-3, minibatch: 8, micro_batch: 8}",
    "evaluation={every: 0, questions: 2}",
    "policy.path=bundled:arithmetic_mixed",
]
TINY = [
    "analysis.questions=4",
    "analysis.trajectories=2",
    "analysis.states=12",
    "analysis.truth_rollouts=8",
    "analysis.choices=4",
    "analysis.draws=6",
    "analysis.distinct=2",
    "analysis.gradient_questions=8",
]
SOURCES = ["critic", "vine:1", "vine:3", "group", "constant"]


@pytest.fixture(scope="module")
def ppo_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "ppo"
    Trainer(
        load_config(None, [*TRAINING, "credit={name: ppo, critic_learning_rate: 1.0e-3}", f"run.dir={run}"])
    ).train()
    return run


@pytest.fixture(scope="module")
def analysed(ppo_run: Path) -> Path:
    options = [word for source in SOURCES for word in ("--source", source)]
    assert main(["analyze", str(ppo_run), *TINY, *options]) == 0
    return ppo_run / "analysis" / "000002"


def read(folder: Path) -> Analysis:
    return Analysis.model_validate_json((folder / "analysis.json").read_text())


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["analyze", *arguments]) == 2
    captured = capsys.readouterr().err
    assert captured.count("\n") == 1
    return captured


# --- results -----------------------------------------------------------------------------------------------------


def test_a_ppo_run_gets_its_report_card(analysed: Path):
    analysis = read(analysed)
    assert [source.name for source in analysis.sources] == SOURCES
    assert (analysis.subject.iteration, analysis.subject.credit, analysis.subject.task) == (2, "ppo", "arithmetic")
    assert (analysis.subject.questions, analysis.subject.trajectories) == (4, 8)
    assert len(analysis.states) >= 12
    assert analysis.truth.states >= len(analysis.states)
    assert analysis.truth.rollouts == 8
    assert analysis.gradient is not None
    assert (analysis.gradient.reference_questions, analysis.gradient.reference_trajectories) == (8, 16)
    for source in analysis.sources:
        assert len(source.values) == len(analysis.states)
        assert source.steps is not None
        assert source.gradient is not None
        assert source.gradient.cosine is not None
        assert -1 <= source.gradient.cosine <= 1
    costs = {source.name: source.cost.rollouts for source in analysis.sources}
    assert costs["vine:3"] == 3 * costs["vine:1"] > 0
    assert costs["critic"] == costs["group"] == costs["constant"] == 0
    critic, constant = analysis.sources[0], analysis.sources[-1]
    assert len(set(critic.values)) > 1, "a network's values differ from state to state"
    assert len(set(constant.values)) == 1
    assert constant.values[0] == pytest.approx(analysis.subject.mean_reward)


def test_points_are_there_for_other_programs(analysed: Path):
    analysis = read(analysed)
    with (analysed / "values.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["truth"]) for row in rows] == [state.truth for state in analysis.states]
    assert [float(row["critic"]) for row in rows] == list(analysis.sources[0].values)
    with (analysed / "next_steps.csv").open(newline="") as file:
        steps = list(csv.DictReader(file))
    assert len(steps) == sum(len(choice.steps) for choice in analysis.choices)
    assert {row["group"] for row in steps} <= {""}
    assert [row["step"] for row in steps] == [text for choice in analysis.choices for text in choice.steps]


def test_the_same_again_takes_its_truth_from_the_disk(ppo_run: Path, analysed: Path, tmp_path: Path):
    truth = str(analysed.parent / "truth.sqlite3")
    words = [*TINY, "--source", "vine:1", "--source", "critic", "--out", str(tmp_path), "--truth", truth]
    assert main(["analyze", str(ppo_run / "checkpoints" / "000002"), *words]) == 0
    before, after = read(analysed), read(tmp_path)
    assert after.truth.tokens == 0
    assert after.truth.states_from_cache == after.truth.states == before.truth.states
    assert after.states == before.states
    # sources do not depend on which others are there
    named = {source.name: source for source in before.sources}
    for source in after.sources:
        assert source.values == named[source.name].values
        assert source.next_values == named[source.name].next_values


def test_another_checkpoint_has_another_truth(ppo_run: Path, analysed: Path):
    words = [*TINY, "analysis.choices=0", "analysis.gradient_questions=0", "steps=whole", "--source", "group"]
    assert main(["analyze", str(ppo_run), "--checkpoint", "1", *words]) == 0
    first, second = read(ppo_run / "analysis" / "000001"), read(analysed)
    assert first.subject.policy_digest != second.subject.policy_digest
    assert first.truth.states_from_cache == 0
    assert (first.choices, first.search, first.gradient) == ((), None, None)
    # one step a response: there are roots, and no state where a later step begins
    assert first.sources[0].steps is None
    assert first.sources[0].roots is not None
    assert (ppo_run / "analysis" / "000001" / "analysis.html").exists()


def test_a_policy_folder_with_a_config(ppo_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = [
        *TRAINING[:2],
        *TINY,
        "analysis.states=4",
        "credit=vine",
        "credit.rollouts=2",
        "--out",
        str(tmp_path / "out"),
    ]
    assert main(["analyze", "--policy", str(ppo_run / "policy"), *words]) == 0
    analysis = read(tmp_path / "out")
    assert [source.name for source in analysis.sources] == [
        *("tree:0.1", "tree:0.3", "tree:1", "vine:1", "vine:2", "vine:3", "vine:9", "group", "grpo", "constant")
    ]
    assert analysis.reliability.configured == 2
    assert analysis.subject.iteration is None
    assert (tmp_path / "out" / "truth.sqlite3").exists()
    printed = capsys.readouterr().out
    for words_of_tables in ("Values of", "vine:9", "explained", "noise over", "Truth:"):
        assert words_of_tables in printed


@needs_browser
def test_the_page_opens_without_complaints(analysed: Path, tmp_path: Path):
    with browser(tmp_path / "profile") as tab:
        tab.open(analysed / "analysis.html", width=390, height=800, phone=True)
        assert tab.complaints == []
        assert tab.js("document.documentElement.scrollWidth <= innerWidth"), "nothing reaches past a phone's edge"
        assert tab.js("document.querySelectorAll('.card-table tbody tr').length") == len(SOURCES)
        assert tab.js("[...document.querySelectorAll('.canvas')].every((chart) => chart.ariaLabel.length > 20)")
        assert tab.js("document.querySelectorAll('.canvas[role=img] svg').length") >= len(SOURCES) + 4


# --- complaints --------------------------------------------------------------------------------------------------


def test_no_such_run(capsys: pytest.CaptureFixture[str]):
    assert "runs/nowhere is not there; name a run directory" in refused(capsys, "runs/nowhere")


def test_a_folder_without_a_run(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    assert "holds no run (no config.yaml)" in refused(capsys, str(tmp_path))


def test_a_policy_is_named_as_one(capsys: pytest.CaptureFixture[str], ppo_run: Path):
    line = refused(capsys, str(ppo_run / "policy"))
    assert f"--policy {ppo_run / 'policy'}" in line


def test_a_run_brings_its_own_policy(capsys: pytest.CaptureFixture[str], ppo_run: Path):
    for words in (["--policy", "bundled:arithmetic"], ["policy.path=bundled:arithmetic"]):
        assert "brings its own policy" in refused(capsys, str(ppo_run), *words)


def test_no_such_checkpoint(capsys: pytest.CaptureFixture[str], ppo_run: Path):
    assert "--checkpoint is 7" in (line := refused(capsys, str(ppo_run), "--checkpoint", "7"))
    assert "there are: 1, 2" in line
    assert "no run directory is named" in refused(capsys, "--checkpoint", "7")
    folder = str(ppo_run / "checkpoints" / "000002")
    assert "--checkpoint is 1" in refused(capsys, folder, "--checkpoint", "1")


def test_a_run_that_has_nothing_yet(capsys: pytest.CaptureFixture[str], ppo_run: Path, tmp_path: Path):
    (tmp_path / "config.yaml").write_text((ppo_run / "config.yaml").read_text())
    assert "neither a checkpoint nor a trained policy yet" in refused(capsys, str(tmp_path))


@pytest.mark.parametrize("word", ["vines:3", "vine:0", "vine:", "vine:x", "vine:-1", "critic:2", "group:2", "mean", ""])
def test_an_unknown_source(capsys: pytest.CaptureFixture[str], ppo_run: Path, word: str):
    line = refused(capsys, str(ppo_run), "--source", word)
    assert f"source {word!r} is unknown" in line
    assert "vine:ROLLOUTS" in line


def test_a_critic_that_is_not_there(
    capsys: pytest.CaptureFixture[str], ppo_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    words = [*TRAINING[:2], "--source", "critic"]
    assert "analyze a checkpoint of a run with credit=ppo" in refused(capsys, *words)
    # the config decides what the run's credit is
    assert "credit is vine" in refused(capsys, str(ppo_run), "credit=vine", "--source", "critic")
    # a policy folder has left its critic behind, whatever the config says
    line = refused(capsys, "--policy", str(ppo_run / "policy"), "credit=ppo", *words)
    assert "value network" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["analysis.distinct=6"], "analysis.distinct is 6"),
        (["analysis.sources=[]"], "analysis.sources is empty"),
        (["analysis.truth_rollouts=1"], "analysis.truth_rollouts is 1"),
        (["analysis.stats=3"], "did you mean states"),
    ],
)
def test_settings_that_cannot_work(
    capsys: pytest.CaptureFixture[str], ppo_run: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], complaint: str
):
    def loaded(*_: object, **__: object):
        raise AssertionError("the model was loaded first")

    monkeypatch.setattr(analyze_module, "load_policy", loaded)
    assert complaint in refused(capsys, str(ppo_run), *words)


def test_a_place_that_cannot_be_written(capsys: pytest.CaptureFixture[str], ppo_run: Path, tmp_path: Path):
    (tmp_path / "file").write_text("")
    line = refused(capsys, str(ppo_run), "--out", str(tmp_path / "file" / "out"))
    assert "--out DIR" in line


def test_an_analysis_says_its_version(analysed: Path):
    raw = json.loads((analysed / "analysis.json").read_text())
    assert raw["version"] == 1
    raw["version"] = 2
    with pytest.raises(ValueError, match="version"):
        Analysis.model_validate(raw)
