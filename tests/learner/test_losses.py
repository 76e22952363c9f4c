"""The losses, by hand and by property."""

from math import log

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vineppo.learner.losses import dpo_positive_loss, k3, ppo_clip_loss, value_loss


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32)


def test_ppo_clip_by_hand():
    old = tensor(0, 0, 0, 0)
    new = tensor(log(1.5), log(1.5), log(0.5), log(0.5))
    advantages = tensor(1, -1, 1, -1)
    # ratio 1.5 earns only 1.2 when it helps, costs 1.5 when it hurts; 0.5 likewise
    assert ppo_clip_loss(new - old, advantages, clip=0.2).tolist() == pytest.approx([-1.2, 1.5, -0.5, 0.8])


def test_outside_the_clip_range_a_good_token_pulls_no_further():
    new = tensor(log(1.5), 0.0).requires_grad_()
    ppo_clip_loss(new - tensor(0, 0), tensor(1, 1), clip=0.2).sum().backward()
    assert new.grad is not None
    assert new.grad.tolist() == [0, -1]


def test_k3_by_hand():
    # d = reference - policy = log 2: 2 - log 2 - 1
    assert float(k3(tensor(0), tensor(log(2)))) == pytest.approx(1 - log(2))
    assert float(k3(tensor(-1), tensor(-1))) == 0
    assert float(k3(tensor(-50), tensor(0))) == 10, "clamped"


@given(st.lists(st.floats(0.4, 1), min_size=2, max_size=4), st.lists(st.floats(0.4, 1), min_size=4, max_size=4))
def test_k3_averages_to_the_exact_kl_where_nothing_is_clamped(policy: list[float], reference: list[float]):
    p = tensor(*policy) / sum(policy)
    q = tensor(*reference[: len(policy)]) / sum(reference[: len(policy)])
    assert float((p * k3(p.log(), q.log())).sum()) == pytest.approx(float((p * (p / q).log()).sum()), abs=1e-5)


def test_value_loss_takes_the_larger_of_plain_and_clipped_error():
    # value 1, old 0, target 1, clip 0.2: the clipped value 0.2 is still 0.8 off
    assert value_loss(tensor(1.0), tensor(0.0), tensor(1.0), clip=0.2).tolist() == pytest.approx([0.32])
    assert value_loss(tensor(1.0), tensor(0.0), tensor(1.0), clip=None).tolist() == [0]
    assert value_loss(tensor(0.1), tensor(0.0), tensor(1.0), clip=0.2).tolist() == pytest.approx([0.405])


# --- DPO-Positive ------------------------------------------------------------------------------------------------


def preference(chosen: float, rejected: float, *, beta: float = 1.0, penalty: float = 0.0) -> float:
    return float(dpo_positive_loss(tensor(chosen), tensor(rejected), beta=beta, penalty=penalty))


def test_dpo_by_hand():
    assert preference(0, 0) == pytest.approx(log(2)), "before the first update the preference is a coin"
    assert preference(log(3), 0) == pytest.approx(log(4 / 3))  # sigmoid(log 3) = 3/4
    assert preference(log(2), log(6)) == pytest.approx(log(4))  # sigmoid(-log 3) = 1/4
    assert preference(log(9), 0, beta=0.5) == pytest.approx(log(4 / 3))


def test_the_penalty_by_hand():
    # the accepted response lost log 2, the rejected one log 16: a margin of log 8, minus lambda log 2
    assert preference(-log(2), -log(16)) == pytest.approx(log(9 / 8))
    assert preference(-log(2), -log(16), penalty=3.0) == pytest.approx(log(2))
    assert preference(-log(2), -log(16), penalty=4.0) == pytest.approx(log(3))  # sigmoid(-log 2) = 1/3
    assert preference(log(2), log(1 / 4), penalty=50.0) == preference(log(2), log(1 / 4)), "nothing was lost"


def slopes(chosen: float, rejected: float, **settings: float) -> list[float]:
    both = tensor(chosen, rejected).requires_grad_()
    dpo_positive_loss(both[:1], both[1:], **settings).sum().backward()
    assert both.grad is not None
    return both.grad.tolist()


def test_gradients_by_hand():
    # -(1 - sigmoid) beta, and the opposite; where the accepted response lost, 1 + lambda times as steep for it
    assert slopes(log(3), 0, beta=1.0, penalty=5.0) == pytest.approx([-0.25, 0.25])
    assert slopes(-log(2), -log(16), beta=1.0, penalty=3.0) == pytest.approx([-0.5 * 4, 0.5])
    assert slopes(-log(2), -log(16), beta=0.5, penalty=3.0) == pytest.approx([-0.25 * 4, 0.25])


@given(st.floats(-5, 5), st.floats(-5, 5), st.floats(0.01, 2), st.floats(0, 60))
def test_the_penalty_only_ever_costs_and_only_where_the_accepted_response_lost(
    chosen: float, rejected: float, beta: float, penalty: float
):
    plain, positive = (preference(chosen, rejected, beta=beta, penalty=p) for p in (0.0, penalty))
    assert positive >= plain
    if chosen >= 0:
        assert positive == plain
