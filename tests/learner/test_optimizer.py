"""The schedule by hand; what happens to gradients that must not be applied."""

import copy
from math import sqrt

import pytest
import torch
from torch import nn

from vineppo.engines.torch.passing import Living
from vineppo.learner.optimizer import Optimizer


def optimizer_of(module: nn.Module, **settings) -> Optimizer:
    defaults = {
        "learning_rate": 1.0,
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "updates": 10,
        "warmup_ratio": 0.2,
        "shape": "linear",
    }
    return Optimizer(module, **{**defaults, **settings})


def test_linear_warm_up_then_linear_decay():
    optimizer, rates = optimizer_of(nn.Linear(1, 1)), []
    for _ in range(10):
        rates.append(optimizer.learning_rate)
        optimizer.step()
    assert rates == pytest.approx([0.5, 1.0, 1.0, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8])
    assert optimizer.learning_rate == 0


def test_constant_schedule_stays_after_the_warm_up():
    optimizer = optimizer_of(nn.Linear(1, 1), shape="constant", warmup_ratio=0.0)
    assert [optimizer.learning_rate for _ in range(12) if optimizer.step() is not None] == [1.0] * 12


def with_gradient(value: float) -> nn.Linear:
    layer = nn.Linear(1, 1)
    layer(torch.ones(1, 1)).mul(value).sum().backward()
    return layer


def test_the_norm_is_that_before_clipping():
    assert optimizer_of(with_gradient(30.0)).step() == pytest.approx(30 * 2**0.5)


@pytest.mark.parametrize(("value", "veto", "norm"), [(float("nan"), False, None), (3.0, True, 3 * 2**0.5)])
def test_a_dropped_gradient_changes_no_weight_and_is_cleared(value: float, veto: bool, norm: float | None):
    layer = with_gradient(value)
    before = [p.detach().clone() for p in layer.parameters()]
    assert optimizer_of(layer).step(veto=veto) == (None if norm is None else pytest.approx(norm))
    for parameter, old in zip(layer.parameters(), before, strict=True):
        assert torch.equal(parameter, old)
        assert parameter.grad is None


def test_state_continues_where_it_was_taken():
    torch.manual_seed(0)
    one, other = nn.Linear(3, 1), nn.Linear(3, 1)
    other.load_state_dict(one.state_dict())
    first, data = optimizer_of(one), torch.randn(8, 3)
    for _ in range(3):
        one(data).square().mean().backward()
        first.step()
    other.load_state_dict(one.state_dict())
    second = optimizer_of(other)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for layer, optimizer in ((one, first), (other, second)):
        layer(data).square().mean().backward()
        optimizer.step()
    assert torch.equal(one.weight, other.weight)


def test_two_steps_of_adamw_by_hand():
    # Gradients 1 and 3 at rates 0.1 and 0.09: m = 0.1, 0.39 and v = 0.001, 0.009999, over 1 - 0.9^t and 1 - 0.999^t.
    weight = nn.Parameter(torch.tensor([5.0]))
    optimizer = optimizer_of(nn.ParameterList([weight]), learning_rate=0.1, max_grad_norm=9.0, warmup_ratio=0.0)
    for gradient in (1.0, 3.0):
        weight.grad = torch.tensor([gradient])
        optimizer.step()
    second = 0.09 * (0.39 / 0.19) / sqrt(0.009999 / 0.001999)
    assert weight.item() == pytest.approx(5 - 0.1 - second, abs=1e-6)


def test_a_step_makes_nothing_of_a_weights_size():
    # The forecast of memory counts nothing for it.
    layer = nn.Linear(100, 100)
    optimizer = optimizer_of(layer)
    for _ in range(2):  # the first one makes the moments
        layer(torch.ones(1, 100)).sum().backward()
        with Living() as living:
            optimizer.step()
    assert living.peak < layer.weight.nbytes / 2
