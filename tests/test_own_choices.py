"""A credit method and a task in one file each outside `src/`, as a user has them, at every door of the house.

The files are those of `examples/`, which docs/own.md and CONTRIBUTING.md show.
"""

import json
from pathlib import Path

import pytest
import yaml

from vineppo import cli
from vineppo.config.estimate import estimate
from vineppo.config.load import dump_config, load_config
from vineppo.errors import UserError

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
CREDIT, TASK = "own_credit.py:MeasuredBaseline", "own_sums.py:Sums"
SMALL = [
    f"task={TASK}",
    f"credit={CREDIT}",
    "credit.rollouts=3",
    "policy.device=cpu",
    "sampling.max_new_tokens=12",
    "sampling.temperature=1.0",
    "training.iterations=1",
    "training.questions=2",
    "training.trajectories=2",
    "learner.minibatch=4",
    "learner.epochs=1",
    "evaluation.questions=2",
    "evaluation.every=0",
]


@pytest.fixture(autouse=True)
def own_files(tmp_path, monkeypatch):
    for name in ("own_credit.py", "own_sums.py"):
        (tmp_path / name).write_text((EXAMPLES / name).read_text())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_its_settings_are_checked_written_and_read_back():
    config = load_config(None, SMALL)
    assert (config.credit.name, dict(config.credit)["rollouts"]) == (CREDIT, 3)
    assert yaml.safe_load(dump_config(config))["task"] == {"name": TASK, "truncated": None, "below": 50}
    Path("again.yaml").write_text(dump_config(config))
    assert load_config("again.yaml") == config
    with pytest.raises(UserError, match=r"key credit\.rolouts .* is unknown; .* did you mean rollouts"):
        load_config(None, [*SMALL, "credit.rolouts=1"])
    with pytest.raises(UserError, match=r"task\.below is 5, but must be a whole number >= 20"):
        load_config(None, [*SMALL, "task.below=5"])


def test_a_file_may_have_settings_for_it_under_variants():
    Path("mine.yaml").write_text(f"variants: {{credit: {{'{CREDIT}': {{rollouts: 7}}}}}}")
    assert dict(load_config("mine.yaml", [f"credit={CREDIT}"]).credit)["rollouts"] == 7
    assert load_config("mine.yaml").credit.name == "tree"


def test_a_dry_run_knows_what_it_decodes(capsys):
    assert cli.main(["train", *SMALL, "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert f"name: {CREDIT}" in shown
    # 4 trajectories, 3 rollouts each, all of them as long as half of the limit of 12
    assert estimate(load_config(None, SMALL)).rollouts.tokens == 4 * 3 * 6
    assert "memory of one process" in shown


def test_it_trains_is_recorded_and_goes_on_only_with_the_same_code(capsys):
    assert cli.main(["train", *SMALL, "run.dir=run"]) == 0
    lines = [json.loads(line) for line in Path("run/metrics.jsonl").read_text().splitlines()]
    assert lines[1]["tokens/rollouts"] > 0
    assert f"credit {CREDIT}" in json.loads(Path("run/provenance.json").read_text())
    more = ["train", *SMALL, "run.dir=run", "training.iterations=2", "learner.schedule=linear", "--resume"]
    assert cli.main(more) == 0
    assert len(Path("run/metrics.jsonl").read_text().splitlines()) == 3

    Path("own_credit.py").write_text(Path("own_credit.py").read_text() + "\nCHANGED = True\n")
    capsys.readouterr()
    assert cli.main([*more, "training.iterations=3"]) == 2
    assert f"code of credit {CREDIT}" in capsys.readouterr().err


def test_analyze_examines_the_runs_own_credit(capsys):
    words = ["analysis.questions=3", "analysis.trajectories=2", "analysis.states=4", "analysis.truth_rollouts=4"]
    words += ["analysis.choices=2", "analysis.draws=4", "analysis.gradient_questions=4"]
    sources = ["--source", f"{CREDIT}:2", "--source", "group"]
    assert cli.main(["analyze", *SMALL, *words, "--out", "out", *sources]) == 0
    text = Path("out/analysis.json").read_text()
    assert f'"{CREDIT}:2"' in text


def test_doctor_tries_its_judge(capsys):
    assert cli.main(["doctor", *SMALL]) == 0
    assert "64 gold answers accepted" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("own_credit.py:Measured", "own_credit.py has no Measured; did you mean MeasuredBaseline"),
        ("own_sums.py:Sums", r"is Sums, which is no vineppo.credit.settings.CreditSettings"),
        ("none.py:Credit", "none.py is no file; write a class of yours as FILE.py:CLASS"),
        ("no_such_module:Credit", "there is no module no_such_module to import"),
        (":Credit", "names no file and class"),
        ("broken.py:Credit", r"broken.py cannot be run \(ZeroDivisionError: division by zero\); correct it"),
        ("bare.py:Bare", "every setting needs a default"),
    ],
)
def test_what_cannot_be_found_or_used_is_refused(spec, message):
    Path("broken.py").write_text("1 / 0\n")
    bare = "from vineppo.credit.settings import CreditSettings\n\n\nclass Bare(CreditSettings):\n    amount_of: int\n"
    Path("bare.py").write_text(bare)
    with pytest.raises(UserError, match=message):
        load_config(None, [f"credit={spec}"])
