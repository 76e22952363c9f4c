from fractions import Fraction
from functools import partial

import datasets
import numpy as np
import pytest

from vineppo.errors import UserError
from vineppo.tasks.reward import RewardTask, WeightedRewards
from vineppo.types import Judgement, Message, Outcome, Question

TRAIN = [{"prompt": "1 + 1?", "gold": 2, "hint": "easy"}, {"prompt": "2 + 2?", "gold": 4, "hint": None}]
TEST = [{"prompt": "3 + 3?", "gold": 6, "hint": "six", "more": "not passed"}]


def says_gold(prompts, completions, gold, **columns):
    return [float(str(g) in completion) for g, completion in zip(gold, completions, strict=True)]


def task_that_returns(result) -> RewardTask:
    return RewardTask(TRAIN, TEST, lambda prompts, completions, **columns: result)


def judge_two(task: RewardTask) -> list[Judgement]:
    return task.judge(task.questions("train"), ["2", "5"])


# --- questions ---------------------------------------------------------------------------------------------------


def test_rows_become_questions():
    task = RewardTask(TRAIN, TEST, says_gold)
    first, second = task.questions("train")
    assert (first.prompt, second.prompt) == ("1 + 1?", "2 + 2?")
    assert first.columns == {"gold": 2, "hint": "easy"}
    assert first.id != second.id
    assert [question.columns for question in task.questions("test")] == [{"gold": 6, "hint": "six"}]


def test_rows_may_be_a_dataset():
    task = RewardTask(datasets.Dataset.from_list(TRAIN), TEST, says_gold)
    assert task.questions("train") == RewardTask(TRAIN, TEST, says_gold).questions("train")


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        ([], TEST, "train has no rows; give at least one"),
        (TRAIN, [], "test has no rows; give at least one"),
        ([{"prompts": "a"}], TEST, "rename it"),
        ([{"promt": "a"}], TEST, "train: row 1 has no column 'prompt', only 'promt'; rename 'promt' to 'prompt'"),
        (TRAIN, [{"prompt": "a", "gold": 1}], "test: row 1 has no column 'hint'"),
        ([{"prompt": [{"role": "user"}]}], TEST, "column 'prompt' of row 1 holds .* is no message; make it text, or"),
        ([{"prompt": 5}], TEST, "column 'prompt' of row 1 is int 5; make it text, or a list of messages"),
        ([{"prompt": "a", "completions": 1}], TEST, "train has a column 'completions', which reward .* rename it"),
    ],
)
def test_rows_that_cannot_work_are_refused(train, test, message):
    with pytest.raises(UserError, match=message):
        RewardTask(train, test, says_gold)


# --- judge -------------------------------------------------------------------------------------------------------


def test_the_function_gets_prompts_completions_and_columns_by_name():
    seen = {}

    def spy(**keywords):
        seen.update(keywords)
        return [0.5, -2]

    assert judge_two(RewardTask(TRAIN, TEST, spy)) == [
        Judgement(reward=0.5, outcome=Outcome.SCORED),
        Judgement(reward=-2.0, outcome=Outcome.SCORED),
    ]
    extras = ("completion_ids", "trainer_state", "log_metric", "log_extra")
    assert [seen.pop(name) is not None for name in extras] == [True] * 4
    assert seen == {
        "prompts": ["1 + 1?", "2 + 2?"],
        "completions": ["2", "5"],
        "gold": [2, 4],
        "hint": ["easy", None],
    }


def test_each_response_is_scored_with_its_own_columns():
    assert [judgement.reward for judgement in judge_two(RewardTask(TRAIN, TEST, says_gold))] == [1.0, 0.0]


def test_none_is_no_reward_and_no_verdict():
    assert judge_two(task_that_returns([None, 1.0])) == [
        Judgement(reward=0.0, outcome=Outcome.UNPARSEABLE),
        Judgement(reward=1.0, outcome=Outcome.SCORED),
    ]


def test_any_real_number_is_a_reward():
    rewards = [judgement.reward for judgement in judge_two(task_that_returns([np.float32(0.5), Fraction(1, 4)]))]
    assert rewards == [0.5, 0.25]
    assert all(type(reward) is float for reward in rewards)


def test_no_responses_need_no_call():
    assert task_that_returns("never looked at").judge([], []) == []


@pytest.mark.parametrize(
    ("result", "fault"),
    [
        (None, "returned NoneType None"),
        (1.0, "returned float 1.0"),
        (np.ones((2, 2)), r"returned a list with \[1.0, 1.0\] in it"),
        ([1.0], "returned 1 rewards for 2 completions"),
        ([1.0, "1"], "returned a list with '1' in it"),
        ([1.0, float("nan")], "returned a list with nan in it"),
        ([float("inf"), None], "returned a list with inf in it"),
    ],
)
def test_what_is_no_list_of_finite_numbers_is_refused(result, fault):
    with pytest.raises(UserError, match=rf"^reward function .*<lambda> {fault}; return a list of 2 finite numbers"):
        judge_two(task_that_returns(result))


def test_an_error_inside_the_function_keeps_its_type_and_names_the_function():
    def broken(prompts, completions, **columns):
        raise KeyError("oops")

    with pytest.raises(KeyError, match="oops") as caught:
        judge_two(RewardTask(TRAIN, TEST, broken))
    [note] = caught.value.__notes__
    assert "broken" in note
    assert "prompts, completions, gold, hint" in note


def test_a_function_that_does_not_take_the_columns_is_told_which_there_are():
    def narrow(prompts, completions):
        return [0.0, 0.0]

    with pytest.raises(TypeError, match="unexpected keyword argument 'gold'") as caught:
        judge_two(RewardTask(TRAIN, TEST, narrow))
    assert "gold, hint" in caught.value.__notes__[0]


def test_a_partial_is_named_by_what_it_shows():
    def short(prompts, completions, limit, **columns):
        return []

    with pytest.raises(UserError, match=r"reward function functools\.partial"):
        judge_two(RewardTask(TRAIN, TEST, partial(short, limit=3)))


# --- several functions -------------------------------------------------------------------------------------------


def says(*rewards):
    return lambda prompts, completions, **columns: list(rewards)


def test_functions_are_summed_by_weight_and_none_is_left_out():
    questions = [Question(id=str(i), prompt="?", answer="") for i in range(4)]
    rewards = WeightedRewards([(says(1.0, 1.0, None, None), 0.5), (says(2.0, None, 3.0, None), 2.0)])
    assert rewards(questions, ["a", "b", "c", "d"]) == [
        Judgement(reward=4.5, outcome=Outcome.SCORED),
        Judgement(reward=0.5, outcome=Outcome.SCORED),
        Judgement(reward=6.0, outcome=Outcome.SCORED),
        Judgement(reward=0.0, outcome=Outcome.UNPARSEABLE),
    ]


def test_messages_are_handed_over_as_trl_does():
    seen = {}

    def spy(**keywords):
        seen.update(keywords)
        return [1.0]

    question = Question(id="0", prompt=(Message(role="user", content="Hi?"),), answer="")
    WeightedRewards([(spy, 1.0)])([question], ["Hello."])
    assert {name: seen[name] for name in ("prompts", "completions")} == {
        "prompts": [[{"role": "user", "content": "Hi?"}]],
        "completions": [[{"role": "assistant", "content": "Hello."}]],
    }
