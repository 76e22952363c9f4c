"""VinePPO's values and advantages: by hand, by identity, and against a policy that can be enumerated."""

from dataclasses import replace
from functools import cache
from math import log, sqrt
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vineppo.credit.mask import probability_mask
from vineppo.credit.spread import spread
from vineppo.credit.vine import VineAssigner, measured_positions, monte_carlo_value, step_advantages, vine_credit
from vineppo.engines.fake import FakeEngine
from vineppo.environment import Environment
from vineppo.types import (
    Completion,
    Finish,
    Judgement,
    Outcome,
    Question,
    Rollout,
    Sampling,
    Scored,
    StateValue,
    Trajectory,
)

END, LIMIT = 0, 4
QUESTION = Question(id="q", prompt="?", answer="")
OTHER = Question(id="r", prompt="??", answer="")
PROMPTS = {"?": (1,), "??": (1, 1)}


def law(prefix: tuple[int, ...]) -> list[float]:
    """Three tokens; what comes next depends on the last one and on how long the prefix is."""
    tilt = 0.1 * (len(prefix) % 3)
    return {1: [0.2, 0.5 - tilt, 0.3 + tilt], 2: [0.4 + tilt, 0.1, 0.5 - tilt]}.get(prefix[-1], [1.0, 0.0, 0.0])


def reward_of(response: tuple[int, ...]) -> float:
    """1 when the response holds an even number of 2s."""
    return float(response.count(2) % 2 == 0)


@cache
def exact_value(prompt: tuple[int, ...], response: tuple[int, ...]) -> float:
    """By enumeration: expected reward from a state, 0 when the limit cuts it off."""
    if response and response[-1] == END:
        return reward_of(response)
    if len(response) == LIMIT:
        return 0.0
    chances = law(prompt + response)
    return sum(p * exact_value(prompt, (*response, token)) for token, p in enumerate(chances) if p)


class EvenTask:
    """Responses are written as digits."""

    def questions(self, split: str) -> list[Question]:
        return [QUESTION]

    def judge(self, questions: list[Question], responses: list[str]) -> list[Judgement]:
        rewards = [reward_of(tuple(map(int, response))) for response in responses]
        return [Judgement(reward=r, outcome=Outcome.CORRECT if r else Outcome.WRONG) for r in rewards]


def environment_of(engine: FakeEngine) -> Environment:
    return Environment(
        engine=engine,
        task=EvenTask(),  # pyright: ignore[reportArgumentType]
        encode=PROMPTS.__getitem__,
        decode=lambda ids: "".join(map(str, ids)),
    )


def scored(response: tuple[int, ...], bounds: tuple[int, ...], question: Question = QUESTION) -> Scored:
    ended = response[-1] == END
    trajectory = Trajectory(
        question=question,
        prompt_ids=PROMPTS[question.prompt],
        response_ids=response,
        logprobs=(0.0,) * len(response),
        text="".join(map(str, response)),
        finish=Finish.TERMINATED if ended else Finish.TRUNCATED,
        policy_version=0,
    )
    judgement = Judgement(reward=reward_of(response) if ended else 0.0, outcome=Outcome.SCORED)
    return Scored(trajectory=trajectory, judgement=judgement, bounds=bounds)


def assigner(engine: FakeEngine, rollouts: int, max_states: int | None = None) -> VineAssigner:
    return VineAssigner(
        environment_of(engine), rollouts=rollouts, max_states=max_states, sampling=Sampling(max_new_tokens=LIMIT)
    )


def rollout(reward: float) -> Rollout:
    completion = Completion(token_ids=(0,), logprobs=(0.0,), finish=Finish.TERMINATED, policy_version=0)
    return Rollout(completion=completion, text="", reward=reward)


def test_values_match_the_enumerated_ones_within_their_standard_error():
    engine = FakeEngine(law, end_ids=(END,))
    item = scored((2, 1, 2, 0), (0, 1, 2, 3, 4))
    (credit,) = assigner(engine, 4000)([item], seed=1)
    for value in credit.values[:-1]:
        exact = exact_value((1,), item.trajectory.response_ids[: value.position])
        assert value.standard_error is not None
        assert abs(value.value - exact) < 4 * max(value.standard_error, 1e-9)
        assert value.standard_error == pytest.approx(sqrt(exact * (1 - exact) / 4000), rel=0.15, abs=2e-4)


def test_values_are_unbiased_over_seeds():
    item, errors = scored((2, 1, 0), (0, 1, 3)), []
    for seed in range(300):
        (credit,) = assigner(FakeEngine(law, end_ids=(END,)), 3)([item], seed=seed)
        errors.append(credit.values[1].value - exact_value((1,), (2,)))
    spread_of_mean = sqrt(fmean(e * e for e in errors) / len(errors))
    assert abs(fmean(errors)) < 4 * spread_of_mean


