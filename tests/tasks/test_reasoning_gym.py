from dataclasses import replace
from importlib.util import find_spec

import pytest

from vineppo.errors import UserError
from vineppo.tasks.build import build_task
from vineppo.tasks.judge import reasoning_gym_worker
from vineppo.tasks.reasoning_gym import ReasoningGymTask, read_answer, to_judgement
from vineppo.types import Judgement, Outcome

# Not importorskip: every worker collects this file, and one runs it.
pytestmark = pytest.mark.skipif(
    find_spec("reasoning_gym") is None, reason="the extra vineppo[reasoning-gym] is not installed"
)

MIX = [
    {"name": "countdown", "weight": 3.0, "settings": {"max_numbers": 4}},
    {"name": "leg_counting"},
    {"name": "simple_equations"},
]


def build(**settings):
    base = {"generators": MIX, "train_questions": 60, "test_questions": 20}
    return build_task(ReasoningGymTask(**{**base, **settings}))


@pytest.fixture(scope="module")
def task():
    return build()


def test_the_same_seed_gives_the_same_questions(task):
    assert build().questions("train") == task.questions("train")
    assert build(seed=1).questions("train") != task.questions("train")


def test_train_and_test_are_disjoint(task):
    train, test = ({question.prompt for question in task.questions(split)} for split in ("train", "test"))
    assert len(task.questions("train")) == 60
    assert len(task.questions("test")) == 20
    assert not train & test


def test_generators_are_mixed_by_weight(task):
    drawn = [question.columns["generator"] for question in task.questions("train")]
    assert set(drawn) == {0, 1, 2}
    assert drawn.count(0) > max(drawn.count(1), drawn.count(2))


def test_gold_answers_are_correct_and_others_are_not(task):
    questions = task.questions("test")
    right = task.judge(questions, [f"So <answer>{question.answer}</answer>" for question in questions])
    assert [judgement.outcome for judgement in right] == [Outcome.CORRECT] * len(questions)
    wrong = task.judge(questions, ["<answer>-1</answer>"] * len(questions))
    assert all(judgement.reward < 0.5 for judgement in wrong)
    none = task.judge(questions, [question.answer for question in questions])
    assert {judgement.outcome for judgement in none} == {Outcome.UNPARSEABLE}


def test_a_bomb_costs_its_own_verdict_only():
    task = build(generators=[{"name": "countdown"}], judge={"seconds": 1.5})
    questions = task.questions("test")[:3]
    answers = [questions[0].answer, "9**9**9**9**9", questions[2].answer]
    judgements = task.judge(questions, [f"<answer>{answer}</answer>" for answer in answers])
    assert [judgement.reward for judgement in judgements] == [1.0, pytest.approx(0, abs=0.1), 1.0]


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("<answer>5</answer>", "5"),
        ("<answer>4</answer> no <answer> 5\n</answer> done", "5"),
        ("5", None),
        ("<answer>5", None),
        ("5</answer>", None),
        (r"<answer>\boxed{5}</answer>", "5"),
        (r"<answer> $\boxed{\frac{1}{2}}$ </answer>", r"\frac{1}{2}"),
        (r"<answer>\boxed{1} or \boxed{2}</answer>", r"\boxed{1} or \boxed{2}"),
        (r"<answer>so \boxed{5}</answer>", r"so \boxed{5}"),
        (r"<answer>\boxed{5</answer>", r"\boxed{5"),
        (r"<answer>\boxed{}</answer>", r"\boxed{}"),
        ("<answer> </answer>", None),
        ("<answer>" + "1" * 100_000 + "</answer>", None),
    ],
)
def test_the_last_answer_is_read(response, answer):
    assert read_answer(response) == answer


@pytest.mark.parametrize(
    ("score", "outcome"),
    [(1.0, Outcome.CORRECT), (0.01, Outcome.SCORED), (0.0, Outcome.WRONG), (None, Outcome.TIMEOUT)],
)
def test_a_score_is_an_outcome(score, outcome):
    assert to_judgement(score) == Judgement(reward=score or 0.0, outcome=outcome)


def test_a_box_within_the_tags_costs_nothing(task):
    questions = task.questions("test")
    judged = task.judge(questions, [rf"<answer>\boxed{{{question.answer}}}</answer>" for question in questions])
    assert {judgement.reward for judgement in judged} == {1.0}


class Scorer:
    def __init__(self, score: object):
        self._score = score

    def score_answer(self, answer: str, entry: dict[str, object]) -> object:
        if isinstance(self._score, Exception):
            raise self._score
        return self._score


@pytest.mark.parametrize(
    ("score", "reply"),
    [
        (0.25, 0.25),
        (float("nan"), "odd: a score of nan"),
        (float("inf"), "odd: a score of inf"),
        (None, "odd: TypeError: "),
        (KeyError("answer"), "odd: KeyError: 'answer'"),
        (RecursionError("too deep"), "odd: RecursionError: too deep"),
    ],
)
def test_a_scorer_that_gives_no_number_says_why(monkeypatch: pytest.MonkeyPatch, score: object, reply: object):
    monkeypatch.setattr(reasoning_gym_worker, "make_generator", lambda name, settings: Scorer(score))
    said = reasoning_gym_worker.score(("odd", {}, {}, "5"))
    assert said == reply or str(said).startswith(str(reply))
    judged = to_judgement(said)
    assert judged.reward == (score if reply == 0.25 else 0.0)
    assert judged.outcome is (Outcome.SCORED if reply == 0.25 else Outcome.FAILED)
    assert dict(judged.told) == ({} if reply == 0.25 else {"failure": said})


def test_a_scorer_that_raises_costs_its_own_verdict_only_and_the_reason_is_told(task):
    good, *others = task.questions("test")
    broken = next(question for question in others if question.columns["generator"] == 1)
    entry = {key: value for key, value in broken.columns["entry"].items() if key == "question"}
    spoilt = replace(broken, columns={**broken.columns, "entry": entry})
    first, second = task.judge([good, spoilt], [f"<answer>{good.answer}</answer>", "<answer>5</answer>"])
    assert first.reward == 1.0
    assert (second.reward, second.outcome) == (0.0, Outcome.FAILED)
    assert "KeyError" in str(second.told["failure"])


@pytest.mark.parametrize(
    ("generators", "message"),
    [
        ([{"name": "leg_countin"}], "no generator 'leg_countin'; did you mean leg_counting?"),
        ([{"name": "leg_counting", "settings": {"legs": 4}}], r"does not take settings \{'legs': 4\} .*; correct"),
        ([{"name": "leg_counting", "settings": {"min_animals": 0}}], "does not take settings"),
    ],
)
def test_generators_that_cannot_work_are_refused(generators, message):
    with pytest.raises(UserError, match=rf"task\.generators: .*{message}"):
        build(generators=generators)


def test_too_few_distinct_questions_are_refused():
    narrow = [{"name": "leg_counting", "settings": {"min_animals": 1, "max_animals": 1, "max_instances": 2}}]
    with pytest.raises(UserError, match=r"gave only \d+ questions that are not in the test split; lower"):
        build(generators=narrow, train_questions=10, test_questions=500)
