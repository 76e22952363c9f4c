"""Pooled ratios: weights by hand, and what they make of an update."""

import random
from dataclasses import replace

import pytest
import torch

from tiny_models import tiny_model
from vineppo.credit.grpo_lambda import GrpoLambdaCredit
from vineppo.learner.learner import Learner
from vineppo.learner.logprobs import TokenLogprobs
from vineppo.learner.pooling import pooled
from vineppo.settings.learner import LearnerConfig, Ratio, Trace
from vineppo.types import Sample

RECENT, BOTH = Trace(decay=0.9), Trace(decay=0.9, since_start=True)


def weights(ratio: Ratio, length: int) -> torch.Tensor:
    """[T, T] of a response alone: row t is what the log-ratios count for in z_t."""
    log_ratios = torch.zeros(length, dtype=torch.double, requires_grad=True)
    z = pooled(log_ratios, torch.ones(length, dtype=torch.bool), [length], ratio)
    return torch.stack([torch.autograd.grad(own, log_ratios, retain_graph=True)[0] for own in z])


def test_how_much_each_tokens_gradient_counts():
    assert weights(RECENT, 5).sum(0).tolist() == pytest.approx([4.0951, 3.439, 2.71, 1.9, 1])
    assert weights(BOTH, 5).sum(0).tolist() == pytest.approx([5, 3.7, 2.71, 1.9, 1])
    assert weights(BOTH, 5)[-1].tolist() == pytest.approx([1, 0.9, 0.81, 0.9, 1])
    early = weights(Trace(decay=0.99), 256).sum(0)
    assert early[[0, 128, 255]].tolist() == pytest.approx([92.4, 72.4, 1], abs=0.05)
    assert weights(Trace(decay=0.99, since_start=True), 256).sum(0)[0] == pytest.approx(256)


@pytest.mark.parametrize("length", [1, 2, 3, 8, 13])
@pytest.mark.parametrize("decay", [0.0, 0.7, 1.0])
def test_traces_are_the_sums_that_they_are_defined_as(length: int, decay: float):
    rows = [[decay ** (t - k) if k <= t else 0.0 for k in range(length)] for t in range(length)]
    torch.testing.assert_close(weights(Trace(decay=decay), length), torch.tensor(rows, dtype=torch.double))
    both = [[max(w, decay**k) if k <= t else 0.0 for k, w in enumerate(row)] for t, row in enumerate(rows)]
    found = weights(Trace(decay=decay, since_start=True), length)
    torch.testing.assert_close(found, torch.tensor(both, dtype=torch.double))


def test_a_sequences_ratio_is_the_geometric_mean_of_its_tokens():
    assert weights("sequence", 4).tolist() == [[0.25] * 4] * 4
    assert weights("token", 3).tolist() == torch.eye(3).tolist()


@pytest.mark.parametrize("ratio", ["token", "sequence", RECENT, BOTH])
def test_samples_that_lie_one_after_the_other_keep_apart(ratio: Ratio):
    torch.manual_seed(0)
    lengths = [3, 1, 6, 2]
    parts = [torch.randn(length) for length in lengths]
    together = pooled(torch.cat(parts), torch.ones(12, dtype=torch.bool), lengths, ratio)
    alone = [pooled(own, torch.ones(len(own), dtype=torch.bool), [len(own)], ratio) for own in parts]
    torch.testing.assert_close(together, torch.cat(alone))


def test_tokens_that_do_not_learn_take_no_part():
    log_ratios, learning = torch.tensor([1.0, 50.0, 3.0]), torch.tensor([True, False, True])
    assert pooled(log_ratios, learning, [3], "sequence").tolist() == [2, 2, 2]
    assert pooled(log_ratios, learning, [3], RECENT).tolist() == pytest.approx([1, 0.9, 3.81])
    nothing = torch.zeros(3, dtype=torch.bool)
    assert pooled(log_ratios, nothing, [3], "sequence").tolist() == [0, 0, 0]


# --- in the update -----------------------------------------------------------------------------------------------


def samples() -> list[Sample]:
    """Of several lengths, each with one advantage."""
    rng = random.Random(0)
    found = []
    for advantage, length in zip((1.0, -0.1, -0.1, 0.8, 0.0), (5, 9, 2, 7, 4), strict=True):
        ids = tuple(rng.randrange(13) for _ in range(3 + length))
        found.append(
            Sample(token_ids=ids, prompt_length=3, logprobs=(-1.0,) * length, advantages=(advantage,) * length)
        )
    return found


def updated(
    method: Ratio, own: list[Sample] | None = None, **settings: object
) -> tuple[dict[str, float], torch.Tensor]:
    """Metrics and weights after two epochs."""
    model = tiny_model("llama")
    config = LearnerConfig.model_validate(
        {"learning_rate": 0.01, "minibatch": 5, "epochs": 2, "kl_coefficient": 0, "micro_batch": 2, **settings}
    )
    learner = Learner(TokenLogprobs(model, temperature=1.0, chunk=100), None, config, updates=4, ratio=method)
    metrics = learner.update(own or samples(), seed=0)
    return metrics, torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def test_a_trace_without_reach_is_an_ordinary_update():
    (_, plain), (_, traced) = updated("token"), updated(GrpoLambdaCredit(trace="recent", trace_lambda=0).ratio)
    assert torch.equal(plain, traced)


def test_each_way_to_pool_is_another_update_and_micro_batches_change_nothing():
    ratios: list[Ratio] = ["token", "sequence", RECENT, BOTH]
    found = {ratio: updated(ratio)[1] for ratio in ratios}
    for ratio, weights in found.items():
        torch.testing.assert_close(updated(ratio, micro_batch=5)[1], weights, atol=1e-4, rtol=1e-3)
        assert all(other is weights or not torch.allclose(other, weights, atol=1e-3) for other in found.values())


def test_the_settings_ratio_comes_before_the_methods():
    assert torch.equal(updated(BOTH, ratio="sequence")[1], updated("sequence")[1])


def test_a_sequence_is_clipped_as_a_whole():
    # A response all of whose tokens share a ratio is clipped with all of them or with none.
    metrics, _ = updated("sequence", [replace(samples()[1])], minibatch=1, epochs=4, clip=1e-6)
    assert metrics["ratio/clipped"] == 0.75  # all but the first update, in which every ratio is 1


def test_an_idle_tail_is_part_of_a_sequences_ratio():
    tailed = [replace(own, advantages=(*own.advantages[:1], *(0.0,) * (len(own.advantages) - 1))) for own in samples()]
    with_skip, without = (updated(BOTH, tailed, skip_idle=skip)[1] for skip in (True, False))
    torch.testing.assert_close(with_skip, without, atol=1e-5, rtol=1e-4)
    with pytest.raises(ValueError, match=r"skip_idle is true, but learner\.ratio is sequence"):
        LearnerConfig(skip_idle=True, kl_coefficient=0, ratio="sequence")
