"""InT: what is asked and read, which interventions count, files for people, and runs that go on to the bit."""

import json
import shutil
from pathlib import Path

import pytest
from small_runs import QUICK, metrics_of, without_time

from vineppo import Trainer, load_config
from vineppo.advisers.settings import Answer
from vineppo.errors import UserError
from vineppo.processes import ALONE
from vineppo.recipes.interventions import first_valid
from vineppo.recipes.proposals import Proposal, largest_drop, leaks, like, propose_messages, read_proposal
from vineppo.recipes.stage_files import part_of
from vineppo.types import Question

ROOT = Path(__file__).resolve().parents[2]
QUESTION = Question(id="q", prompt="12*7+5=?", answer="39")
STEPS = ["12*7=35\n", "35+5=40\n", "####40"]


def tags(location: object, content: str) -> str:
    return f"Let me see.\n<location>{location}</location>\n<intervention>{content}</intervention>\n"


# --- words -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (tags(1, " 12*7=34\n"), Proposal(location=0, content="12*7=34")),
        (tags(9, "no") + tags(2, "a\nb"), Proposal(location=1, content="a\nb")),
        (tags(4, "12*7=34"), None),  # there are three
        (tags(0, "12*7=34"), None),
        (tags(1, "  "), None),
        (tags("one", "12*7=34"), None),
        ("<location>1</location>", None),
        ("", None),
    ],
)
def test_what_a_proposal_says(text: str, found: Proposal | None):
    assert read_proposal(text, num_steps=3) == found


def test_the_first_proposal_that_keeps_the_answer_to_itself_is_taken():
    answers = [Answer(text=text, tokens=1) for text in ("?", tags(1, "so 39"), tags(2, "a"), tags(1, "b"))]
    assert first_valid(answers, QUESTION, 3, None) == Proposal(location=1, content="a")
    assert first_valid(answers, QUESTION, 3, 0) == Proposal(location=0, content="b"), "where values say it goes wrong"
    assert first_valid(answers[:2], QUESTION, 3, None) is None
    assert leaks("it is 39.", "39")
    assert not leaks("it is 3 9.", "39")
    assert not leaks("anything", "")


def test_two_turns_or_one_both_show_problem_reference_and_steps():
    [only] = propose_messages(QUESTION, "12*7=34, +5", STEPS, solved=None, location=None)
    first, solved, second = propose_messages(QUESTION, "12*7=34, +5", STEPS, solved="So it is.", location=1)
    assert [m.role for m in (first, solved, second)] == ["user", "assistant", "user"]
    for text in (only.content, first.content):
        assert "12*7+5=?" in text
        assert "12*7=34, +5" in text
    for text in (only.content, second.content):
        assert "<step 2>\n35+5=40\n</step 2>" in text
    assert "first critical error" in only.content
    assert "goes wrong at step 2" in second.content
    assert solved.content == "So it is."


def test_an_intervention_ends_as_the_step_it_replaces():
    assert like("12*7=35\n", "12*7=34") == "12*7=34\n"
    assert like("So.\n\n", "Then.") == "Then.\n\n"
    assert like("####40", "34+5=39") == "34+5=39\n"


def test_the_step_that_loses_most_for_sure():
    # steps 0 and 2 lose; step 2 loses more, but not two of its standard errors
    assert largest_drop([-0.3, 0.1, -0.4], [0.1, 0.1, 0.25], significant=2) == 0
    assert largest_drop([-0.3, 0.1, -0.4], [0.1, 0.1, 0.15], significant=2) == 2
    assert largest_drop([-0.3, 0.1], [0.2, 0.0], significant=2) is None
    assert largest_drop([0.0, -0.5], None, significant=2) == 1


# --- files -----------------------------------------------------------------------------------------------------------


def test_a_part_is_made_once_and_read_back_as_it_was(tmp_path: Path):
    rows = [{"a": 0.1, "b": [1, 2]}, {"a": None, "b": []}]
    assert part_of(tmp_path / "x", 1, ALONE, lambda: rows) == rows
    assert part_of(tmp_path / "x", 1, ALONE, lambda: pytest.fail("made again")) == rows
    (tmp_path / "x/000001.jsonl").write_text("{half")
    with pytest.raises(UserError, match=r"000001.jsonl cannot be read .* delete it, and it is made again"):
        part_of(tmp_path / "x", 1, ALONE, lambda: rows)


