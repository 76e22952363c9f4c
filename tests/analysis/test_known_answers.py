"""On a policy with exactly known values the analyses return the known answers."""

import random
from math import sqrt
from pathlib import Path
from statistics import fmean

import pytest
from tabular_policy import LAW, QUESTIONS, Oracle, environment, exact_value, meter, study, write_exact_truth

from vineppo.analysis.records import SourceRecord
from vineppo.analysis.reliability import reliability
from vineppo.analysis.sources import MeanReward, Source
from vineppo.analysis.stages import Stages
from vineppo.analysis.study import Findings
from vineppo.analysis.summing_up import reward_range, source_record, state_records, true_steps, truth_cost
from vineppo.config.load import load_config
from vineppo.credit.settings import CreditParts
from vineppo.credit.vine import VineAssigner
from vineppo.progress import Display
from vineppo.recipes.sources import measured, parse_word
from vineppo.types import Sampling

BIAS = 0.125


def random_value(value: float, seed: int) -> float:
    return random.Random(seed).random()


def source(name: str, assigner, *, foresees: bool = True) -> Source:
    return Source(name=name, meaning=name, assign=assigner, foresee=assigner if foresees else None)


ORACLES = [
    source("perfect", Oracle()),
    source("biased", Oracle(lambda value, seed: value + BIAS)),
    source("random", Oracle(random_value)),
    source("reversed", Oracle(lambda value, seed: 1 - value)),
    source("group", MeanReward(within_question=True), foresees=False),
    source("constant", MeanReward(within_question=False), foresees=False),
]


def collect(path: Path, sources, *, exact: bool, **changes) -> Findings:
    made = environment()
    truth = meter(made, path)
    if exact:
        write_exact_truth(truth)
    return study(truth, sources, **changes).collect(Stages(Display(1)))


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    return collect(tmp_path_factory.mktemp("exact") / "truth.sqlite3", ORACLES, exact=True)


@pytest.fixture(scope="module")
def records(exact: Findings) -> dict[str, SourceRecord]:
    return {examined.source.name: source_record(examined, exact, None) for examined in exact.examined}


def test_the_truth_is_the_enumerated_value(exact: Findings):
    assert len(exact.from_cache) == len(exact.truths)
    for state, truth in exact.truths.items():
        assert truth.value == exact_value(state.prompt_ids, state.response_ids)


def test_a_perfect_source_makes_no_error(records: dict[str, SourceRecord]):
    perfect = records["perfect"]
    for score in (perfect.steps, perfect.roots):
        assert score is not None
        assert (score.mae, score.bias) == (0, 0)
    assert perfect.calibration.error == pytest.approx(0, abs=1e-12)
    assert [part.mae for part in perfect.by_position] == [0] * len(perfect.by_position)


def test_a_perfect_source_ranks_perfectly(records: dict[str, SourceRecord]):
    ranking = records["perfect"].ranking
    assert ranking is not None
    for share in (ranking.top1, ranking.top1_clear, ranking.pairwise, ranking.pairwise_clear):
        assert share is not None
        assert share.share == 1
        assert share.cases > 20


def test_a_biased_source_shows_its_bias_and_ranks_as_well(records: dict[str, SourceRecord]):
    biased = records["biased"]
    for score in (biased.steps, biased.roots):
        assert score is not None
        assert score.bias == pytest.approx(BIAS)
        assert score.mae == pytest.approx(BIAS)
    assert [part.bias for part in biased.by_position] == pytest.approx([BIAS] * len(biased.by_position))
    # a constant error explains all that varies
    assert biased.steps is not None
    assert records["perfect"].steps is not None
    assert biased.steps.explained_within == pytest.approx(records["perfect"].steps.explained_within)
    assert biased.ranking == records["perfect"].ranking


def test_a_random_source_scores_chance(records: dict[str, SourceRecord]):
    ranking, steps = records["random"].ranking, records["random"].steps
    assert ranking is not None
    for share in (ranking.top1, ranking.top1_clear, ranking.pairwise, ranking.pairwise_clear):
        assert share is not None
        # four standard deviations of independent guesses; pairs of one state are not, so they get twice as much
        assert abs(share.share - share.chance) < 8 * sqrt(share.chance * (1 - share.chance) / share.cases)
    assert steps is not None
    assert steps.explained_within is not None
    assert steps.explained_within < 0


def test_a_reversed_source_is_always_wrong(records: dict[str, SourceRecord]):
    ranking = records["reversed"].ranking
    assert ranking is not None
    assert ranking.pairwise is not None
    assert ranking.pairwise.share == 0


@pytest.mark.parametrize("name", ["group", "constant"])
def test_one_value_for_all_next_steps_is_exactly_chance(records: dict[str, SourceRecord], name: str):
    ranking, steps = records[name].ranking, records[name].steps
    assert ranking is not None
    for share in (ranking.top1, ranking.pairwise, ranking.top1_clear, ranking.pairwise_clear):
        assert share is not None
        assert share.share == pytest.approx(share.chance)
    assert steps is not None
    assert steps.explained_within == pytest.approx(0, abs=1e-9)


