"""What becomes of responses that the length limit cut off, in trajectories and rollouts alike."""

from collections.abc import Sequence

import pytest

from small_chats import chat_tokenizer
from test_chat import policy_of
from vineppo.config.load import load_config
from vineppo.credit.group import GroupAssigner, rloo
from vineppo.credit.vine import VineAssigner
from vineppo.engines.fake import FakeEngine
from vineppo.environment import Environment, State, Truncation, rollout_rewards
from vineppo.errors import UserError
from vineppo.recipes.build import build_environment
from vineppo.recipes.scoring import judge_and_cut
from vineppo.seams import Task
from vineppo.tasks.arithmetic import Arithmetic
from vineppo.tasks.reward import RewardTask
from vineppo.tasks.truncated import truncation_of, with_truncation
from vineppo.types import Finish, Judgement, Outcome, Question, Sampling

END, A = 0, 1
Q = Question(id="q", prompt="?", answer="")
SAMPLING = Sampling(max_new_tokens=2)


def law(prefix: tuple[int, ...]) -> list[float]:
    return [0.5, 0.5]


class Scorer:
    """-1 for each letter: what never stops has the worst to come."""

    def questions(self, split: str) -> Sequence[Question]:
        return [Q]

    def judge(self, questions: Sequence[Question], responses: Sequence[str]) -> list[Judgement]:
        return [Judgement(reward=-float(len(response)), outcome=Outcome.SCORED) for response in responses]


def environment(truncation: Truncation) -> Environment:
    return Environment(
        engine=FakeEngine(law, end_ids=(END,)),
        task=Scorer(),
        encode=lambda _: (9,),
        decode=lambda ids: "a" * sum(i != END for i in ids),
        truncation=truncation,
    )


RULES = [
    (Truncation(), 0.0, Outcome.TRUNCATED, False),
    (Truncation(reward=-3.0), -3.0, Outcome.TRUNCATED, False),
    (Truncation(reward=None), -2.0, Outcome.SCORED, False),
    (Truncation(reward=None, left_out=True), -2.0, Outcome.SCORED, True),
]


@pytest.mark.parametrize(("rule", "reward", "outcome", "left_out"), RULES)
def test_what_is_cut_off_is_judged_as_the_rule_says(rule: Truncation, reward: float, outcome: Outcome, left_out: bool):
    ended, cut_off = environment(rule).judge([Q, Q], ["a", "aa"], [Finish.TERMINATED, Finish.TRUNCATED])
    assert ended == Judgement(reward=-1.0, outcome=Outcome.SCORED)
    assert cut_off == Judgement(reward=reward, outcome=outcome, left_out=left_out)


@pytest.mark.parametrize(("rule", "reward", "outcome", "left_out"), RULES[:3])
def test_rollouts_are_judged_by_the_same_rule(rule: Truncation, reward: float, outcome: Outcome, left_out: bool):
    root = State(question=Q, prompt_ids=(9,), response_ids=())
    (rollouts,) = environment(rule).rollouts([root], count=40, sampling=SAMPLING, seed=0)
    cut_off = [r.reward for r in rollouts if r.completion.finish is Finish.TRUNCATED]
    assert set(cut_off) == {reward}
    assert 0 < len(cut_off) < 40


def test_a_rollout_that_is_left_out_moves_no_value():
    rule = Truncation(reward=None, left_out=True)
    root = State(question=Q, prompt_ids=(9,), response_ids=())
    (rollouts,) = environment(rule).rollouts([root], count=40, sampling=SAMPLING, seed=0)
    kept = [r.reward for r in rollouts if not r.left_out]
    assert {r.completion.finish for r in rollouts if r.left_out} == {Finish.TRUNCATED}
    assert sum(r.reward for r in rollouts) / 40 == pytest.approx(sum(kept) / len(kept))


def test_where_all_of_a_state_are_left_out_those_of_its_question_speak():
    one = State(question=Q, prompt_ids=(9,), response_ids=())
    other = State(question=Q, prompt_ids=(9,), response_ids=(A,))
    out = Judgement(reward=7.0, outcome=Outcome.TRUNCATED, left_out=True)
    said = Judgement(reward=0.5, outcome=Outcome.SCORED)
    assert rollout_rewards([one, other, other], [said, out, out]) == [0.5, 0.5, 0.5]
    assert rollout_rewards([other], [out]) == [0.0]


def test_never_ending_is_no_way_to_a_better_reward():
    """Beside rewards of -1 and -2 a constant 0 would be the best of a group."""
    trajectories = environment(Truncation(reward=None)).sample([Q], count=40, sampling=SAMPLING, seed=1)
    made = environment(Truncation(reward=None))
    scored = judge_and_cut(made, lambda t, _: (0, len(t.response_ids)), lambda ids: [""] * len(ids), trajectories)
    credits = GroupAssigner(rloo)(scored, seed=0)
    worst = min(credit.advantages[0] for credit in credits)
    cut_off = {c.advantages[0] for s, c in zip(scored, credits, strict=True) if s.trajectory.finish == "truncated"}
    assert cut_off == {worst}
    (values,) = {
        c.values[0].value for c in VineAssigner(made, rollouts=9, max_states=1, sampling=SAMPLING)(scored, seed=0)
    }
    assert -2 <= values < 0


def test_a_group_of_which_one_is_left_has_nothing_to_compare_with():
    made = environment(Truncation())
    trajectories = made.sample([Q], count=1, sampling=SAMPLING, seed=1)
    scored = judge_and_cut(made, lambda t, _: (0, len(t.response_ids)), lambda ids: [""] * len(ids), trajectories)
    assert set(GroupAssigner(rloo)(scored, seed=0)[0].advantages) == {0.0}


def reward(completions: list[str], **_: object) -> list[float]:
    return [0.0] * len(completions)


REWARDED = RewardTask(train=[{"prompt": "a"}], test=[{"prompt": "b"}], reward=reward)
JUDGED = Arithmetic(operations=3, train_questions=3, test_questions=3)


@pytest.mark.parametrize(
    ("task", "setting", "rule"),
    [
        (REWARDED, None, Truncation(reward=None)),
        (JUDGED, None, Truncation(reward=0.0)),
        (JUDGED, "judged", Truncation(reward=None)),
        (REWARDED, -1.5, Truncation(reward=-1.5)),
        (REWARDED, 0, Truncation(reward=0.0)),
        (REWARDED, "left_out", Truncation(reward=None, left_out=True)),
        (JUDGED, "left_out", Truncation(reward=0.0, left_out=True)),
    ],
)
def test_the_setting_wins_over_what_suits_the_kind_of_task(task: Task, setting, rule: Truncation):
    assert truncation_of(with_truncation(task, setting)) == rule
    made = build_environment(policy_of(chat_tokenizer()), with_truncation(task, setting), load_config(None, []).engine)
    assert made.truncation == rule


@pytest.mark.parametrize("given", ["judged", "left_out", "-1", "0.5", "null"])
def test_every_task_has_the_setting(given: str):
    for name in ("arithmetic", "gsm8k", "math", "dataset", "reasoning_gym", "word_problems", "registers", "custom"):
        load_config(None, [f"task.name={name}", f"task.truncated={given}"])


def test_another_word_is_refused_once():
    with pytest.raises(UserError) as caught:
        load_config(None, ["task.truncated=masked"])
    assert str(caught.value).count("task.truncated is") == 1
    assert "judged, left_out" in str(caught.value)
