"""Packed and ragged passes are one and the same update."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from tiny_models import tiny_kind, tiny_model
from vineppo.credit.gae import PpoCredit
from vineppo.learner.batch import collate, collate_trees
from vineppo.learner.critic import Critic, ValueNetwork
from vineppo.learner.learner import Learner
from vineppo.learner.likelihood import accumulate_likelihood
from vineppo.learner.logprobs import TokenLogprobs
from vineppo.learner.packable import costs_of, pack_difference
from vineppo.learner.passes import Passes
from vineppo.learner.recompute import enable_recompute
from vineppo.learner.reference import frozen_copy
from vineppo.learner.scores import score
from vineppo.metrics import Metrics
from vineppo.processes import ALONE, Processes
from vineppo.settings.learner import LearnerConfig
from vineppo.settings.operations import Costs
from vineppo.types import Sample

ALWAYS = Costs(token=10**9, pair=1, layers=0)
"""What is shared is worth everything."""
ROWS, PACKED = Passes(rows=3), Passes(rows=3, costs=ALWAYS)


def group(seed: int, *, trajectories: int = 3, branches: int = 5, prompt: int = 6) -> tuple[list[Sample], list[Sample]]:
    """Trajectories that share their first tokens, and branches that leave the first one anywhere; masks among both."""
    rng = np.random.default_rng(seed)

    def sampled(before: list[int], length: int) -> Sample:
        return Sample(
            token_ids=(*before, *rng.integers(3, 13, size=length).tolist()),
            prompt_length=len(before),
            logprobs=tuple(rng.uniform(-3, -0.1, size=length).tolist()),
            advantages=tuple(rng.normal(size=length).tolist()),
            returns=tuple(rng.uniform(size=length).tolist()),
            mask=tuple((rng.uniform(size=length) < 0.8).tolist()) if rng.uniform() < 0.5 else None,
        )

    before = rng.integers(3, 13, size=prompt).tolist()
    own = [sampled(before, int(rng.integers(8, 30))) for _ in range(trajectories)]
    twin = replace(own[0], token_ids=(*own[0].token_ids[:-1], 2))  # leaves the first one at its last token
    first = list(own[0].token_ids)
    leaves = rng.integers(prompt, len(first), size=branches)
    return [*own, twin], [sampled(first[:at], int(rng.integers(1, 12))) for at in leaves]


def groups(*seeds: int) -> tuple[list[Sample], list[Sample]]:
    made = [group(seed) for seed in seeds]
    return [s for own, _ in made for s in own], [b for _, others in made for b in others]


def caught(module: nn.Module, optimizer) -> list[dict[str, torch.Tensor]]:
    """The gradients of all updates to come."""
    found: list[dict[str, torch.Tensor]] = []
    step = optimizer.step

    def catch(**options):
        found.append({name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None})
        return step(**options)

    optimizer.step = catch
    return found


def assert_agree(found: list[dict[str, torch.Tensor]], expected: list[dict[str, torch.Tensor]]) -> None:
    """To 1e-5 of the whole gradient."""
    for own, other in zip(found, expected, strict=True):
        assert own.keys() == other.keys()
        difference = sum(float((own[name] - other[name]).square().sum()) for name in own) ** 0.5
        assert difference <= 1e-5 * sum(float(part.square().sum()) for part in other.values()) ** 0.5


def updated(name: str, passes: Passes, *, recompute: bool = False, **settings) -> tuple[list, Metrics]:
    """Gradients and metrics of two questions' samples."""
    model = tiny_model(name)
    if recompute:
        enable_recompute(model)
    start = TokenLogprobs(copy.deepcopy(model), temperature=0.7, chunk=1000)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.003)
    policy = TokenLogprobs(model, temperature=0.7, chunk=7, recompute=recompute)
    options = {"minibatch": 8, "epochs": 1, "kl_coefficient": 0.1, "ratio_guard": 1e9, **settings}
    reference = frozen_copy(start, passes=passes) if options["kl_coefficient"] else None
    learner = Learner(policy, reference, LearnerConfig(**options), updates=4, passes=passes)
    gradients = caught(model, learner._optimizer)
    samples, branches = groups(0, 1)
    return gradients, learner.update(samples, branches=branches, seed=0)


NAMES = ["llama", "llama-gqa", "qwen2", "qwen3", "mistral-sliding", "gemma", "gpt-neox", "phi", "gpt2"]


