"""The truth: measured once, shared, resumed, and another one for another policy."""

import sqlite3
from dataclasses import replace
from math import sqrt
from pathlib import Path

import pytest
from tabular_policy import LAW, QUESTIONS, environment, every_state, exact_value, meter

from vineppo.analysis import truth as truth_module
from vineppo.analysis.fingerprint import policy_digest
from vineppo.analysis.truth import TruthMeter, count_rewards, separation
from vineppo.analysis.truth_store import Truth, TruthStore, known_exactly
from vineppo.credit.vine import VineAssigner
from vineppo.engines.fake import FakeEngine
from vineppo.environment import Environment, State
from vineppo.errors import UserError
from vineppo.policy import load_policy
from vineppo.types import Completion, Finish, Question, Rollout

STATES = every_state()[:12]


def engine_of(made: Environment) -> FakeEngine:
    assert isinstance(made.engine, FakeEngine)
    return made.engine


def asked(meter: TruthMeter) -> int:
    """Requests that reached the engine."""
    return len(engine_of(meter.environment).requests)


def rollout(reward: float, tokens: int) -> Rollout:
    completion = Completion(
        token_ids=(1,) * tokens, logprobs=(0.0,) * tokens, finish=Finish.TERMINATED, policy_version=0
    )
    return Rollout(completion=completion, text="", reward=reward)


# --- numbers -----------------------------------------------------------------------------------------------------


def test_counts_by_hand():
    truth = count_rewards([rollout(1, 3), rollout(0, 5), rollout(1, 2), rollout(0.5, 1)])
    assert truth.counts == ((0, 1), (0.5, 1), (1, 2))
    assert (truth.value, truth.rollouts, truth.tokens) == (0.625, 4, 11)
    # deviations -5/8, -1/8, 3/8, 3/8: squares sum to 44/64
    assert truth.variance == pytest.approx(44 / 64 / 3)
    assert truth.standard_error == pytest.approx(sqrt(44 / 64 / 3 / 4))


def test_one_known_reward_has_no_error():
    assert (known_exactly(0.25).value, known_exactly(0.25).standard_error) == (0.25, 0)


def test_separation_by_hand():
    low, high = Truth(counts=((0, 75), (1, 25)), tokens=0), Truth(counts=((0, 25), (1, 75)), tokens=0)
    # pooled: 100 of 200, sum of squares 50, variance 50/199; half a unit apart
    assert separation(low, high) == pytest.approx(0.5 / sqrt(50 / 199 * 2 / 100))
    assert separation(low, high) == separation(high, low)
    assert separation(low, low) == 0


def test_rollouts_that_all_ended_alike_are_not_taken_for_certain():
    always = Truth(counts=((1, 256),), tokens=0)
    nearly = Truth(counts=((0, 1), (1, 255)), tokens=0)
    assert always.standard_error == 0
    assert separation(always, nearly) == pytest.approx(1, abs=0.01)
    assert separation(always, always) == 0


def test_truth_is_within_its_error_of_the_enumerated_value(tmp_path: Path):
    found, known = meter(environment(), tmp_path / "t").measure(every_state()[::2])
    assert not known
    far = [
        abs(truth.value - exact_value(s.prompt_ids, s.response_ids)) / max(truth.standard_error, 1e-9)
        for s, truth in found.items()
        if 0 < exact_value(s.prompt_ids, s.response_ids) < 1 and truth.standard_error > 0
    ]
    assert len(far) > 40
    assert max(far) < 5
    assert sum(z > 2 for z in far) < 0.12 * len(far)


# --- sharing -----------------------------------------------------------------------------------------------------


def test_a_state_is_measured_once_for_all(tmp_path: Path):
    first, second = meter(environment(), tmp_path / "t"), meter(environment(), tmp_path / "t")
    one, _ = first.measure([*STATES[:8], *STATES[:3]])
    assert asked(first) == 8
    other, known = second.measure(STATES[4:])
    assert asked(second) == 4
    assert known == frozenset(STATES[4:8])
    assert all(one[state] == other[state] for state in STATES[4:8])


def test_the_truth_does_not_depend_on_what_else_is_measured(tmp_path: Path):
    together, _ = meter(environment(), tmp_path / "a").measure(STATES)
    alone, _ = meter(environment(), tmp_path / "b").measure(STATES[5:6])
    assert alone[STATES[5]] == together[STATES[5]]


class Killed(Exception):
    """In place of a signal."""


