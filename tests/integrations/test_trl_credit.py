"""The credit of TRL's completions: by hand where values are known, bit by bit where it is TRL's own."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from coin_world import ADVANTAGES, coin_model, questions, seven, tokenizer
from trl import GRPOTrainer  # pyright: ignore[reportMissingImports]

from vineppo.credit.coupled_assigner import CoupledCredit
from vineppo.credit.group import GrpoCredit, RlooCredit
from vineppo.credit.vine import VineCredit
from vineppo.steps.tokens import TokensSteps
from vineppo.steps.uncertain import UncertainSteps
from vineppo.types import Request, Sampling

Make = Callable[..., Any]
WORDS = tokenizer()


def ids(text: str) -> tuple[int, ...]:
    return tuple(WORDS(text)["input_ids"])


def rows(count: int, *, each: int) -> list[dict[str, object]]:
    """What TRL's data loader hands over: every question `each` times."""
    return [dict(row) for row in questions(count) for _ in range(each)]


def batch_of(trainer: Any, *, groups: int = 1) -> dict[str, Any]:
    trainer.model.train()
    return trainer._generate_and_score_completions(rows(groups, each=trainer.num_generations))


def texts(batch: dict[str, Any]) -> list[str]:
    return WORDS.batch_decode(batch["completion_ids"], skip_special_tokens=True)


# --- known values ------------------------------------------------------------------------------------------------


def test_coupled_vines_find_the_values_exactly_where_nothing_is_left_to_chance(make: Make):
    """16 completions take all three ways, so that the tree holds all that can happen."""
    trainer = make(CoupledCredit(rollouts=9, normalise="none"), num_generations=16, per_device_train_batch_size=16)
    batch = batch_of(trainer)
    assert set(texts(batch)) == set(ADVANTAGES)
    for text, advantages, mask in zip(texts(batch), batch["advantages"], batch["completion_mask"], strict=True):
        assert advantages[mask.bool()].tolist() == pytest.approx(ADVANTAGES[text], abs=1e-5)
        assert not advantages[~mask.bool()].any()
    assert "credit/rollouts" not in trainer._metrics["train"]


def test_coupled_vines_measure_what_the_group_does_not_hold(make: Make):
    """A group that is all 3+7 leaves for 5 and for 2, which are worth 0 for certain."""
    trainer = make(CoupledCredit(rollouts=9, normalise="none"))
    script(trainer, first=["3+7"] * 4)
    batch = batch_of(trainer)
    assert batch["advantages"][0].tolist() == pytest.approx(ADVANTAGES["3+7"], abs=1e-5)
    assert trainer._metrics["train"]["credit/rollouts"][0] > 0


def test_vines_with_known_rollouts_give_our_advantages(make: Make):
    """Four rollouts from each state, one of each kind that there is, as often as it comes."""
    trainer = make(VineCredit(rollouts=4, normalise="none"))
    script(trainer, first=["3+7", "3+2", "5-", "5-"])
    batch = batch_of(trainer)
    for text, advantages, mask in zip(texts(batch), batch["advantages"], batch["completion_mask"], strict=True):
        assert advantages[mask.bool()].tolist() == pytest.approx(ADVANTAGES[text])
    assert trainer._metrics["train"]["credit/rollouts"] == [4 * 7]  # from ?, ?3, ?3+, ?3+7, ?3+2, ?5, ?5-
    assert trainer._metrics["train"]["credit/states"] == [7]


def script(trainer: Any, *, first: list[str]) -> None:
    """The first call writes these; later ones go on in every way there is, each as often as it comes."""
    calls: list[int] = []
    ways = {"?": ["3+7", "3+2", "5-", "5-"], "3": ["+7", "+2"], "+": ["7", "2"], "5": ["-"]}

    def generate(prompts: list[list[int]], *rest: Any) -> tuple[list[list[int]], None]:
        calls.append(len(prompts))
        if len(calls) == 1:
            return [[*ids(text), WORDS.eos_token_id] for text in first], None
        written: dict[int, int] = {}
        found = []
        for prompt in prompts:
            own = ways.get(WORDS.decode(prompt[-1:]), [""])
            number = written.setdefault(len(prompt) * 1000 + prompt[-1], 0)
            written[len(prompt) * 1000 + prompt[-1]] += 1
            found.append([*ids(own[number % len(own)]), WORDS.eos_token_id])
        return found, None

    trainer._generate_single_turn = generate


