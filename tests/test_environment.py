"""The environment: what the length limit cut off is never judged, and randomness belongs to states, not places."""

from collections.abc import Sequence

import pytest

from vineppo.engines.fake import FakeEngine
from vineppo.environment import Environment, State
from vineppo.errors import UserError
from vineppo.types import Finish, Judgement, Outcome, Question, Sampling

END = 0
Q, R = Question(id="q", prompt="?", answer=""), Question(id="r", prompt="??", answer="")
LONG = Sampling(max_new_tokens=200)


def fair(prefix: tuple[int, ...]) -> list[float]:
    """Ends in one of three cases."""
    return [1 / 3, 1 / 3, 1 / 3]


def endless(prefix: tuple[int, ...]) -> list[float]:
    return [0.0, 0.5, 0.5]


class LengthTask:
    """The reward is the number of characters. Everything that it was asked is written down."""

    def __init__(self):
        self.asked: list[tuple[str, str]] = []

    def questions(self, split: str) -> Sequence[Question]:
        return [Q, R]

    def judge(self, questions: Sequence[Question], responses: Sequence[str]) -> list[Judgement]:
        self.asked += [(question.id, response) for question, response in zip(questions, responses, strict=True)]
        return [Judgement(reward=float(len(response)), outcome=Outcome.SCORED) for response in responses]


class Miscounting(LengthTask):
    """Gives as many judgements as it likes."""

    def __init__(self, count: int):
        super().__init__()
        self._count = count

    def judge(self, questions: Sequence[Question], responses: Sequence[str]) -> list[Judgement]:
        return [Judgement(reward=1.0, outcome=Outcome.CORRECT)] * self._count


def environment(law=fair, task: LengthTask | None = None) -> tuple[Environment, FakeEngine, LengthTask]:
    """Prompts are as many 9s as they have characters; a decoded response is its digits without the end token."""

    def decode(ids: Sequence[int]) -> str:
        return "".join(str(i) for i in ids if i != END)

    engine, task = FakeEngine(law, end_ids=(END,), decode=decode), task or LengthTask()
    made = Environment(engine=engine, task=task, encode=lambda text: (9,) * len(text), decode=decode)
    return made, engine, task


def state(question: Question, *response: int) -> State:
    return State(question=question, prompt_ids=(9,) * len(question.prompt), response_ids=response)


# --- judging -----------------------------------------------------------------------------------------------------


def test_what_was_cut_off_gets_nothing_and_never_reaches_the_judge():
    made, _, task = environment()
    finishes = [Finish.TRUNCATED, Finish.TERMINATED, Finish.TRUNCATED, Finish.TERMINATED]
    judgements = made.judge([Q, R, R, Q], ["aaaa", "bb", "", "c"], finishes)
    assert task.asked == [("r", "bb"), ("q", "c")]
    assert [judgement.reward for judgement in judgements] == [0, 2, 0, 1]
    assert [judgement.outcome for judgement in judgements] == [
        Outcome.TRUNCATED,
        Outcome.SCORED,
        Outcome.TRUNCATED,
        Outcome.SCORED,
    ]


def test_rollouts_that_were_cut_off_are_worth_nothing():
    made, _, task = environment(endless)
    (group,) = made.rollouts([state(Q, 1)], count=5, sampling=Sampling(max_new_tokens=4), seed=0)
    assert [rollout.reward for rollout in group] == [0] * 5
    assert {rollout.completion.finish for rollout in group} == {Finish.TRUNCATED}
    assert task.asked == []


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_judge_that_loses_count_is_refused(count: int):
    made, _, _ = environment(task=Miscounting(count))
    with pytest.raises(UserError, match=f"{count} judgements for 2 responses"):
        made.judge([Q, Q, R], ["a", "b", "c"], [Finish.TERMINATED, Finish.TRUNCATED, Finish.TERMINATED])


# --- sampling ----------------------------------------------------------------------------------------------------


def test_trajectories_come_group_after_group():
    made, _, _ = environment()
    trajectories = made.sample([R, Q], count=3, sampling=LONG, seed=0)
    assert [t.question.id for t in trajectories] == ["r", "r", "r", "q", "q", "q"]
    assert [t.prompt_ids for t in trajectories] == [(9, 9)] * 3 + [(9,)] * 3
    assert all(t.text == "".join(map(str, t.response_ids[:-1])) for t in trajectories)
    assert all(len(t.logprobs) == len(t.response_ids) for t in trajectories)
    assert len({t.response_ids for t in trajectories}) > 1


def test_trajectories_carry_the_version_of_the_policy_that_made_them():
    made, engine, _ = environment()
    engine.load_weights({}, policy_version=7)
    assert {t.policy_version for t in made.sample([Q], count=2, sampling=LONG, seed=0)} == {7}


@pytest.mark.parametrize("branches", [False, True])
def test_the_engine_is_told_whether_rollouts_will_branch_off(branches: bool):
    made, engine, _ = environment()
    made.sample([Q, R], count=2, sampling=LONG, seed=0, branches=branches)
    assert [request.branches for request in engine.requests] == [branches] * 2


