"""TRL's reward signature in full, for functions that take it, and returns of every usual kind."""

import asyncio

import numpy as np
import pytest
import torch

from vineppo.errors import UserError
from vineppo.tasks.reward import STATE, RewardTask, call_reward
from vineppo.tasks.truncated import try_rewards
from vineppo.types import Question, Response

ASKED = [Question(id="q", prompt="?", answer=""), Question(id="r", prompt="??", answer="")]
SAID = [Response("a", (5, 1)), Response("bb", (6, 6, 1))]


def test_extras_reach_functions_that_take_them():
    def reward(completions, completion_ids, trainer_state, log_metric, **_):
        log_metric("length", sum(map(len, completion_ids)))
        return [float(trainer_state.global_step + len(ids)) for ids in completion_ids]

    STATE.global_step = 7
    assert call_reward(reward, ASKED, SAID) == [9.0, 10.0]
    assert STATE.take_logged() == {"length": 5.0}


def test_functions_that_do_not_take_them_are_left_alone():
    def reward(prompts, completions):
        return [1.0] * len(completions)

    assert call_reward(reward, ASKED, SAID) == [1.0, 1.0]


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
    assert [float(one or 0) for one in call_reward(lambda **_: given, ASKED, SAID)] == [1.0, 2.0]


def test_async_functions_are_awaited():
    async def reward(completions, **_):
        await asyncio.sleep(0)
        return [float(len(completion)) for completion in completions]

    assert call_reward(reward, ASKED, SAID) == [1.0, 2.0]


@pytest.mark.parametrize("wrong", [[1.0], [float("nan")] * 2, 3.0, torch.zeros(2, 2), None])
def test_what_is_returned_wrongly_is_found_by_a_trial(wrong):
    task = RewardTask(train=[{"prompt": "a"}], test=[{"prompt": "b"}], reward=lambda **_: wrong)
    with pytest.raises(UserError, match="reward function"):
        try_rewards(task, ASKED)