def test_rloo_compares_within_the_group(make: Make):
    """Rewards 1 0 0 0: 1 - 0 for the first, 0 - 1/3 for the others."""
    trainer = make(RlooCredit())
    script(trainer, first=["3+7", "3+2", "5-", "5-"])
    advantages = batch_of(trainer)["advantages"]
    assert advantages[:, 0].tolist() == pytest.approx([1, -1 / 3, -1 / 3, -1 / 3])
    assert advantages[1].tolist() == pytest.approx([-1 / 3] * 4)


def test_advantages_are_scaled_over_the_batch(make: Make):
    trainer = make(RlooCredit(normalise="scale"))
    script(trainer, first=["3+7", "3+2", "5-", "5-"])
    batch = batch_of(trainer)
    squares = (batch["advantages"] ** 2)[batch["completion_mask"].bool()]
    assert squares.mean().item() == pytest.approx(1, abs=1e-5)


# --- what learns -------------------------------------------------------------------------------------------------


def test_masked_tokens_leave_the_loss_and_its_mean(make: Make):
    """Of 3 + 7 end only 3 and 7 were chosen (one half each); of 5 - end only 5."""
    trainer = make(VineCredit(rollouts=1, mask_above=0.9))
    script(trainer, first=["3+7", "3+2", "5-", "5-"])
    batch = batch_of(trainer)
    assert batch["tool_mask"].tolist() == [[1, 0, 1, 0], [1, 0, 1, 0], [1, 0, 0, 0], [1, 0, 0, 0]]
    assert batch["num_items_in_batch"] == 6


def test_what_no_reward_function_scores_is_neither_compared_with_nor_learned_from(make: Make):
    def silent(completions: list[str], **_: object) -> list[float | None]:
        return [None if text == "5-" else float("7" in text) for text in completions]

    trainer = make(RlooCredit(), more={"reward_funcs": silent})
    script(trainer, first=["3+7", "3+2", "5-", "5-"])
    assert batch_of(trainer)["advantages"][:, 0].tolist() == [1, -1, 0, 0]


def test_several_rewards_are_weighed_as_trl_weighs_them(make: Make):
    def five(completions: list[str], **_: object) -> list[float | None]:
        return [1.0 if "5" in text else None for text in completions]

    async def late(completions: list[str], **_: object) -> list[float]:
        return [10.0 * ("2" in text) for text in completions]

    trainer = make(RlooCredit(), more={"reward_funcs": [seven, five, late]}, reward_weights=[1.0, 2.0, 0.1])
    script(trainer, first=["3+7", "3+2", "5-", "5-"])
    # Rewards 1, 1, 2, 2: minus the mean of the others, 5/3 and 4/3.
    assert batch_of(trainer)["advantages"][:, 0].tolist() == pytest.approx([-2 / 3, -2 / 3, 2 / 3, 2 / 3])


def test_evaluation_costs_no_rollouts(make: Make):
    trainer = make(VineCredit(rollouts=4), log_completions=True)
    trainer.model.eval()
    batch = trainer._generate_and_score_completions(rows(1, each=4))
    assert batch["advantages"].dim() == 1
    assert "credit/rollouts" not in trainer._metrics["eval"] | trainer._metrics["train"]
    assert list(trainer._logs["extra"]["steps"]) == [None] * 4


def test_the_table_of_completions_has_the_steps(make: Make):
    trainer = make(VineCredit(rollouts=4, normalise="none"), log_completions=True)
    script(trainer, first=["3+7", "3+2", "5-", "5-"])
    batch_of(trainer)
    assert trainer._logs["extra"]["steps"][0] == "+0.25 (0.25) 3\n+0.00 (0.50) +\n+0.50 (0.50) 7\n+0.00 (1.00) "
    assert trainer._logs["advantages"][0] == pytest.approx(0.75 / 4)
    assert len(trainer._logs["advantages"]) == len(trainer._logs["prompt"])


def test_steps_may_begin_where_the_policy_was_uncertain(make: Make):
    trainer = make(VineCredit(rollouts=4, normalise="none"), UncertainSteps(threshold=0.9, every=1))
    script(trainer, first=["3+7", "3+2", "5-", "5-"])
    batch_of(trainer)
    assert trainer._metrics["train"]["steps/mean"] == [1.5]  # 3+ | 7 end, and 5- end