def test_a_questions_trajectories_depend_on_the_seed_and_not_on_its_place():
    made, _, _ = environment()
    forward = made.sample([Q, R], count=4, sampling=LONG, seed=1)
    backward = made.sample([R, Q], count=4, sampling=LONG, seed=1)
    other = made.sample([Q, R], count=4, sampling=LONG, seed=2)
    assert forward == backward[4:] + backward[:4]
    assert [t.response_ids for t in forward] != [t.response_ids for t in other]


def test_no_two_questions_share_their_randomness():
    made, engine, _ = environment()
    twin = Question(id="twin", prompt=Q.prompt, answer="")
    made.sample([Q, R, twin], count=1, sampling=LONG, seed=0)
    assert len({request.seed for request in engine.requests}) == 3


# --- rollouts ----------------------------------------------------------------------------------------------------


def test_rollouts_come_in_the_order_of_their_states_and_continue_them():
    made, engine, _ = environment()
    states = [state(Q, 1, 2), state(R), state(Q, 2)]
    groups = made.rollouts(states, count=4, sampling=LONG, seed=0)
    assert [request.prefix for request in engine.requests] == [(9, 1, 2), (9, 9), (9, 2)]
    assert [len(group) for group in groups] == [4, 4, 4]
    for group, written in zip(groups, ("12", "", "2"), strict=True):
        for rollout in group:
            own = "".join(map(str, rollout.completion.token_ids[:-1]))
            assert rollout.text == written + own


def test_the_judge_sees_the_whole_response_and_its_verdict_stays_with_the_rollout():
    made, _, task = environment()
    groups = made.rollouts([state(Q, 1, 2), state(R)], count=6, sampling=LONG, seed=0)
    rollouts = [rollout for group in groups for rollout in group]
    assert task.asked == [(own, r.text) for own, r in zip(["q"] * 6 + ["r"] * 6, rollouts, strict=True)]
    assert [rollout.reward for rollout in rollouts] == [len(rollout.text) for rollout in rollouts]


def test_rollouts_get_what_the_response_left_of_the_length_limit():
    made, _, _ = environment(endless)
    states = [state(Q), state(Q, 1, 2), state(Q, 1, 2, 1, 2, 1)]
    groups = made.rollouts(states, count=2, sampling=Sampling(max_new_tokens=6), seed=0)
    assert [[len(r.completion.token_ids) for r in group] for group in groups] == [[6, 6], [4, 4], [1, 1]]


def test_rollouts_depend_on_the_seed_and_the_state_and_not_on_its_place():
    made, _, _ = environment()
    a, b, c = state(Q, 1), state(Q, 2), state(R, 1)
    together = made.rollouts([a, b, c], count=5, sampling=LONG, seed=3)
    assert made.rollouts([c, a], count=5, sampling=LONG, seed=3) == [together[2], together[0]]
    assert made.rollouts([b], count=5, sampling=LONG, seed=4) != [together[1]]


def test_no_two_states_share_their_randomness():
    made, engine, _ = environment()
    twin = Question(id="twin", prompt=Q.prompt, answer="")
    made.rollouts([state(Q), state(Q, 9), state(Q, 1), state(R), state(twin)], count=1, sampling=LONG, seed=0)
    assert len({request.seed for request in engine.requests}) == 5


# --- stop strings ------------------------------------------------------------------------------------------------

STOPPING = Sampling(max_new_tokens=200, stop=("12",))


def test_the_judge_sees_what_comes_before_a_stop_string_and_the_tokens_stay():
    made, _, task = environment()
    trajectories = made.sample([Q], count=60, sampling=STOPPING, seed=0)
    stopped = [own for own in trajectories if own.response_ids[-1] != END]
    assert len(stopped) > 5
    for own in stopped:
        assert own.response_ids[-2:] == (1, 2)
        assert own.text == "".join(map(str, own.response_ids[:-2]))
        assert len(own.logprobs) == len(own.response_ids)
    assert {own.finish for own in trajectories} == {Finish.TERMINATED}
    made.judge_trajectories(trajectories)
    assert [text for _, text in task.asked] == [own.text for own in trajectories]


def test_a_rollout_may_complete_a_stop_string_that_its_state_began():
    made, engine, task = environment()
    (begun,) = made.rollouts([state(Q, 2, 1)], count=60, sampling=STOPPING, seed=0)
    assert [request.position for request in engine.requests] == [2]
    at_once = [rollout for rollout in begun if rollout.completion.token_ids == (2,)]
    assert len(at_once) == sum(rollout.completion.token_ids[0] == 2 for rollout in begun) > 5
    assert {(own.text, own.reward, own.completion.finish) for own in at_once} == {("2", 1.0, Finish.TERMINATED)}
    assert [text for _, text in task.asked] == [rollout.text for rollout in begun]


# --- nothing -----------------------------------------------------------------------------------------------------


def test_nothing_asked_is_nothing_done():
    made, engine, task = environment()
    assert made.rollouts([], count=3, sampling=LONG, seed=0) == []
    assert made.sample([], count=3, sampling=LONG, seed=0) == []
    assert (engine.requests, task.asked) == ([], [])
