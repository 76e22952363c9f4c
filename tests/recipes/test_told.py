"""What a person is told of an evaluation, and of an iteration that hardly teaches."""

import pytest

from vineppo.config.load import load_config
from vineppo.doctor.endings import judge_answers
from vineppo.doctor.finding import Verdict
from vineppo.evaluating import told
from vineppo.recipes.evaluation import evaluated
from vineppo.recipes.warnings import silent
from vineppo.types import Finish, Judgement, Outcome, Question, Scored, Trajectory

CONFIG = load_config(None, ["task=gsm8k", "sampling.max_new_tokens=8"])
LIMIT = 8


def scored(reward: float, outcome: Outcome, *, number: int = 0, finish: Finish = Finish.TERMINATED) -> Scored:
    trajectory = Trajectory(
        question=Question(id=f"test-{number}", prompt="1+1=", answer="2"),
        prompt_ids=(1,),
        response_ids=(2, 3),
        logprobs=(0.0, 0.0),
        text="two",
        finish=finish,
        policy_version=0,
    )
    return Scored(trajectory=trajectory, judgement=Judgement(reward=reward, outcome=outcome), bounds=(0, 2))


def many(count: int, reward: float, outcome: Outcome, first: int = 0, **more: Finish) -> list[Scored]:
    return [scored(reward, outcome, number=first + i, **more) for i in range(count)]


def pairs(items: list[Scored]) -> list[tuple[Trajectory, Judgement]]:
    return [(item.trajectory, item.judgement) for item in items]


def test_nothing_right_of_a_hundred_is_no_certainty():
    """Of 0 in 100 the standard error is sqrt(0.5 / (101 * 102)) = 0.00697, which Wilson's interval of n trials has
    where sqrt(0.5 / ((n + 1) (n + 2))) is as much: n = 100, up to z^2 / (100 + z^2) = 3.70 %."""
    lines = told(evaluated(pairs(many(100, 0.0, Outcome.UNPARSEABLE)), str), CONFIG)
    assert lines[0] == "accuracy 0.00% (95 % interval 0.00% to 3.70%) on 100 questions, 100 responses"
    assert lines[1] == "outcomes 100 unparseable"
    assert "task.template" in lines[2]


def test_counts_of_outcomes_are_told():
    items = [*many(3, 1.0, Outcome.CORRECT), *many(5, 0.0, Outcome.WRONG, 3)]
    lines = told(evaluated(pairs(items), str), CONFIG)
    assert lines[0].startswith("accuracy 37.50% (95 % interval ")
    assert lines[1:] == ["outcomes 5 wrong, 3 correct"]


@pytest.mark.parametrize("outcomes", [(Outcome.SCORED, Outcome.SCORED), (Outcome.CORRECT, Outcome.WRONG)])
def test_a_mean_reward_is_no_accuracy(outcomes: tuple[Outcome, Outcome]):
    """5 and -3: a mean of 1, and not everything right."""
    items = [scored(5.0, outcomes[0], number=0), scored(-3.0, outcomes[1], number=1)]
    assert told(evaluated(pairs(items), str), CONFIG)[0].startswith("mean reward 1.0000 (95 % interval -")


@pytest.mark.parametrize(
    ("items", "words"),
    [
        (
            many(4, 0.0, Outcome.UNPARSEABLE),
            ("all rewards of this iteration are 0: 4 of 4", "'#### 42'", "task.template"),
        ),
        (many(4, 0.0, Outcome.WRONG), ("4 of 4 responses were read and are wrong", "curriculum=learnability")),
        (many(4, 1.0, Outcome.CORRECT), ("all rewards of this iteration are 1", "harder")),
        (
            [*many(3, 0.0, Outcome.UNPARSEABLE), scored(1.0, Outcome.CORRECT)],
            ("3 of 4 responses had no answer", "'#### 42'"),
        ),
        (
            [*many(3, 0.0, Outcome.TRUNCATED, finish=Finish.TRUNCATED), scored(1.0, Outcome.CORRECT)],
            ("3 of 4 responses were cut off at sampling.max_new_tokens 8",),
        ),
    ],
)
def test_an_iteration_that_hardly_teaches_is_told_once_with_a_setting(items: list[Scored], words: tuple[str, ...]):
    known: set[str] = set()
    (line,) = silent(items, CONFIG.task, limit=LIMIT, known=known)
    assert all(word in line for word in words), line
    assert silent(items, CONFIG.task, limit=LIMIT, known=known) == []


def test_an_iteration_that_teaches_is_not_spoken_of():
    items = [*many(3, 0.0, Outcome.WRONG), scored(1.0, Outcome.CORRECT)]
    assert silent(items, CONFIG.task, limit=LIMIT, known=set()) == []


def test_doctor_shows_a_response_and_what_the_judge_says_of_it():
    items = [*many(3, 0.0, Outcome.UNPARSEABLE), *many(1, 0.0, Outcome.TRUNCATED, finish=Finish.TRUNCATED)]
    finding = judge_answers(*zip(*pairs(items), strict=True), CONFIG.task, limit=LIMIT)  # pyright: ignore
    assert finding.verdict is Verdict.WARN
    assert "3 unparseable; e.g. to test-0, the answer is 2: 'two' is unparseable, reward 0" in finding.found
    assert "'#### 42'" in finding.remedy