# --- the law and the engine --------------------------------------------------------------------------------------


def test_log_probs_are_those_of_the_sampling_law(make: Make):
    """One half for 3, all for what follows; with a nucleus of one half, top-k of 1, there was no choice at all."""
    half = -0.6931472
    law = make()._law
    prompt, response = ids("1=?"), (*ids("3+7"), WORDS.eos_token_id)
    assert law.logprobs(prompt, response, Sampling()) == pytest.approx((half, 0, half, 0), abs=1e-5)
    greedy = law.logprobs(prompt, response, Sampling(top_k=1))
    assert {round(logprob, 5) for logprob in greedy} <= {0.0, float("-inf"), round(half, 5)}


def test_continuations_leave_what_is_known_and_keep_to_their_limit(make: Make):
    engine = engine_of(make())
    known = ids("3")
    asked = [
        Request(prefix=ids("1=?"), count=3, seed=1, forbidden_first=known, stratified=True),
        Request(prefix=ids("1=?3"), count=2, seed=2, max_new_tokens=1),
        Request(prefix=ids("1=?"), count=4, seed=3, stratified=True),
    ]
    left, short, spread = engine.sample(asked, Sampling(max_new_tokens=8))
    assert {own.token_ids for own in left} == {(*ids("5-"), WORDS.eos_token_id)}
    assert left[0].logprobs[0] == pytest.approx(0, abs=1e-5)  # the law without 3
    assert {own.finish for own in left} == {"terminated"}
    assert [(own.token_ids, own.finish) for own in short] == [(ids("+"), "truncated")] * 2
    assert sorted(own.token_ids[0] for own in spread) == sorted([*ids("3") * 2, *ids("5") * 2])  # two of four shares


def test_sampling_again_gives_the_same_and_leaves_torchs_numbers_alone(make: Make):
    engine = engine_of(make())
    asked = [Request(prefix=ids("1=?"), count=16, seed=5)]
    state = torch.get_rng_state()
    first = engine.sample(asked, Sampling(max_new_tokens=8))
    assert torch.equal(torch.get_rng_state(), state)
    assert engine.sample(asked, Sampling(max_new_tokens=8)) == first
    assert len({own.token_ids for own in first[0]}) == 3


def engine_of(trainer: Any) -> Any:
    from vineppo.integrations.trl.engine import TrlEngine

    return TrlEngine(trainer, trainer._law, trainer._processes, together=None)


def test_what_rollouts_log_is_not_the_completions(make: Make):
    def telling(completions: list[str], log_extra: Any, log_metric: Any, **_: object) -> list[float]:
        log_extra("length", [len(text) for text in completions])
        log_metric("sevens", sum("7" in text for text in completions))
        return seven(completions)

    trainer = make(VineCredit(rollouts=4), more={"reward_funcs": telling}, log_completions=True)
    script(trainer, first=["3+7", "3+2", "5-", "5-"])
    batch_of(trainer)
    assert list(trainer._logs["extra"]["length"]) == [3, 3, 2, 2]
    assert trainer._metrics["train"]["sevens"] == [1]
    assert not trainer._pending_extra_logs
    assert not trainer._pending_metrics


# --- TRL's own ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"loss_type": "grpo", "num_iterations": 2, "scale_rewards": "batch"},
        {"gradient_accumulation_steps": 2, "steps_per_generation": 4, "per_device_train_batch_size": 4},
    ],
)
def test_grpo_is_trls_to_the_last_bit(make: Make, settings: dict[str, Any]):
    found = []
    for kind in (GRPOTrainer, None):
        more = {"model": coin_model()}
        made = make(max_steps=3, more=more, **settings, **({"kind": kind} if kind else {"credit": GrpoCredit()}))
        made.train()
        found.append(made.model.state_dict())
    plain, ours = found
    assert all(torch.equal(plain[name], ours[name]) for name in plain)
    start = coin_model().state_dict()
    assert any(not torch.equal(plain[name], start[name]) for name in start)


def test_our_grpo_means_what_trls_does(make: Make):
    from vineppo.credit.group import grpo

    trainer = make(GrpoCredit(), TokensSteps(length=1))
    script(trainer, first=["3+7", "3+2", "5-", "5-"])
    assert batch_of(trainer)["advantages"][:, 0].tolist() == pytest.approx(grpo([1, 0, 0, 0]), rel=1e-5)
