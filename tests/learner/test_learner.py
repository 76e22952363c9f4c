"""The update: its log-probs are the model's, and cutting it into pieces changes nothing."""

import copy
import random
from dataclasses import replace
from math import log

import pytest
import torch
from transformers import PreTrainedModel

from tiny_models import CONFIGS, tiny_model
from vineppo.credit.gae import PpoCredit
from vineppo.errors import UserError
from vineppo.learner.batch import collate
from vineppo.learner.critic import Critic, ValueNetwork, explained_variance
from vineppo.learner.idle import without_idle_tail
from vineppo.learner.learner import Learner
from vineppo.learner.logprobs import TokenLogprobs, check_head
from vineppo.learner.minibatches import Round, minibatches
from vineppo.learner.passes import Passes
from vineppo.learner.reference import frozen_copy
from vineppo.learner.scores import score
from vineppo.settings.learner import LearnerConfig
from vineppo.types import Sample

VOCABULARY = 13


def random_samples(count: int, seed: int = 0) -> list[Sample]:
    rng = random.Random(seed)
    samples = []
    for _ in range(count):
        prompt, response = rng.randint(1, 5), rng.randint(1, 9)
        samples.append(
            Sample(
                token_ids=tuple(rng.randrange(VOCABULARY) for _ in range(prompt + response)),
                prompt_length=prompt,
                logprobs=tuple(-rng.random() for _ in range(response)),
                advantages=tuple(rng.gauss(0, 1) for _ in range(response)),
                returns=tuple(rng.random() for _ in range(response)),
            )
        )
    return samples


def scorer(model: PreTrainedModel, *, temperature: float = 0.7, chunk: int = 1000) -> TokenLogprobs:
    return TokenLogprobs(model, temperature=temperature, chunk=chunk)


@torch.no_grad()
def plain_logprobs(model: PreTrainedModel, sample: Sample, temperature: float) -> torch.Tensor:
    ids = torch.tensor([sample.token_ids])
    law = (model(ids, use_cache=False).logits[0, :-1] / temperature).log_softmax(-1)
    return law.gather(-1, ids[0, 1:, None]).squeeze(-1)[sample.prompt_length - 1 :]


@pytest.mark.parametrize("name", [name for name in CONFIGS if name != "gemma2"])
def test_logprobs_of_a_padded_batch_are_those_of_each_sample_alone(name: str):
    model, samples = tiny_model(name), random_samples(6)
    check_head(model)
    for sample, scores in zip(samples, score(scorer(model, chunk=7), samples, passes=Passes(rows=4)), strict=True):
        torch.testing.assert_close(scores, plain_logprobs(model, sample, 0.7), atol=1e-4, rtol=1e-4)


def test_a_model_that_caps_its_logits_is_refused():
    with pytest.raises(UserError, match="Gemma2ForCausalLM changes its logits"):
        check_head(tiny_model("gemma2"))


def test_entropy_is_that_of_the_tempered_law():
    model, (sample,) = tiny_model("llama"), random_samples(1)
    batch = collate([sample])
    _, entropy = scorer(model)(batch)
    law = torch.distributions.Categorical(logits=model(batch.token_ids).logits[0, batch.columns] / 0.7)
    torch.testing.assert_close(entropy, law.entropy(), atol=1e-4, rtol=1e-4)