def test_what_was_measured_before_a_kill_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(truth_module, "CHUNK", 3 * 256)
    whole, _ = meter(environment(), tmp_path / "whole").measure(STATES)
    interrupted = meter(environment(), tmp_path / "t")

    def stop(done: int, total: int) -> None:
        assert total == len(STATES) * 256
        if done > 6 * 256:
            raise Killed

    original = FakeEngine.sample

    def sample(self, requests, sampling, *, progress=None):
        completions = original(self, requests, sampling)
        progress(sum(request.count for request in requests), 0)
        return completions

    monkeypatch.setattr(FakeEngine, "sample", sample)
    with pytest.raises(Killed):
        interrupted.measure(STATES, progress=stop)
    monkeypatch.setattr(FakeEngine, "sample", original)
    resumed = meter(environment(), tmp_path / "t")
    truths, known = resumed.measure(STATES)
    assert known == frozenset(STATES[:6])
    assert asked(resumed) == len(STATES) - 6
    assert truths == whole


def test_a_write_is_all_or_nothing(tmp_path: Path):
    store = TruthStore(tmp_path / "t")
    store.write({"a": known_exactly(1)})

    class Broken:
        def items(self):
            yield "b", known_exactly(0)
            raise Killed

    with pytest.raises(Killed):
        store.write(Broken())  # pyright: ignore[reportArgumentType]
    assert store.read(["a", "b"]) == {"a": known_exactly(1)}


@pytest.mark.parametrize(
    "change",
    [
        {"policy": "other weights"},
        {"rollouts": 128},
        {"task": "other task"},
        {"sampling": replace(LAW, temperature=0.5)},
        {"sampling": replace(LAW, top_p=0.9)},
        {"sampling": replace(LAW, max_new_tokens=7)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_truth_for_another(tmp_path: Path, change: dict):
    one = meter(environment(), tmp_path / "t")
    assert replace(one, **change).key(STATES[0]) != one.key(STATES[0])


def test_another_truth_for_another_question_or_prefix(tmp_path: Path):
    one, state = meter(environment(), tmp_path / "t"), STATES[3]
    other_answer = Question(id=state.question.id, prompt=state.question.prompt, answer="7")
    other_columns = Question(id=state.question.id, prompt=state.question.prompt, answer="", columns={"level": 2})
    others = [
        replace(state, response_ids=(*state.response_ids, 1)),
        replace(state, prompt_ids=state.prompt_ids * 2),
        # the same tokens, cut elsewhere: the length limit counts from the prompt's end
        State(question=state.question, prompt_ids=state.prefix, response_ids=()),
        replace(state, question=other_answer),
        replace(state, question=other_columns),
        replace(state, question=QUESTIONS[5]),
    ]
    assert len({one.key(s) for s in [state, *others]}) == len(others) + 1


def test_no_credit_method_shares_the_truths_rollouts(tmp_path: Path):
    made = environment()
    truth = meter(made, tmp_path / "t")
    truth.measure(STATES)
    of_truth = {request.seed for request in engine_of(made).requests}
    engine_of(made).requests.clear()
    for seed in range(20):
        VineAssigner(made, rollouts=1, max_states=None, sampling=LAW)._environment.rollouts(
            STATES, count=1, sampling=LAW, seed=seed
        )
    assert not of_truth & {request.seed for request in engine_of(made).requests}


# --- weights -----------------------------------------------------------------------------------------------------


def test_the_digest_follows_the_weights_and_not_the_folder(tmp_path: Path):
    policy = load_policy("bundled:arithmetic", device="cpu")
    before = policy_digest(policy.model)
    policy.save(tmp_path / "copy")
    assert policy_digest(load_policy(str(tmp_path / "copy"), device="cpu").model) == before
    weight = next(policy.model.parameters()).data.view(-1)
    weight[3] = weight[3].nextafter(weight[3] + 1)
    assert policy_digest(policy.model) != before
    policy.model.config.rope_parameters = {**(policy.model.config.rope_parameters or {}), "rope_theta": 5.0}
    weight[3] = weight[3].nextafter(weight[3] - 1)
    assert policy_digest(policy.model) != before, "the same weights in another architecture are another policy"


# --- trouble -----------------------------------------------------------------------------------------------------


def test_a_file_that_is_no_cache_is_refused(tmp_path: Path):
    (tmp_path / "t").write_text("not a database, but long enough to be one " * 100)
    with pytest.raises(UserError, match="delete it, or name another with --truth"):
        TruthStore(tmp_path / "t")


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="--truth"):
        TruthStore(tmp_path / "file" / "t")


def test_two_processes_may_use_one_file(tmp_path: Path):
    store = TruthStore(tmp_path / "t")
    reader = sqlite3.connect(tmp_path / "t")
    assert reader.execute("SELECT count(*) FROM truth").fetchone() == (0,)
    store.write({"a": known_exactly(1)})
    assert reader.execute("SELECT count(*) FROM truth").fetchone() == (1,)
    reader.close()