def test_the_group_knows_the_question_and_the_constant_nothing(records: dict[str, SourceRecord]):
    group, constant = records["group"].roots, records["constant"].roots
    assert group is not None
    assert constant is not None
    assert group.explained_variance is not None
    assert constant.explained_variance is not None
    assert group.explained_variance > constant.explained_variance
    assert group.mae < constant.mae


def test_roots_are_told_apart_and_come_once(exact: Findings):
    states = state_records(exact)
    roots = [state for state in states if state.step == 0]
    assert sorted(state.question for state in roots) == sorted(question.id for question in QUESTIONS)
    assert len({(state.question, state.position, state.truth) for state in states}) > 40
    assert all(state.relative == state.position / 5 for state in states)


def test_more_rollouts_are_better_by_every_instrument(tmp_path: Path):
    def vine(count: int) -> Source:
        assigners = [
            VineAssigner(environment(), rollouts=count, max_states=most, sampling=Sampling(max_new_tokens=5))
            for most in (None, 2)
        ]
        return Source(name=f"vine:{count}", meaning="", assign=assigners[0], foresee=assigners[1])

    findings = collect(tmp_path / "truth.sqlite3", [vine(1), vine(64)], exact=True)
    few, many = (source_record(examined, findings, None) for examined in findings.examined)
    assert few.steps is not None
    assert many.steps is not None
    assert many.steps.mae < few.steps.mae / 4
    assert few.steps.explained_within is not None
    assert many.steps.explained_within is not None
    assert many.steps.explained_within > 0.9 > few.steps.explained_within
    assert abs(few.steps.bias) < 0.15
    for here, there in ((few.ranking, many.ranking),):
        assert here is not None
        assert there is not None
        assert here.pairwise is not None
        assert there.pairwise is not None
        assert there.pairwise.share > 0.9 > here.pairwise.share > 0.55
    assert many.cost.rollouts == 64 * few.cost.rollouts
    assert many.cost.tokens_per_trajectory * len(findings.trajectories) == many.cost.tokens


def test_spo_trees_are_a_source_whose_values_between_nodes_are_those_of_the_last_one(tmp_path: Path):
    def grown(*branching: int) -> Source:
        word = parse_word(
            load_config(None, [f"credit={{name: spo_tree, segment_tokens: 2, branching: {[*branching]}}}"]), "spo_tree"
        )
        assert word.credit is not None
        return measured(str(branching), word.credit, CreditParts(environment=environment(), sampling=LAW))

    findings = collect(tmp_path / "truth.sqlite3", [grown(2, 2), grown(64, 1)], exact=True)
    few, many = findings.examined
    # From each trajectory one continuation at token 2, and one at token 4 from both.
    assert few.cost.rollouts == 3 * len(findings.trajectories)
    assert few.cost.tokens == (3 + 1 + 1) * len(findings.trajectories)
    assert many.next_values == few.next_values == []
    for credit in many.credits:
        _, at_1, at_2, at_3, *_ = credit.values
        assert (at_1.value, at_3.value) == (credit.values[0].value, at_2.value)
    errors = [
        [
            abs(own.values[2].value - exact_value(s.trajectory.prompt_ids, s.trajectory.response_ids[:2]))
            for own, s in zip(examined.credits, findings.trajectories, strict=True)
        ]
        for examined in findings.examined
    ]
    assert fmean(errors[1]) < fmean(errors[0]) / 3


def test_a_measured_truth_shows_its_own_noise_and_no_more(tmp_path: Path):
    findings = collect(tmp_path / "truth.sqlite3", ORACLES[:2], exact=False, states=60, choices=0)
    perfect, biased = (source_record(examined, findings, None).steps for examined in findings.examined)
    assert not findings.from_cache
    assert perfect is not None
    assert 0.5 * perfect.mae_floor < perfect.mae < 1.5 * perfect.mae_floor
    # noise taken out: neither above nor below 1 by more than chance
    assert perfect.explained_within == pytest.approx(1, abs=0.03)
    assert perfect.explained_variance == pytest.approx(1, abs=0.03)
    assert biased is not None
    assert biased.bias == pytest.approx(BIAS, abs=0.015)
    cost = truth_cost(findings, 256)
    assert (cost.states_from_cache, cost.states) == (0, len(findings.truths))
    assert cost.tokens == sum(truth.tokens for truth in findings.truths.values()) > 0


def test_reliability_uses_the_true_steps(exact: Findings):
    steps = true_steps(exact)
    for step in steps:
        assert not step.ends or step.after.value in (0, 1)
    found = reliability(steps, configured=4)
    assert found.steps == len(steps)
    assert 0 < found.clear_steps <= found.steps
    shares = [point.reliability for point in found.points]
    assert shares == sorted(share for share in shares if share is not None)
    assert found.rollouts_needed is not None
    assert found.rollouts_needed <= 1 or found.warning is None or f"K = {found.rollouts_needed}" in found.warning


def test_nothing_to_rank_is_said(tmp_path: Path):
    findings = collect(tmp_path / "truth.sqlite3", ORACLES[:1], exact=True, choices=0)
    assert findings.choices == []
    assert source_record(findings.examined[0], findings, None).ranking is None


def test_rewards_set_the_range_of_calibration(exact: Findings):
    assert reward_range(exact.truths.values()) == (0, 1)
