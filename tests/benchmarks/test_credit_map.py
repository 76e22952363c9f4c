"""The map: exact gradients and noise against enumeration, samplers against the exact ones, its judgement by hand."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from chain_map.engine import ChainEngine, environment, sample_groups, sampling_of
from chain_map.exact import ceiling_noise, exact, group_noise
from chain_map.family import Chain, softmax
from chain_map.gradient import question_gradients
from chain_map.methods import METHODS, Method, coupled, method, tree, vine
from chain_map.noise import Loudness, Precision, draw, loudness, sampled_loudness
from chain_map.plan import TRAINED, chains
from chain_map.ranking import verdict
from chain_map.results import Results
from chain_map.store import Store
from chain_map.training import Run, mean_success, on_the_way, target, train
from chain_map.tuning import climb
from vineppo.credit.group import grpo, rloo
from vineppo.types import Branch, Credit, Request

FINAL = Chain(decisions=3, right=0.7, matter=2, options=3)
MENDED = Chain(decisions=4, right=0.8, matter=3, mend=0.4, options=2, tokens_per_step=2)
SMALL = pytest.mark.parametrize("chain", [FINAL, MENDED], ids=lambda chain: chain.title)


def uneven(chain: Chain) -> np.ndarray:
    """Logits that are nowhere alike."""
    start = chain.start()
    return start + np.random.default_rng(1).normal(size=start.shape)


def responses(chain: Chain, logits: np.ndarray) -> list[tuple[float, float, np.ndarray]]:
    """All of them: probability, reward, gradient of the log-prob."""
    table, found = softmax(logits), []
    for options in product(range(chain.options), repeat=chain.decisions):
        states = chain.states(np.array([options]))[0]
        probability, score = 1.0, np.zeros_like(logits)
        for k, option in enumerate(options):
            row = chain.rows[k, states[k]]
            probability *= table[row, option]
            score[row] -= table[row]
            score[row, option] += 1
        found.append((probability, float(states[-1] == 0), score))
    return found


# --- exact -------------------------------------------------------------------------------------------------------


@SMALL
def test_values_gradient_and_departures_are_those_of_enumeration(chain: Chain):
    logits = uneven(chain)
    known, every = exact(chain, logits), responses(chain, logits)
    assert known.success == pytest.approx(sum(p * r for p, r, _ in every))
    assert known.gradient == pytest.approx(sum(p * r * s for p, r, s in every))
    # What outcome credit's noise is made of: the mean squared score of a trajectory is its expected departures.
    assert known.departures == pytest.approx(sum(p * (s**2).sum() for p, _, s in every))


@SMALL
@pytest.mark.parametrize("advantages", [rloo, partial(grpo, scale=True)], ids=["rloo", "grpo"])
def test_the_noise_of_group_credit_is_that_of_enumeration(chain: Chain, advantages):
    logits = uneven(chain)
    every = responses(chain, logits)
    mean, square = np.zeros_like(logits), 0.0
    for one, two in product(every, repeat=2):
        given = advantages([one[1], two[1]])
        gradient = (given[0] * one[2] + given[1] * two[2]) / 2
        mean += one[0] * two[0] * gradient
        square += one[0] * two[0] * (gradient**2).sum()
    variance, scale = group_noise(exact(chain, logits), advantages, 2)
    assert scale * exact(chain, logits).gradient == pytest.approx(mean)
    assert variance == pytest.approx(square - (mean**2).sum())


def test_the_ceiling_by_hand():
    # One decision of two options, right at 0.8: A is 0.2 or -0.8, the squared score 0.08 or 1.28.
    known = exact(chain := Chain(decisions=1, right=0.8, matter=1, options=2), chain.start())
    assert known.gradient.ravel() == pytest.approx([0.16, -0.16])
    expected = 0.8 * 0.2**2 * 0.08 + 0.2 * 0.8**2 * 1.28 - 2 * 0.16**2
    assert ceiling_noise(known, 4) == pytest.approx(expected / 4)


def test_every_chain_of_the_plan_can_succeed_and_fail():
    for chain in {*chains(), *TRAINED}:
        assert 0.0 < exact(chain, chain.start()).success < 1.0
        assert chain.matters.sum() == chain.matter
        assert chain.matters[-1]


# --- sampling ----------------------------------------------------------------------------------------------------


def test_the_engine_follows_the_law_from_any_prefix_without_what_is_forbidden():
    logits = uneven(MENDED)
    engine = ChainEngine(MENDED, logits)
    filler = MENDED.filler
    prefix = (*MENDED.prompt, 2, filler)  # the first decision, wrong: it does not matter here
    free, forced = engine.sample(
        [
            Request(prefix=prefix, count=4000, seed=1),
            Request(prefix=prefix, count=5, seed=2, forbidden_first=(1,)),
        ],
        sampling_of(MENDED),
    )
    chance = softmax(logits)[1, 0]
    assert np.mean([own.token_ids[0] == 1 for own in free]) == pytest.approx(chance, abs=4 * 0.5 / 4000**0.5)
    assert {own.token_ids[0] for own in forced} == {2}
    assert {own.logprobs[:2] for own in forced} == {(0.0, 0.0)}
    assert {len(own.token_ids) for own in free} == {MENDED.length - 2}
    assert engine.tokens == 4005 * (MENDED.length - 2)


def test_stratified_first_decisions_come_in_equal_shares():
    engine = ChainEngine(FINAL, np.zeros((3, 3)))
    (own,) = engine.sample([Request(prefix=FINAL.prompt, count=300, seed=1, stratified=True)], sampling_of(FINAL))
    assert [sum(c.token_ids[0] == option for c in own) for option in (1, 2, 3)] == [100, 100, 100]


def test_a_branch_is_a_trajectory_that_begins_where_it_left_one():
    logits = FINAL.start()
    place = environment(FINAL, ChainEngine(FINAL, logits))
    scored = sample_groups(place, FINAL, questions=1, group=2, seed=0)
    whole, other = scored
    silent = Credit(advantages=(0.0,) * FINAL.length)
    branch = Branch(position=1, completion=_completion(FINAL, logits, (2, 1)), advantages=(0.5, 0.25, 9.0))
    found = question_gradients(
        FINAL, logits, scored, [Credit(advantages=silent.advantages, branches=(branch,)), silent], 2
    )
    table = softmax(logits)
    expected = np.zeros((3, 3))
    expected[1], expected[2] = -0.5 * table[1], -0.25 * table[2]
    expected[1, 1] += 0.5
    expected[2, 0] += 0.25
    assert found[0] == pytest.approx(expected / 2)
    assert (whole.bounds, other.bounds) == (FINAL.bounds, FINAL.bounds)


def _completion(chain: Chain, logits: np.ndarray, tokens: Sequence[int]):
    """Some completion, with these decisions."""
    ((own,),) = ChainEngine(chain, logits).sample(
        [Request(prefix=(*chain.prompt, *tokens[:1]), count=1, seed=0)], sampling_of(chain)
    )
    return replace(own, token_ids=(*tokens, 0))


UNBIASED = [vine(1), coupled(3), coupled(0.1), tree(1), tree(0.3, followed=0), method("RLOO"), method("exact values")]


@SMALL
@pytest.mark.parametrize("own", UNBIASED, ids=lambda own: own.name)
def test_unbiased_methods_have_the_true_gradient_on_average(chain: Chain, own: Method):
    logits = uneven(chain)
    gradients, _, _ = draw(chain, logits, own, 1000, seed=5)
    errors = gradients.std(axis=0) / len(gradients) ** 0.5
    deviations = (gradients.mean(axis=0) - exact(chain, logits).gradient) / np.maximum(errors, 1e-12)
    assert np.abs(deviations).max() < 4.5


@SMALL
@pytest.mark.parametrize("name", ["RLOO", "GRPO", "exact values"])
def test_sampled_noise_is_the_closed_form(chain: Chain, name: str):
    precision = Precision(error=0.0, seconds=0.3, fair=0.0, most_seconds=0.3, questions=512)
    known = loudness(chain, uneven(chain), method(name), precision, seed=0)
    sampled = sampled_loudness(chain, uneven(chain), method(name), precision, seed=0)
    assert sampled.noise == pytest.approx(known.noise, rel=5 * sampled.error)
    assert sampled.scale == pytest.approx(known.scale, abs=5 * sampled.scale_error)
    assert sampled.trajectory_tokens == known.trajectory_tokens


def test_costs_count_judging_and_the_price_of_rollouts():
    own = sampled_loudness(FINAL, FINAL.start(), vine(1), Precision(error=1.0), seed=0)
    plain, judged = own.per_token(), own.per_token(judging=10)
    assert judged - plain == pytest.approx(own.noise * 10 * (own.trajectories + own.rollouts))
    assert own.per_token(rollout_price=0) == pytest.approx(own.noise * own.trajectory_tokens)


# --- training ----------------------------------------------------------------------------------------------------


def test_training_comes_to_the_target_and_repeats_itself():
    run = train(FINAL, method("exact values"), "adam", 0.1, seed=3)
    assert run.reached
    assert run.success >= target(FINAL)
    assert run == train(FINAL, method("exact values"), "adam", 0.1, seed=3)


def test_success_over_questions_is_the_mean():
    tables = np.stack([MENDED.start(), uneven(MENDED)])
    assert mean_success(MENDED, tables) == pytest.approx(np.mean([exact(MENDED, own).success for own in tables]))


def test_on_the_way_success_rises_to_the_target():
    start, half = (exact(MENDED, own).success for own in on_the_way(MENDED, (0.0, 0.5)))
    assert start == exact(MENDED, MENDED.start()).success
    assert half == pytest.approx((start + target(MENDED)) / 2, abs=0.02)


def test_a_grid_grows_beyond_its_edge_and_is_refined_at_its_best():
    scores = {0.5: 3.0, 1.0: 2.0, 2.0: 4.0, 4.0: 5.0}
    grid = climb((1.0, 2.0, 4.0), lambda rate, best: scores.get(rate, 1.0 if rate < 1 else 9.0))
    assert {rate: own for rate, own in grid.items() if rate in scores} == scores
    assert min(grid, key=grid.__getitem__) == pytest.approx(0.5**0.5)
    assert len(grid) == 6


# --- judgement ---------------------------------------------------------------------------------------------------


def test_a_clear_difference_foretold_the_wrong_way_is_a_disagreement():
    logs = {"a": [1.0, 1.1, 0.9], "b": [2.0, 2.1, 1.9], "c": [2.0, 2.2, 1.9]}
    right = verdict({"a": 1, "b": 3, "c": 2}, logs)
    assert right.agrees
    assert (right.separated, right.fastest) == (2, ("a",))
    assert right.tau == pytest.approx(1 / 3)
    wrong = verdict({"a": 2, "b": 1, "c": 3}, logs)
    assert wrong.contradicted == (("a", "b"),)
    assert not wrong.agrees


def loud(noise: float, rollout_tokens: float) -> Loudness:
    """Of a question of 100 tokens of trajectories and four times as many rollouts as trajectories."""
    return Loudness(
        noise=noise,
        error=0.0,
        trajectory_tokens=100.0,
        rollout_tokens=rollout_tokens,
        trajectories=10.0,
        rollouts=40.0,
        scale=1.0,
        scale_error=0.0,
        cosine=1.0,
        questions=9,
    )


def test_gains_and_the_price_at_which_measuring_breaks_even():
    noise = {(FINAL.name, own.name): loud(4.0, 0.0) for own in METHODS}
    noise[FINAL.name, "vine K=1"] = loud(1.0, 600.0)
    noise[FINAL.name, "tree 1"] = loud(1.0, 60.0)
    results = Results(chains=[FINAL], trained=[], noise=noise, foretold={}, training={})
    assert results.gain(FINAL, "vine K=1").times == pytest.approx(400 / 700)
    assert results.best(FINAL, "learned").method == "tree 1"
    assert results.best(FINAL, "learned").times == pytest.approx(4 * 100 / 160)
    assert results.best(FINAL, "measured", rollout_price=0.1).method == "vine K=1"
    assert results.break_even(FINAL) == pytest.approx((400 - 100) / 600)


def test_what_is_stored_is_not_computed_again(tmp_path: Path):
    run = Run(tokens=12345.678, reached=True, success=0.5, updates=3)
    Store(tmp_path / "runs.jsonl", Run).get(("here", 1, 0.5), lambda: run)
    again = Store(tmp_path / "runs.jsonl", Run)
    assert again.get(("here", 1, 0.5), pytest.fail).tokens == 12345.7


def test_methods_have_names_of_their_own():
    assert len({own.name for own in METHODS}) == len(METHODS)