def test_by_hand():
    values = [
        monte_carlo_value(0, [rollout(0), rollout(1), rollout(0), rollout(0)]),
        monte_carlo_value(2, [rollout(1), rollout(1), rollout(0), rollout(0)]),
    ]
    credit = vine_credit(scored((1, 1, 2, 2, 0), (0, 2, 5)), values)
    assert [v.value for v in credit.values] == [0.25, 0.5, 1.0]
    assert credit.advantages == (0.25, 0.25, 0.5, 0.5, 0.5)
    assert credit.values[0].standard_error == pytest.approx(0.25)  # sample variance 0.25, four rollouts
    assert credit.values[2].standard_error == 0


@pytest.mark.parametrize("count", [1, 3, 9])
def test_rollouts_that_agree_do_not_make_a_value_certain(count: int):
    assert (monte_carlo_value(0, [rollout(1)] * count).standard_error or 0) > 0.5 / (count + 1)


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=30))
def test_advantages_telescope_to_reward_minus_the_first_value(values: list[float]):
    assert sum(step_advantages(values)) == pytest.approx(values[-1] - values[0], abs=1e-9)


def test_one_step_per_response_reduces_to_reward_minus_the_prompts_value():
    (credit,) = assigner(FakeEngine(law, end_ids=(END,)), 9)([scored((2, 2, 0), (0, 3))], seed=0)
    assert credit.advantages == (1 - credit.values[0].value,) * 3


def test_identical_states_are_measured_once():
    engine = FakeEngine(law, end_ids=(END,))
    batch = [scored((2, 1, 0), (0, 1, 3)), scored((2, 2, 0), (0, 1, 3)), scored((1, 2, 0), (0, 1, 3))]
    credits = assigner(engine, 5)(batch, seed=0)
    assert sorted(request.prefix for request in engine.requests) == [(1,), (1, 1), (1, 2)]
    assert credits[0].values[1].rollouts is credits[1].values[1].rollouts


def test_the_same_tokens_under_another_question_are_another_state():
    engine = FakeEngine(law, end_ids=(END,))
    assigner(engine, 5)([scored((1, 0), (0, 1, 2)), scored((0,), (0, 1), OTHER)], seed=0)
    assert sorted(request.prefix for request in engine.requests) == [(1,), (1, 1), (1, 1)]


def test_rollouts_get_what_is_left_of_the_length_limit():
    engine = FakeEngine(law, end_ids=(END,))
    assigner(engine, 1)([scored((2, 1, 2, 2), (0, 1, 3, 4))], seed=0)
    assert [request.max_new_tokens for request in engine.requests] == [4, 3, 1]


def test_with_a_cap_on_states_all_tokens_after_the_last_share_what_it_lacks():
    engine = FakeEngine(law, end_ids=(END,))
    (credit,) = assigner(engine, 4, max_states=2)([scored((2, 2, 1, 0), (0, 1, 2, 4))], seed=0)
    assert len(engine.requests) == 2
    assert credit.advantages[1:] == (1.0 - credit.values[1].value,) * 3
    assert sum(credit.advantages[:2]) == pytest.approx(1 - credit.values[0].value)


def test_a_truncated_response_is_kept_with_reward_zero():
    (credit,) = assigner(FakeEngine(law, end_ids=(END,)), 4)([scored((2, 2, 1, 1), (0, 2, 4))], seed=0)
    assert credit.values[-1].value == 0.0


def test_rewards_that_are_all_equal_give_no_credit():
    values = [monte_carlo_value(at, [rollout(1)] * 3) for at in (0, 2)]
    assert vine_credit(scored((1, 1, 2, 2, 0), (0, 2, 5)), values).advantages == (0,) * 5


def test_a_mask_keeps_the_advantages_and_says_which_tokens_learn():
    plain, masked = (
        VineAssigner(
            environment_of(FakeEngine(law, end_ids=(END,))),
            rollouts=3,
            max_states=None,
            sampling=Sampling(max_new_tokens=LIMIT),
            mask_above=mask_above,
        )
        for mask_above in (None, 0.9)
    )
    item = scored((2, 1, 0), (0, 1, 3))
    item = replace(item, trajectory=replace(item.trajectory, logprobs=(log(0.5), log(0.95), 0.0)))
    (without,), (credit,) = plain([item], seed=0), masked([item], seed=0)
    assert without.mask is None
    assert credit.mask == (True, False, False)
    assert credit.advantages == without.advantages


def test_tokens_learn_below_the_masks_threshold_only():
    assert probability_mask([log(0.5), log(0.75), 0.0], 0.75 + 1e-9) == (True, True, False)
    assert probability_mask([0.0, log(0.99)], 1.0) == (False, True)


def test_positions_to_measure_are_the_step_beginnings():
    assert measured_positions((0, 3, 5, 9), None) == (0, 3, 5)
    assert measured_positions((0, 3, 5, 9), 2) == (0, 3)


def test_spread_gives_each_token_its_steps_number():
    assert spread([1.0, -2.0], (0, 3, 4)) == (1.0, 1.0, 1.0, -2.0)


def test_known_values_carry_no_rollouts():
    assert vine_credit(scored((1, 0), (0, 2)), [monte_carlo_value(0, [rollout(0)])]).values[1] == StateValue(
        position=2, value=1.0, standard_error=0.0
    )
