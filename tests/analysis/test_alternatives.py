"""Other next steps: sampled from the state, cut as in training, told apart by their tokens."""

from functools import partial

import pytest
from tabular_policy import LAW, LENGTH, QUESTIONS, environment, letter_steps

from vineppo.analysis.alternatives import Chooser, continue_at, distinct_next_steps
from vineppo.recipes.scoring import judge_and_cut
from vineppo.types import Completion, Finish, Judgement, Outcome, Question, Scored, Trajectory


def scored(response: tuple[int, ...], bounds: tuple[int, ...]) -> Scored:
    trajectory = Trajectory(
        question=Question(id="q", prompt="?", answer=""),
        prompt_ids=(9,),
        response_ids=response,
        logprobs=tuple(-0.1 * token for token in response),
        text="",
        finish=Finish.TERMINATED,
        policy_version=0,
    )
    return Scored(trajectory=trajectory, judgement=Judgement(reward=1.0, outcome=Outcome.SCORED), bounds=bounds)


def chooser(**changes) -> Chooser:
    made = environment()
    numbers = {"draws": 16, "most": 5, "distinct": 3} | changes
    return Chooser(
        environment=made,
        score=partial(judge_and_cut, made, letter_steps, lambda ids: [str(i) for i in ids]),
        sampling=LAW,
        **numbers,
    )


def trajectories(count: int = 4) -> list[Scored]:
    own = chooser()
    return own.score(own.environment.sample(QUESTIONS, count=count, sampling=LAW, seed=0))


def test_the_first_boundary_past_the_state_ends_the_next_step():
    found = distinct_next_steps([scored((1, 2, 3, 4, 0), (0, 2, 3, 5)), scored((1, 2, 4, 4, 0), (0, 2, 5))], 2)
    # the second one's next step is its last: the response is over after it
    assert [alternative.bounds for alternative in found] == [(0, 3, 5)]
    # a state that is no boundary of the new response, because what follows joined the step before
    (joined,) = distinct_next_steps([scored((1, 2, 3, 4, 0), (0, 3, 4, 5))], 2)
    assert joined.bounds == (0, 3, 4, 5)


def test_equal_steps_count_once_whatever_follows():
    found = distinct_next_steps(
        [scored((1, 2, 3, 4, 0), (0, 1, 3, 5)), scored((1, 2, 3, 2, 0), (0, 1, 3, 5)), scored((1, 3, 0), (0, 1, 2, 3))],
        1,
    )
    assert [alternative.trajectory.response_ids for alternative in found] == [(1, 2, 3, 4, 0), (1, 3, 0)]


def test_a_continuation_keeps_the_prefix_and_its_log_probs():
    completion = Completion(token_ids=(7, 0), logprobs=(-0.7, -0.0), finish=Finish.TRUNCATED, policy_version=3)
    made = continue_at(scored((1, 2, 3, 4, 0), (0, 2, 3, 5)), 1, completion, "text")
    assert made.response_ids == (1, 2, 7, 0)
    assert made.logprobs == pytest.approx((-0.1, -0.2, -0.7, 0))
    assert (made.text, made.finish, made.policy_version, made.prompt_ids) == ("text", Finish.TRUNCATED, 3, (9,))


def test_choices_have_enough_distinct_next_steps_and_do_not_end():
    own = trajectories()
    choices, examined = chooser().find(own, wanted=1000, seed=0)
    assert examined >= len(choices) > 20
    for choice in choices:
        start = own[choice.place.trajectory].bounds[choice.place.step]
        letters = [alternative.trajectory.response_ids[start] for alternative in choice.alternatives]
        assert 3 <= len(set(letters)) == len(letters) <= 5
        assert all(
            state.response_ids == a.trajectory.response_ids[: start + 1]
            for state, a in zip(choice.next_states, choice.alternatives, strict=True)
        )
        assert start < LENGTH - 1


def test_as_many_as_wanted_and_the_same_again():
    own = trajectories()
    few, examined = chooser().find(own, wanted=7, seed=3)
    again, _ = chooser().find(own, wanted=7, seed=3)
    more, _ = chooser().find(own, wanted=12, seed=3)
    assert len(few) == 7 <= examined
    assert [c.alternatives for c in few] == [c.alternatives for c in again]
    assert [c.place for c in more[:7]] == [c.place for c in few]


def test_at_most_so_many_next_steps_and_states_with_too_few_are_skipped():
    own = trajectories()
    pairs, _ = chooser(most=2, distinct=2).find(own, wanted=10, seed=0)
    assert {len(choice.alternatives) for choice in pairs} == {2}
    none, examined = chooser(draws=2, most=5, distinct=3).find(own, wanted=10, seed=0)
    assert none == []
    assert examined == len({c.trajectory.prompt_ids + c.trajectory.response_ids[:k] for c in own for k in range(3)})


def test_nothing_wanted_nothing_sampled():
    own, asking = trajectories(), chooser()
    assert asking.find(own, wanted=0, seed=0) == ([], 0)
