"""The engine's memory: what the learner will take is left to it, and a resumed run gets what it had."""

from pathlib import Path

import pytest
from small_runs import QUICK

from vineppo import Trainer, load_config
from vineppo.recipes import sizing
from vineppo.recipes.sizing import TO_COME, as_before, embedded, still_to_come


def test_a_pool_that_goes_on_gives_its_replicas_what_they_had():
    pool = load_config(None, ["engine.pool.replicas=2"]).engine
    odd = 123_456_789
    again = as_before(pool, [odd, odd])
    assert again.memory_gib is not None
    assert int(again.memory_gib * 2**30) == odd
    assert as_before(pool, None) == as_before(pool, [odd]) == pool, "another engine had that"
    assert as_before(load_config(None, []).engine, [odd]).memory_gib is None, "sized once the learner is there"
    given = load_config(None, ["engine={memory_gib: 1, pool: {replicas: 2}}"]).engine
    assert as_before(given, [odd, odd]) == given


def test_a_resumed_run_has_the_memory_it_was_started_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    settings = [*QUICK, "training.iterations=1", "evaluation={every: 0, questions: 2}", "credit=ppo"]
    config = load_config(None, [*settings, f"run.dir={tmp_path / 'run'}"])
    asked: list[int] = []

    def default(device: object, *, spoken_for: int) -> int:
        asked.append(spoken_for)
        return (len(asked) + 1) << 24

    monkeypatch.setattr(sizing, "default_memory", default)
    first = Trainer(config)
    algorithm = first._run._algorithm
    engine = embedded(algorithm.sampler.environment.engine)
    assert engine is not None
    assert engine.memory_bytes == 2 << 24
    policy = sum(p.numel() for p in algorithm.policy.policy.model.parameters())
    assert asked == [still_to_come(algorithm)]
    assert 1.5 * TO_COME * policy < asked[0] < 2.1 * TO_COME * policy, "the value network learns, too"
    first.train()
    second = Trainer(
        load_config(None, [*settings, f"run.dir={tmp_path / 'run'}", "training.iterations=2"]), resume=True
    )
    again = embedded(second._run._algorithm.sampler.environment.engine)
    assert again is not None
    assert again.memory_bytes == 2 << 24