# --- whole runs ------------------------------------------------------------------------------------------------------

INT = [
    *QUICK,
    "recipe={name: int, questions: 16, attempts: 2, continuations: 4, epochs: 2, minibatch: 4, learning_rate: 1.0e-4}",
    "recipe.adviser.name=function",
    f"recipe.adviser.function={ROOT / 'examples/arithmetic_adviser.py'}:intervene",
    "learner={learning_rate: 1.0e-4, minibatch: 8}",
    "training.iterations=2",
    "evaluation.every=0",
    "credit=rloo",
]


def train(run: Path, *overrides: str, resume: bool = False) -> list[dict[str, float]]:
    Trainer(load_config(None, [*INT, f"run.dir={run}", *overrides]), resume=resume).train()
    return metrics_of(run)


def rows_of(run: Path, stage: str) -> list[dict]:
    return [json.loads(line) for line in (run / f"interventions/{stage}/000001.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("int") / "run"
    train(run)
    return run


def test_the_stages_hold_what_they_say(finished: Path):
    attempts, proposals, verified = (rows_of(finished, stage) for stage in ("attempts", "proposals", "verified"))
    assert len(attempts) == 32
    wrong = [place for place, row in enumerate(attempts) if row["reward"] < 1]
    assert [row["attempt"] for row in proposals] == wrong
    proposed = {row["attempt"]: row for row in proposals if row["location"] is not None}
    assert verified
    for row in verified:
        attempt, proposal = attempts[row["attempt"]], proposed[row["attempt"]]
        at = attempt["bounds"][row["location"] - 1]
        assert row["response_ids"][:at] == attempt["response_ids"][:at], "tokens before it are the attempt's own"
        before = "".join(proposal["steps"][: row["location"] - 1])
        assert row["response"] == f"{before}{proposal['intervention']}\n"
        assert 0 <= row["successes"] <= row["continuations"] == 4
    first, second = metrics_of(finished)[1:]
    kept = sum(row["successes"] > 0 for row in verified)
    assert (first["int/wrong"], first["int/proposed"], first["int/verified"]) == (len(wrong), len(proposed), kept)
    assert first["updates_made"] == 2 * -(-kept // 4)
    assert first["tokens/rollouts"] == sum(row["rollout_tokens"] for row in verified)
    assert "loss/likelihood" in first
    assert "loss/policy" in second


def test_a_run_goes_on_to_the_bit_from_any_stage(finished: Path, tmp_path: Path):
    """As if it had been killed before it verified: attempts and proposals are there, and not made again."""
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    for name in ("checkpoints", "policy", "trajectories", "interventions/verified"):
        shutil.rmtree(run / name)
    (run / "summary.json").unlink()
    whole = without_time(metrics_of(finished))
    (run / "metrics.jsonl").write_text(json.dumps(metrics_of(finished)[0]) + "\n")
    marked = rows_of(run, "attempts")
    assert without_time(train(run, resume=True)) == whole
    assert rows_of(run, "attempts") == marked
    assert rows_of(run, "verified") == rows_of(finished, "verified")
    assert (run / "policy/model.safetensors").read_bytes() == (finished / "policy/model.safetensors").read_bytes()


def test_values_point_at_a_step_beside_the_adviser(tmp_path: Path):
    short = ["policy.path=bundled:arithmetic_mixed", "task.operations=3", "recipe.questions=8"]
    both = ["recipe.localiser=both", "credit={name: vine, rollouts: 24}", "training.iterations=1"]
    [_, line] = train(tmp_path / "run", *short, *both)
    rows = [row for row in rows_of(tmp_path / "run", "proposals") if row["location"] and row["location_by_values"]]
    agree = [row["location"] == row["location_by_values"] for row in rows]
    assert rows
    assert line["int/localisers_agree"] == pytest.approx(sum(agree) / len(agree))
    assert sum(agree) > len(agree) / 2, "where a program finds the mistake, the value drops"


def test_values_need_a_credit_that_measures_them(tmp_path: Path):
    with pytest.raises(UserError, match=r"recipe.localiser is values, but credit=rloo measures no values"):
        train(tmp_path / "run", "recipe.localiser=values")
    assert not (tmp_path / "run").exists()