def gradients_after_one_minibatch(samples: list[Sample], *, micro_batch: int, chunk: int) -> dict[str, torch.Tensor]:
    """The change of weights by one SGD-like AdamW step is hard to compare; the accumulated gradient is not."""
    model = tiny_model("llama")
    reference = frozen_copy(scorer(copy.deepcopy(model)), passes=Passes(rows=micro_batch))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01 * torch.ones_like(parameter))
    settings = LearnerConfig(micro_batch=micro_batch, minibatch=len(samples), epochs=1, kl_coefficient=0.1)
    learner = Learner(scorer(model, chunk=chunk), reference, settings, updates=1)
    caught: dict[str, torch.Tensor] = {}
    step = learner._optimizer.step

    def catch(*, veto: bool = False) -> float | None:
        caught.update({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
        return step(veto=veto)

    learner._optimizer.step = catch  # pyright: ignore[reportAttributeAccessIssue]
    learner.update(samples, seed=0)
    return caught


@pytest.mark.parametrize(("micro_batch", "chunk"), [(1, 1000), (3, 1000), (8, 1), (8, 5), (2, 3)])
def test_accumulated_gradients_equal_those_of_one_big_batch(micro_batch: int, chunk: int):
    samples = random_samples(8)
    whole = gradients_after_one_minibatch(samples, micro_batch=8, chunk=1000)
    parts = gradients_after_one_minibatch(samples, micro_batch=micro_batch, chunk=chunk)
    assert whole.keys() == parts.keys()
    for name, gradient in whole.items():
        torch.testing.assert_close(parts[name], gradient, atol=1e-5, rtol=1e-4)


def test_masked_tokens_neither_learn_nor_count():
    # Each sample's tokens but the last are masked. Whatever their advantages were, the update is that of the last ones.
    samples = random_samples(6)
    masked = [replace(s, mask=(False,) * (s.response_length - 1) + (True,)) for s in samples]
    absurd = [replace(s, advantages=(99.0,) * (s.response_length - 1) + s.advantages[-1:]) for s in masked]
    first, second = (gradients_after_one_minibatch(items, micro_batch=2, chunk=1000) for items in (masked, absurd))
    for name, gradient in first.items():
        torch.testing.assert_close(second[name], gradient, atol=0, rtol=0)
    plain = gradients_after_one_minibatch(samples, micro_batch=2, chunk=1000)
    assert any(not torch.equal(plain[name], gradient) for name, gradient in first.items())


def test_the_mean_is_over_the_tokens_that_learn():
    settings = LearnerConfig(minibatch=1, epochs=1, kl_coefficient=0)
    (sample,) = random_samples(1, seed=3)
    mask = tuple(at % 2 == 0 for at in range(sample.response_length))
    metrics = Learner(scorer(tiny_model("llama")), None, settings, updates=1).update(
        [replace(sample, mask=mask)], seed=0
    )
    learning = [a for a, learns in zip(sample.advantages, mask, strict=True) if learns]
    assert metrics["loss/policy"] == pytest.approx(-sum(learning) / len(learning), abs=1e-6)


def test_a_mask_that_leaves_all_tokens_changes_nothing():
    samples = random_samples(5)
    whole = gradients_after_one_minibatch(samples, micro_batch=2, chunk=1000)
    masked = [replace(s, mask=(True,) * s.response_length) for s in samples]
    for name, gradient in gradients_after_one_minibatch(masked, micro_batch=2, chunk=1000).items():
        assert torch.equal(gradient, whole[name])


def test_a_mask_leaves_tokens_out_of_the_kl_and_of_the_ratios_that_are_told():
    samples = [replace(s, mask=(False,) * s.response_length) for s in random_samples(3)]
    for gradient in gradients_after_one_minibatch(samples, micro_batch=2, chunk=1000).values():
        assert not gradient.any()
    (own,) = random_samples(1, seed=3)
    shorter = replace(own, token_ids=own.token_ids[:-1], logprobs=own.logprobs[:-1], advantages=own.advantages[:-1])
    masked = replace(own, mask=(*(True,) * (own.response_length - 1), False))
    first, second = (gradients_after_one_minibatch([one], micro_batch=1, chunk=1000) for one in (shorter, masked))
    for name, gradient in first.items():
        torch.testing.assert_close(second[name], gradient, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("replayed", [(0,), (0, 1, 2, 3), (3,)])
def test_an_earlier_policys_samples_are_compared_with_what_they_were_sampled_with(replayed: tuple[int, ...]):
    model = tiny_model("llama")
    settings = LearnerConfig(minibatch=2, micro_batch=1, epochs=1, kl_coefficient=0, learning_rate=1e-9, clip=1e-3)
    samples = random_samples(4, seed=1)
    now = score(scorer(model), samples, passes=Passes(rows=2))
    # Those of now are 1.5 times as probable as they were, the others have log-probs that nobody looks at.
    older = [
        replace(own, replayed=True, logprobs=tuple((old - log(1.5)).tolist())) if i in replayed else own
        for i, (own, old) in enumerate(zip(samples, now, strict=True))
    ]
    metrics = Learner(scorer(model), None, settings, updates=2).update(older, seed=0)
    batches = list(minibatches(4, size=2, seed=0, epoch=0))
    ratios = [
        [1.5 if i in replayed else 1.0 for i in batch for _ in range(samples[i].response_length)] for batch in batches
    ]
    assert metrics["ratio/mean"] == pytest.approx(sum(sum(own) / len(own) for own in ratios) / 2, abs=1e-4)


def test_a_minibatch_in_which_no_token_learns_has_no_policy_gradient():
    model = tiny_model("llama")
    samples = [replace(s, mask=(False,) * s.response_length) for s in random_samples(3)]
    settings = LearnerConfig(minibatch=3, epochs=1, kl_coefficient=0)
    metrics = Learner(scorer(model), None, settings, updates=1).update(samples, seed=0)
    assert (metrics["loss/policy"], metrics["grad_norm"], metrics["updates_nonfinite"]) == (0, 0, 0)


def test_the_vocabulary_wide_law_never_exists_for_more_than_a_chunk(monkeypatch: pytest.MonkeyPatch):
    model, rows = tiny_model("llama"), []
    policy = scorer(model, chunk=4)
    policy.head.register_forward_hook(lambda module, args, output: rows.append(output.shape[0]))
    samples = random_samples(5)
    score(policy, samples, passes=Passes(rows=5))
    assert max(rows) <= 4
    assert sum(rows) == sum(sample.response_length for sample in samples)


def test_an_update_makes_good_tokens_likelier_and_bad_ones_less_likely():
    model = tiny_model("llama", sharpness=1.0)
    samples = [
        Sample(token_ids=(2, 5, token), prompt_length=2, logprobs=(-1.0,), advantages=(advantage,))
        for token, advantage in ((7, 1.0), (8, -1.0))
    ]
    settings = LearnerConfig(learning_rate=1e-3, minibatch=2, epochs=2, kl_coefficient=0, warmup_ratio=0)
    before = score(scorer(model), samples, passes=Passes(rows=2))
    metrics = Learner(scorer(model), None, settings, updates=10).update(samples, seed=0)
    after = score(scorer(model), samples, passes=Passes(rows=2))
    assert after[0] > before[0]
    assert after[1] < before[1]
    assert "kl" not in metrics
    assert metrics["updates_skipped"] == metrics["updates_nonfinite"] == 0


def test_kl_to_oneself_is_zero_and_the_first_ratio_is_one():
    model = tiny_model("llama")
    settings = LearnerConfig(minibatch=8, epochs=1)
    reference = frozen_copy(scorer(copy.deepcopy(model)), passes=Passes(rows=4))
    metrics = Learner(scorer(model), reference, settings, updates=1).update(random_samples(8), seed=0)
    assert metrics["kl"] == pytest.approx(0, abs=1e-6)
    assert metrics["ratio/mean"] == pytest.approx(1, abs=1e-6)
    assert metrics["ratio/clipped"] == 0


def sampled_from(model: PreTrainedModel, samples: list[Sample]) -> list[Sample]:
    """With the log-probs that they have under the model."""
    scores = score(scorer(model), samples, passes=Passes(rows=4))
    return [replace(own, logprobs=tuple(now.tolist())) for own, now in zip(samples, scores, strict=True)]


def test_sampler_kl_is_zero_when_the_sampler_agrees():
    model = tiny_model("llama")
    settings = LearnerConfig(minibatch=4, kl_coefficient=0)
    metrics = Learner(scorer(model), None, settings, updates=2).update(sampled_from(model, random_samples(4)), seed=0)
    assert metrics["sampler_kl"] == pytest.approx(0)


@pytest.mark.parametrize(("off", "passes"), [(0.0, 8), (1e-5, 8), (1e-2, 9), (float("nan"), 9)])
def test_a_sampler_that_agrees_saves_the_scoring_pass(off: float, passes: int):
    # Two epochs of four minibatches; where the sampler is off, one pass scores the other six samples.
    def trained(samples: list[Sample]) -> tuple[dict[str, torch.Tensor], int]:
        model, calls = tiny_model("llama"), []
        model.base_model.register_forward_hook(lambda *args: calls.append(1))
        settings = LearnerConfig(minibatch=2, micro_batch=6, kl_coefficient=0, learning_rate=1e-3)
        Learner(scorer(model), None, settings, updates=8).update(samples, seed=0)
        return dict(model.state_dict()), len(calls)

    agreeing = sampled_from(tiny_model("llama"), random_samples(8))
    first = min(next(minibatches(8, size=2, seed=0, epoch=0)))
    one = agreeing[first]
    agreeing[first] = replace(one, logprobs=(one.logprobs[0] + off, *one.logprobs[1:]))
    weights, count = trained(agreeing)
    assert count == passes
    scored, count = trained([replace(own, logprobs=(-1.0,) * own.response_length) for own in agreeing])
    assert count == 9
    torch.testing.assert_close(weights, scored, atol=1e-4, rtol=1e-4)


def test_updates_that_run_away_are_skipped_and_counted():
    model = tiny_model("llama")
    settings = LearnerConfig(learning_rate=10.0, minibatch=4, epochs=4, kl_coefficient=0, ratio_guard=1.01, clip=5)
    metrics = Learner(scorer(model), None, settings, updates=8).update(random_samples(8), seed=0)
    assert metrics["updates_skipped"] + metrics["updates_nonfinite"] >= 1
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())


def test_a_gradient_that_is_not_finite_is_counted_and_not_applied():
    model = tiny_model("llama")
    before = copy.deepcopy(model.state_dict())
    samples = random_samples(3)
    broken = Sample(token_ids=(2, 5), prompt_length=1, logprobs=(0.0,), advantages=(float("nan"),))
    settings = LearnerConfig(minibatch=4, epochs=1, kl_coefficient=0)
    metrics = Learner(scorer(model), None, settings, updates=1).update([*samples, broken], seed=0)
    assert metrics["updates_nonfinite"] == 1
    assert "grad_norm" not in metrics
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_minibatches_cover_every_sample_once_an_epoch_in_a_seeded_order():
    def epoch(seed: int, number: int) -> list[list[int]]:
        return list(minibatches(10, size=4, seed=seed, epoch=number))

    assert sorted(index for chosen in epoch(0, 0) for index in chosen) == list(range(10))
    assert [len(chosen) for chosen in epoch(0, 0)] == [4, 4, 2]
    assert epoch(0, 0) == epoch(0, 0) != epoch(0, 1) != epoch(1, 1)


def test_rows_of_like_lengths_go_together():
    samples = random_samples(9)
    (parts,) = Passes(rows=4).deal(samples, range(9)).batches
    lengths = [[len(samples[i].token_ids) for i in part] for part in parts]
    assert [len(part) for part in parts] == [4, 4, 1]
    flat = [length for part in lengths for length in part]
    assert flat == sorted(flat)


def test_the_value_network_starts_at_zero_and_learns_its_targets():
    torch.manual_seed(0)
    settings = LearnerConfig(minibatch=8, warmup_ratio=0, schedule="constant", epochs=8)
    critic = Critic(
        ValueNetwork(tiny_model("llama")),
        settings,
        PpoCredit(critic_learning_rate=3e-3, value_clip=None).critic,
        updates=200,
    )
    samples = random_samples(8)
    assert all(value == 0 for values in critic.predict(samples) for value in values)
    losses = [critic.update(samples, seed=seed)["critic/loss"] for seed in range(12)]
    assert losses[-1] < 0.3 * losses[0]
    assert critic.update(samples, seed=99)["critic/explained_variance"] > 0.5


def test_the_value_network_may_have_more_epochs_than_the_policy():
    samples = random_samples(8)

    def loss(*, epochs: int, critic_epochs: int | None) -> float:
        torch.manual_seed(0)
        settings = LearnerConfig(minibatch=4, schedule="linear", epochs=epochs)
        credit = PpoCredit(critic_learning_rate=3e-3, critic_epochs=critic_epochs).critic
        # Eight epochs of two minibatches, whoever asks for them.
        critic = Critic(ValueNetwork(tiny_model("llama")), settings, credit, updates=2 * epochs)
        return critic.update(samples, seed=0)["critic/loss"]

    assert loss(epochs=1, critic_epochs=8) == loss(epochs=8, critic_epochs=None)
    assert loss(epochs=1, critic_epochs=8) < loss(epochs=1, critic_epochs=None)


def test_explained_variance_by_hand():
    returns = torch.tensor([0.0, 1.0, 2.0])
    assert explained_variance(returns, returns) == {"critic/explained_variance": 1.0}
    assert explained_variance(torch.zeros(3), returns) == {"critic/explained_variance": 0.0}
    assert explained_variance(torch.zeros(3), torch.ones(3)) == {}


def test_a_single_update_is_what_scoring_first_would_make_of_it(monkeypatch: pytest.MonkeyPatch):
    def update() -> tuple[dict[str, torch.Tensor], dict[str, float]]:
        model, settings = tiny_model("llama"), LearnerConfig(epochs=1, minibatch=6, micro_batch=4, kl_coefficient=0)
        metrics = Learner(scorer(model), None, settings, updates=1).update(random_samples(6), seed=0)
        return {name: value.clone() for name, value in model.state_dict().items()}, metrics

    weights, metrics = update()
    step = Learner._step

    def scored_first(self, these, chosen):
        assert these.old == [None] * 6, "nothing is scored twice"
        return step(self, replace(these, old=list(score(self._policy, these.samples, passes=Passes(rows=4)))), chosen)

    monkeypatch.setattr(Learner, "_step", scored_first)
    scored_weights, scored_metrics = update()
    torch.testing.assert_close(weights, scored_weights, atol=1e-6, rtol=1e-6)
    assert metrics == pytest.approx(scored_metrics, abs=1e-6)


# --- branches ----------------------------------------------------------------------------------------------------


def updated(branches: int, *, as_trajectories: bool = False, kl_coefficient: float = 0.0):
    """Weights and metrics after one update on six trajectories and some branches."""
    model = tiny_model("llama")
    reference = (
        None if not kl_coefficient else frozen_copy(scorer(tiny_model("llama", sharpness=5.0)), passes=Passes(rows=4))
    )
    settings = LearnerConfig(
        epochs=1,
        minibatch=20,
        micro_batch=4,
        learning_rate=1e-3,
        warmup_ratio=0,
        kl_coefficient=kl_coefficient,
    )
    samples, others = random_samples(6), random_samples(6 + branches)[6:]
    learner = Learner(scorer(model), reference, settings, updates=1)
    if as_trajectories:
        metrics = learner.update([*samples, *others], seed=0)
    else:
        metrics = learner.update(samples, branches=others, seed=0)
    return dict(model.state_dict()), metrics


def test_a_branch_teaches_what_a_trajectory_with_its_tokens_would():
    weights, metrics = updated(5)
    expected, _ = updated(5, as_trajectories=True)
    torch.testing.assert_close(weights, expected, atol=1e-5, rtol=1e-5)
    assert metrics["updates_made"] == 1
    without, _ = updated(0)
    assert any(not torch.allclose(weights[name], without[name], atol=1e-4) for name in weights)


def test_a_branch_is_no_part_of_what_is_measured_of_the_policy():
    _, metrics = updated(5, kl_coefficient=0.1)
    _, without = updated(0, kl_coefficient=0.1)
    for name in ("kl", "entropy", "sampler_kl"):
        assert metrics[name] == pytest.approx(without[name], abs=1e-5), name
    assert metrics["loss/policy"] != pytest.approx(without["loss/policy"], abs=1e-5)


def test_branches_are_spread_over_the_updates_of_the_trajectories():
    samples = random_samples(17)
    these = Round(samples=samples, learning=[1] * 17, trajectories=6, old=[None] * 17, reference=None)
    updates = list(these.minibatches(2, seed=3, epoch=0))
    assert [len(these.own(chosen)) for chosen in updates] == [2, 2, 2]
    assert [len(chosen) for chosen in updates] == [6, 6, 5]
    assert sorted(i for chosen in updates for i in chosen) == list(range(17))


# --- what needs no computing -------------------------------------------------------------------------------------


def idle_samples() -> list[Sample]:
    """Some with an idle tail, one idle as a whole, one with an advantage that a mask leaves out."""
    samples = random_samples(6)
    ends = (1, 0, 2, 99, 3, 99)
    samples = [
        replace(sample, advantages=tuple(a if t < end else 0.0 for t, a in enumerate(sample.advantages)))
        for sample, end in zip(samples, ends, strict=True)
    ]
    masked = samples[-1]
    return [*samples[:-1], replace(masked, mask=(True, *(False,) * (len(masked.advantages) - 1)))]


def test_an_idle_tail_is_cut_after_the_last_advantage_that_is_learned_from():
    samples = idle_samples()
    assert all(len(sample.advantages) >= 3 for sample in samples[2:5]), "long enough to be cut"
    cut = [without_idle_tail(sample) for sample in samples]
    assert [own.response_length for own in cut] == [1, 1, 2, samples[3].response_length, 3, 1]
    for own, sample in zip(cut, samples, strict=True):
        assert sample.token_ids[: len(own.token_ids)] == own.token_ids
        assert len(own.advantages) == len(own.logprobs) == len(own.returns or ()) == own.response_length


@pytest.mark.parametrize("epochs", [1, 2])
def test_skipping_idle_tokens_changes_no_update(epochs: int):
    def weights(*, skip_idle: bool) -> dict[str, torch.Tensor]:
        model = tiny_model("llama")
        settings = LearnerConfig(epochs=epochs, minibatch=3, learning_rate=1e-3, kl_coefficient=0, skip_idle=skip_idle)
        Learner(scorer(model), None, settings, updates=2 * epochs).update(idle_samples(), seed=0)
        return dict(model.state_dict())

    torch.testing.assert_close(weights(skip_idle=True), weights(skip_idle=False), atol=1e-6, rtol=1e-5)


def test_idle_tokens_cannot_be_skipped_where_they_have_a_gradient():
    with pytest.raises(ValueError, match=r"learner.skip_idle is true, but kl_coefficient is 0.1"):
        LearnerConfig(skip_idle=True, kl_coefficient=0.1)


def test_idle_tokens_are_skipped_wherever_they_may_be():
    assert LearnerConfig(kl_coefficient=0).skips_idle("token")
    assert not LearnerConfig(kl_coefficient=0).skips_idle("sequence")
    assert not LearnerConfig(kl_coefficient=1e-4).skips_idle("token")
    assert not LearnerConfig(kl_coefficient=0, skip_idle=False).skips_idle("token")
