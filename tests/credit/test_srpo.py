"""SRPO and RRPO: groups by hand, where a failed response is tried again, and what its continuations count for."""

from math import log, sqrt

import pytest
from tabular import PLAIN, Tabular, digits

from vineppo.advisers.function import FunctionAdviser, Scripted
from vineppo.advisers.policy import PolicyAdviser
from vineppo.credit.settings import CreditParts
from vineppo.credit.srpo import SrpoAssigner, SrpoCredit, branches_of, inquiry, standardised
from vineppo.errors import UserError
from vineppo.learner.averages import token_weights
from vineppo.recipes.measurements import credit_metrics
from vineppo.settings.shapes import Rollouts, Shape
from vineppo.types import Completion, Credit, Finish, Rollout, Scored

POLICY = Tabular(PLAIN)
GROUP = POLICY.trajectories(4, seed=3)


def credits_of(group: list[Scored], **settings) -> list[Credit]:
    parts = CreditParts(environment=POLICY.environment(), sampling=PLAIN)
    return SrpoCredit.model_validate({"name": "srpo", **settings}).build(parts)(group, seed=5)


def advised(answer: str, group: list[Scored]) -> list[Credit]:
    adviser = Scripted(lambda question, steps: answer, "credit.adviser")
    assign = SrpoAssigner(POLICY.environment(), sampling=PLAIN, accept=1.0, adviser=adviser)
    return assign(group, seed=5)


def rollout(size: int, reward: float, *, left_out: bool = False) -> Rollout:
    completion = Completion(
        token_ids=(2,) * size, logprobs=(log(0.5),) * size, finish=Finish.TERMINATED, policy_version=0
    )
    return Rollout(completion=completion, text="", reward=reward, left_out=left_out)


# --- by hand -----------------------------------------------------------------------------------------------------


def test_a_group_is_compared_by_its_own_mean_and_standard_deviation():
    assert standardised([1, 0, 0, 0]) == pytest.approx([sqrt(3), *[-1 / sqrt(3)] * 3])
    assert standardised([1, 1]) == [0, 0]


def test_each_continuation_counts_as_one_response_whatever_its_length():
    """Two trajectories of 8 and 4 tokens, and continuations of 2 and 3."""
    right, wrong = branches_of(1, [rollout(2, 1.0), rollout(5, 1.0, left_out=True), rollout(3, 0.0)], length=6.0)
    assert (right.position, right.advantages) == (1, (3.0, 3.0))
    assert wrong.advantages == (-2.0,) * 3
    weights = token_weights([8, 4, 2, 3], [True, True, False, False], "responses", limit=9)
    assert [weights[2] * sum(right.advantages), weights[3] * sum(wrong.advantages)] == pytest.approx([0.5, -0.5])
    assert [weights[0] * 8, weights[1] * 4] == [0.5, 0.5], "as much as a trajectory of advantage 1"


# --- on a policy of three tokens ---------------------------------------------------------------------------------


def test_one_failed_response_of_a_group_is_tried_again_as_often_as_the_group_is_large():
    credits = credits_of(GROUP)
    assert 0 < sum(own.reward for own in GROUP) < 4, "some failed"
    assert [own.advantages for own in credits] == [
        (advantage,) * len(own.trajectory.response_ids)
        for own, advantage in zip(GROUP, standardised([own.reward for own in GROUP]), strict=True)
    ]
    [(scored, credit)] = [(s, c) for s, c in zip(GROUP, credits, strict=True) if c.branches]
    assert scored.reward == 0
    assert len(credit.branches) == 4
    assert {branch.position for branch in credit.branches} == {credit.values[0].position} <= set(scored.bounds[:-1])
    before = scored.trajectory.response_ids[: credit.values[0].position]
    rewards = [POLICY.value(before + branch.completion.token_ids) for branch in credit.branches]
    length = sum(len(own.trajectory.response_ids) for own in GROUP) / 4
    for branch, advantage in zip(credit.branches, standardised(rewards), strict=True):
        assert sum(branch.advantages) == pytest.approx(advantage * length)
    tokens = sum(len(branch.completion.token_ids) for branch in credit.branches)
    assert credit_metrics(credits)["tokens/rollouts"] == tokens


def test_which_response_and_which_step_is_drawn_anew_for_each_seed():
    parts = CreditParts(environment=POLICY.environment(), sampling=PLAIN)
    assign = SrpoCredit().build(parts)
    drawn = {
        (place, credit.values[0].position)
        for seed in range(120)
        for place, credit in enumerate(assign(GROUP, seed=seed))
        if credit.branches
    }
    failed = [place for place, own in enumerate(GROUP) if own.reward == 0]
    assert drawn == {(place, at) for place in failed for at in GROUP[place].bounds[:-1]}


def test_where_nothing_failed_it_is_grpo():
    assert not any(credit.branches for credit in credits_of(GROUP, accept=0.0))


def test_an_adviser_says_where():
    failed = GROUP[0]
    assert (failed.reward, failed.num_steps) == (0, 4)
    for answer, step in (("Wrong steps: 2, 3", 1), ("Wrong steps: 1", 0)):
        [credit] = [own for own in advised(answer, [failed, failed]) if own.branches]
        assert credit.branches[0].position == failed.bounds[step]
        [critique] = credit.critiques
        assert critique.wrong is not None
        assert critique.wrong[0] == step


def test_an_adviser_that_names_no_step_leaves_it_to_chance():
    drawn = credits_of(GROUP)
    for answer, wrong in (("hm", None), ("Wrong steps: none", ())):
        found = advised(answer, GROUP)
        assert [own.branches for own in found] == [own.branches for own in drawn]
        assert [critique.wrong for own in found for critique in own.critiques] == [wrong]


def test_the_adviser_reads_the_steps_and_not_the_answer():
    asked = inquiry(GROUP[0], digits)
    assert "".join(asked.steps) == GROUP[0].trajectory.text
    assert "Right answer" not in asked.messages[0].content


# --- settings ----------------------------------------------------------------------------------------------------


def test_what_it_decodes_is_told_beforehand():
    shape = Shape(length=10, states=[0, 5])
    assert SrpoCredit().rollouts_of(shape) == Rollouts(count=1, tokens=7)
    assert SrpoCredit().most_tokens(shape) == 10


def test_only_srpo_asks_an_adviser():
    function = FunctionAdviser(function="advise.py:advise")
    assert SrpoCredit(adviser=function).asks is None
    assert SrpoCredit(adviser=function, localiser="adviser").asks == function
    with pytest.raises(UserError, match=r"credit.adviser.policy.path names no model to ask"):
        credits_of(GROUP, localiser="adviser")
    assert SrpoCredit().adviser == PolicyAdviser(temperature=0.3)
