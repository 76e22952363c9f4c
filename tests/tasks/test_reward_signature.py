"""TRL's reward signature in full, for functions that take it, and returns of every usual kind."""

import asyncio
import json

import numpy as np
import pytest
import torch

from vineppo.errors import UserError
from vineppo.tasks.reward import RewardTask, WeightedRewards, call_reward
from vineppo.tasks.reward_keywords import STATE, Columns, logged_metrics
from vineppo.tasks.truncated import try_rewards
from vineppo.types import Question, Response

ASKED = [Question(id="q", prompt="?", answer=""), Question(id="r", prompt="??", answer="")]
SAID = [Response("a", (5, 1)), Response("bb", (6, 6, 1))]


def test_extras_reach_functions_that_take_them():
    def reward(completions, completion_ids, trainer_state, log_metric, **_):
        log_metric("length", sum(map(len, completion_ids)))
        return [float(trainer_state.global_step + len(ids)) for ids in completion_ids]

    STATE.global_step = 7
    assert call_reward(reward, ASKED, SAID, Columns(2)) == [9.0, 10.0]
    assert STATE.take_logged() == {"length": [5.0]}


def test_what_processes_log_is_averaged_over_their_calls():
    shares = [{"length": [1.0, 2.0], "odd": [float("nan")]}, {"length": [6.0]}, {}]
    assert logged_metrics(shares) == {"logged/length": 3.0}


def test_extra_columns_go_to_the_judgement_of_their_response():
    def one(completions, log_extra, **_):
        log_extra("letters", [len(completion) for completion in completions])
        log_extra("parsed", torch.tensor([0.5, float("inf")]))
        return [1.0, 2.0]

    def other(completions, log_extra=None, **_):
        log_extra("ok", np.array([True, False]))
        return [None, None]

    judged = WeightedRewards([(one, 1.0), (other, 1.0)])(ASKED, SAID)
    assert [dict(j.told) for j in judged] == [
        {"letters": 1, "parsed": 0.5, "ok": True},
        {"letters": 2, "parsed": "inf", "ok": False},
    ]
    assert json.loads(json.dumps([dict(j.told) for j in judged])) == [dict(j.told) for j in judged]


@pytest.mark.parametrize("values", [[1], 1, "ab"])
def test_an_extra_column_of_another_length_is_refused(values):
    def reward(log_extra, **_):
        log_extra("letters", values)
        return [1.0, 2.0]

    with pytest.raises(UserError, match=r"log_extra\('letters', ...\) got 1 values for 2 completions"):
        call_reward(reward, ASKED, SAID, Columns(2))


def test_functions_that_do_not_take_them_are_left_alone():
    def reward(prompts, completions):
        return [1.0] * len(completions)

    assert call_reward(reward, ASKED, SAID, Columns(2)) == [1.0, 1.0]


@pytest.mark.parametrize(
    "given",
    [
        [1.0, 2.0],
        (1.0, 2.0),
        np.array([1.0, 2.0]),
        torch.tensor([1.0, 2.0]),
        [torch.tensor(1.0), np.array(2.0)],
        [np.float32(1), np.int64(2)],
    ],
)
def test_returns_of_every_usual_kind(given):
    assert [float(one or 0) for one in call_reward(lambda **_: given, ASKED, SAID, Columns(2))] == [1.0, 2.0]


def test_async_functions_are_awaited():
    async def reward(completions, **_):
        await asyncio.sleep(0)
        return [float(len(completion)) for completion in completions]

    assert call_reward(reward, ASKED, SAID, Columns(2)) == [1.0, 2.0]


@pytest.mark.parametrize("wrong", [[1.0], [float("nan")] * 2, 3.0, torch.zeros(2, 2), None])
def test_what_is_returned_wrongly_is_found_by_a_trial(wrong):
    task = RewardTask(train=[{"prompt": "a"}], test=[{"prompt": "b"}], reward=lambda **_: wrong)
    with pytest.raises(UserError, match="reward function"):
        try_rewards(task, ASKED)