@pytest.mark.parametrize("name", NAMES)
def test_gradients_and_metrics_are_those_of_rows(name: str):
    expected, metrics = updated(name, ROWS)
    found, packed = updated(name, PACKED)
    assert_agree(found, expected)
    assert packed == pytest.approx(metrics, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(
    ("passes", "settings"),
    [
        (replace(PACKED, pack_tokens=40), {}),  # a group is cut into several packs
        (PACKED, {"recompute": True}),
        (PACKED, {"minibatch": 4, "epochs": 2, "learning_rate": 1e-5}),
        (PACKED, {"kl_coefficient": 0, "skip_idle": True, "average": "responses"}),
    ],
)
def test_so_they_are_whatever_the_settings(passes: Passes, settings: dict):
    expected, metrics = updated("mistral-sliding", ROWS, **settings)
    found, packed = updated("mistral-sliding", passes, **settings)
    assert_agree(found[:1], expected[:1])  # AdamW takes rounding of the next ones for a direction
    assert len(found) == len(expected)
    assert packed == pytest.approx(metrics, rel=1e-3, abs=1e-4)


def test_many_blocks_of_queries(monkeypatch: pytest.MonkeyPatch):
    # Five queries a block, whose path to the root reaches far back.
    monkeypatch.setattr("vineppo.attending.tree_attention.block_size", lambda nodes, depth: 5)
    assert_agree(updated("mistral-sliding", PACKED)[0], updated("mistral-sliding", ROWS)[0])


class OneOf(Processes):
    """One of several processes, which hears nothing of the others."""

    def gather(self, own):
        return [own] * self.count


def test_two_processes_are_dealt_packs_and_add_up_to_the_same():
    samples, branches = groups(0, 1, 2)
    items = [*samples, *branches]

    def gradients(processes: Processes) -> list[torch.Tensor]:
        policy = TokenLogprobs(tiny_model("llama"), temperature=1.0, chunk=100)
        accumulate_likelihood(policy, items, range(len(items)), passes=PACKED, processes=processes)
        return [torch.zeros_like(p) if p.grad is None else p.grad for p in policy.parameters()]

    assert PACKED.deal(items, range(len(items)), count=2).packed
    for one, other, alone in zip(
        gradients(OneOf(rank=0, count=2)), gradients(OneOf(rank=1, count=2)), gradients(ALONE), strict=True
    ):
        torch.testing.assert_close((one + other) / 2, alone, atol=1e-6, rtol=1e-4)  # DDP takes the mean of both


def test_what_is_shared_goes_through_the_model_once():
    model, tokens = tiny_model("llama"), []
    samples, branches = group(3)
    model.base_model.register_forward_pre_hook(
        lambda module, args, given: tokens.append(given["input_ids"].numel()), with_kwargs=True
    )
    policy, together = TokenLogprobs(model, temperature=1.0, chunk=100), [*samples, *branches]
    packed = score(policy, together, passes=replace(PACKED, pack_tokens=10_000))
    distinct = {own.token_ids[:stop] for own in together for stop in range(1, len(own.token_ids) + 1)}
    assert tokens == [len(distinct)]
    torch.testing.assert_close(packed, score(policy, together, passes=ROWS), atol=1e-5, rtol=1e-5)


def test_the_vocabulary_wide_law_is_made_once_for_a_token_that_samples_share():
    samples, _ = group(5)
    pair = [samples[0], samples[-1]]  # the same response but for its last token
    batch = collate_trees(pair)
    assert len(batch.targets) == pair[0].response_length + 1
    assert len(batch.spread(torch.zeros(len(batch.targets)))) == 2 * pair[0].response_length
    assert batch.targets[batch.places].tolist() == collate(pair).targets.tolist()


def test_the_value_network_learns_the_same():
    def trained(passes: Passes) -> tuple[list, Metrics]:
        torch.manual_seed(0)
        network = ValueNetwork(tiny_model("llama"))
        nn.init.normal_(network.output.weight)
        settings = LearnerConfig(minibatch=8, epochs=1)
        critic = Critic(network, settings, PpoCredit().critic, updates=1, passes=passes)
        gradients = caught(network, critic._optimizer)
        return gradients, critic.update(groups(0, 1)[0], seed=0)

    (expected, metrics), (found, packed) = trained(ROWS), trained(PACKED)
    assert_agree(found, expected)
    assert packed == pytest.approx(metrics, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("name", [*NAMES, "gemma2"])
def test_models_that_attend_only_pack_exactly(name: str):
    model = tiny_model(name)
    assert pack_difference(model, 20) < 1e-5
    assert costs_of(model, context=64) is not None


@pytest.mark.parametrize("name", ["mamba", "rwkv", "bloom", "gpt_neo", "llama4_text"])
def test_others_take_their_samples_as_rows(name: str):
    assert costs_of(tiny_kind(name), context=64) is None


def test_operations_are_counted_from_the_weights():
    costs = costs_of(tiny_model("llama-gqa"), context=64)
    # Three layers of 32 x 32 twice, 32 x 16 twice and 32 x 48 thrice; 4 operations a pair, layer and query's number.
    assert costs == Costs(token=2 * 3 * (2 * 32 * 32 + 2 * 32 * 16 + 3 * 32 * 48), pair=4 * 3 * 32, layers=3)
