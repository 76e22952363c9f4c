"""Real replicas, as Ray actors: the answers are those of one engine, whoever dies meanwhile."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from random import Random

import psutil
import pytest
import torch

pytest.importorskip("ray", reason="the pool needs Ray: pip install 'vineppo[ray]'")

from pool_engines import make_tiny
from tiny_models import tiny_model
from troubled_engine import HANG, POISON, WRONG, TroubledEngine, make_troubled
from vineppo.engines.ray_pool.pool import RayPool
from vineppo.errors import UserError
from vineppo.types import Completion, Request, Sampling

pytestmark = pytest.mark.slow

SAMPLING = Sampling(max_new_tokens=24)
WEIGHTS = tiny_model("llama").state_dict()
ENGINE = make_tiny(WEIGHTS)


def requests_of(count: int, *, seed: int = 0) -> list[Request]:
    """Prefixes of a few trajectories, as rollouts have them."""
    random = Random(seed)
    trunks = [tuple(random.choices(range(2, 13), k=20)) for _ in range(count // 5)]
    prefixes = [trunk[: random.randint(3, 20)] for trunk in trunks for _ in range(5)]
    return [Request(prefix=prefix, count=4, seed=random.getrandbits(40)) for prefix in prefixes]


def tokens(groups: list[tuple[Completion, ...]]) -> list[list[tuple[int, ...]]]:
    return [[completion.token_ids for completion in group] for group in groups]


@pytest.fixture(scope="module")
def pool() -> Iterator[RayPool]:
    made = RayPool(make_tiny, WEIGHTS, replicas=2, timeout=180, smallest=16)
    yield made
    made.close()


def assert_same(pool: RayPool, requests: list[Request], engine=ENGINE, **settings) -> None:
    got, want = pool.sample(requests, SAMPLING, **settings), engine.sample(requests, SAMPLING)
    assert tokens(got) == tokens(want)
    for ours, others in zip(got, want, strict=True):
        for one, other in zip(ours, others, strict=True):
            assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)
            assert one.finish is other.finish


def test_stop_strings_reach_the_replicas(pool: RayPool):
    stopping = Sampling(max_new_tokens=24, stop=("5 7", "9 9"))
    requests = [replace(request, position=1) for request in requests_of(20)]
    got = tokens(pool.sample(requests, stopping))
    assert got == tokens(ENGINE.sample(requests, stopping))
    assert any(own[-2:] == (9, 9) for group in got for own in group)


def test_a_pool_answers_as_one_engine_does(pool: RayPool):
    seen: list[tuple[int, int]] = []
    assert_same(pool, requests_of(60), progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (240, 240)
    assert pool.sample([], SAMPLING) == []


def test_rollouts_go_to_the_replica_that_sampled_their_trajectory(pool: RayPool):
    prompts = [Request(prefix=(2, 3, i), count=2, seed=i, branches=True) for i in range(4, 13)]
    trajectories = pool.sample(prompts, SAMPLING)
    homes = pool._homes
    for request, group in zip(prompts, trajectories, strict=True):
        for completion in group:
            home = homes.covering((*request.prefix, *completion.token_ids[:1]))
            assert home is not None or len(completion.token_ids) == 1
    assert {home.replica for r in prompts if (home := homes.covering(r.prefix))} == {0, 1}


def test_new_weights_reach_every_replica(pool: RayPool):
    torch.manual_seed(5)
    changed = {name: tensor + 0.1 * torch.randn_like(tensor) for name, tensor in WEIGHTS.items()}
    requests = requests_of(40, seed=1)
    pool.load_weights(changed, policy_version=3)
    got = pool.sample(requests, SAMPLING)
    assert {completion.policy_version for group in got for completion in group} == {3}
    assert tokens(got) == tokens(make_tiny(changed).sample(requests, SAMPLING))
    pool.load_weights(WEIGHTS, policy_version=4)
    assert_same(pool, requests)


# --- trouble -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def troubled() -> Iterator[RayPool]:
    """What is left after one trouble goes on to the next. A busy machine may take long to start what was killed."""
    made = RayPool(make_troubled, {}, replicas=2, timeout=120, cpus=0, smallest=1)
    yield made
    made.close()


def plain(count: int) -> list[Request]:
    return [Request(prefix=(2, i), count=1, seed=i) for i in range(count)]


def test_kill_9_in_the_middle_of_a_wave_twenty_times(troubled: RayPool):
    requests, single = plain(60), TroubledEngine({}, seconds=0)
    want = single.sample(requests, SAMPLING)
    deaths, random = troubled.deaths, Random(0)
    for wave in range(20):
        killed: list[int] = []

        def kill(done: int, total: int) -> None:
            if not killed and 0 < done < total and troubled.processes:  # noqa: B023
                killed.append(random.choice(list(troubled.processes.values())))  # noqa: B023
                os.kill(killed[0], signal.SIGKILL)  # noqa: B023

        assert troubled.sample(requests, SAMPLING, progress=kill) == want, f"wave {wave}"
        assert killed
    assert troubled.deaths - deaths >= 19, "the last victim may be found dead later"


def test_a_request_that_kills_every_replica_ends_in_an_error(troubled: RayPool):
    with pytest.raises(UserError, match=r"every replica died that was given 1 continuations of prefixes of 1 to 1"):
        troubled.sample([*plain(20), Request(prefix=(POISON,), count=1, seed=0)], SAMPLING)
    assert_same(troubled, plain(30), TroubledEngine({}, seconds=0))


def test_a_replica_that_hangs_is_named_within_the_timeout(troubled: RayPool, monkeypatch: pytest.MonkeyPatch):
    troubled._crew.gather()
    troubled._crew.settle()
    started = time.monotonic()
    with monkeypatch.context() as hasty:
        hasty.setattr(troubled._crew, "_timeout", 8)
        with pytest.raises(UserError, match=r"replica \d \(process \d+ on .*\) was asked to sample .* for 8 seconds"):
            troubled.sample([*plain(10), Request(prefix=(HANG,), count=1, seed=0)], SAMPLING)
    assert time.monotonic() - started < 16
    assert_same(troubled, plain(30), TroubledEngine({}, seconds=0))


def test_what_an_engine_complains_of_is_said_as_it_says_it(troubled: RayPool):
    with pytest.raises(UserError, match=r"^a prefix that no engine takes; take another$"):
        troubled.sample([*plain(10), Request(prefix=(WRONG,), count=1, seed=0)], SAMPLING)
    assert_same(troubled, plain(30), TroubledEngine({}, seconds=0))


def test_more_replicas_than_the_cluster_can_hold_are_refused(troubled: RayPool):
    with pytest.raises(UserError, match=r"engine\.pool\.replicas is 500, each with engine\.pool\.cpus=1"):
        RayPool(make_troubled, {}, replicas=500)


def test_closing_ends_all_processes():
    made = RayPool(make_troubled, {}, replicas=2, timeout=30, cpus=0)
    processes = [psutil.Process(pid) for pid in made.processes.values()]
    made.close()
    _, alive = psutil.wait_procs(processes, timeout=10)
    assert not alive
