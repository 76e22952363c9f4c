"""Who samples what in a pool, with replicas that die: pure, without Ray."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vineppo.engines.ray_pool.homes import Home, Homes
from vineppo.engines.ray_pool.jobs import Job, make_jobs
from vineppo.engines.ray_pool.serve import Advanced, Answered, Died, Event, serve
from vineppo.engines.ray_pool.shares import share
from vineppo.engines.ray_pool.wave import ATTEMPTS, Group, Wave
from vineppo.errors import UserError
from vineppo.types import Completion, Finish, Request, Sampling

SAMPLING = Sampling(max_new_tokens=10)


def request(*prefix: int, count: int = 1, seed: int = 0) -> Request:
    return Request(prefix=prefix, count=count, seed=seed)


def answer(asked: Request) -> Group:
    """What any engine would say: it depends on the request alone."""
    return tuple(
        Completion(token_ids=(*asked.prefix, draw), logprobs=(), finish=Finish.TERMINATED, policy_version=asked.seed)
        for draw in range(asked.count)
    )


# --- homes and jobs ----------------------------------------------------------------------------------------------


def test_a_prefix_is_at_home_where_a_trajectory_through_it_was_sampled():
    homes = Homes()
    homes.add((1, 2, 3, 4), 0)
    homes.add((1, 2, 9), 1)
    assert homes.covering((1, 2, 3)) == Home(trunk=(1, 2, 3, 4), replica=0)
    assert homes.covering((1, 2, 9)) == Home(trunk=(1, 2, 9), replica=1)
    assert homes.covering((1, 3)) is None
    homes.forget(0)
    assert homes.covering((1, 2, 3)) is None
    assert homes.covering((1, 2)) == Home(trunk=(1, 2, 9), replica=1)
    homes.clear()
    assert homes.covering((1, 2)) is None


def test_requests_of_one_trajectory_are_one_job_and_are_expected_to_be_as_long_as_its_rest():
    homes = Homes()
    homes.add((5, 6, 7, 8), 1)
    requests = [request(1, 2, count=2), request(5), request(1, count=3), request(5, 6, 7), request(4)]
    jobs = {job.requests: job for job in make_jobs(requests, SAMPLING, homes)}
    assert jobs.keys() == {(0, 2), (1, 3), (4,)}
    assert [(jobs[key].home, jobs[key].sequences) for key in jobs] == [(None, 5), (1, 2), (None, 1)]
    assert jobs[0, 2].tokens == 2 * 10 + 3 * 2, "(1, 2) says nothing of what follows; (1,) is followed by one token"
    assert jobs[1, 3].tokens == (3 + 1) + (1 + 1)


small_requests = st.lists(
    st.builds(
        Request,
        prefix=st.lists(st.integers(0, 2), min_size=1, max_size=4).map(tuple),
        count=st.integers(1, 5),
        seed=st.integers(0, 9),
    ),
    min_size=1,
    max_size=25,
)


@given(small_requests)
def test_every_request_is_in_exactly_one_job_and_starts_its_trunk(requests: list[Request]):
    jobs = make_jobs(requests, SAMPLING, Homes())
    assert sorted(index for job in jobs for index in job.requests) == list(range(len(requests)))
    assert all(job.trunk[: len(r.prefix)] == r.prefix for job in jobs for r in (requests[i] for i in job.requests))
    assert len({job.trunk for job in jobs}) == len(jobs)


# --- shares ------------------------------------------------------------------------------------------------------


def job(tokens: int, home: int | None = None) -> Job:
    return Job(trunk=(tokens,), requests=(0,), sequences=1, tokens=tokens, home=home)


def test_jobs_go_home_and_the_others_to_who_has_least():
    queues = share([job(1), job(50, home=1), job(30), job(20), job(8, home=0)], 3)
    assert [[(j.tokens, j.home) for j in queue] for queue in queues] == [
        [(8, 0), (20, None), (1, None)],
        [(50, 1)],
        [(30, None)],
    ]


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=60), st.integers(1, 6))
def test_no_replica_has_more_than_the_mean_and_one_job(sizes: list[int], replicas: int):
    queues = share([job(size) for size in sizes], replicas)
    loads = [sum(j.tokens for j in queue) for queue in queues]
    assert sum(loads) == sum(sizes)
    assert max(loads) <= sum(sizes) / replicas + max(sizes)


# --- waves -------------------------------------------------------------------------------------------------------


@dataclass
class FakeCrew:
    """Replicas in name only. What happens next is `fates`: (whose turn it is, what happens); then all goes well."""

    replicas: int
    fates: list[tuple[int, str]] = field(default_factory=list)
    poison: Request | None = None
    """Kills whoever takes it."""
    busy: dict[int, list[Request]] = field(default_factory=dict)
    sent: list[tuple[int, list[Request]]] = field(default_factory=list)
    deaths: int = 0
    starting: Counter[int] = field(default_factory=Counter)

    @property
    def idle(self) -> Sequence[int]:
        return [r for r in range(self.replicas) if r not in self.busy and not self.starting[r]]

    def send(self, replica: int, requests: Sequence[Request], sampling: Sampling) -> None:
        assert replica in self.idle
        self.busy[replica] = list(requests)
        self.sent.append((replica, list(requests)))

    def events(self) -> Sequence[Event]:
        self.starting -= Counter(dict.fromkeys(range(self.replicas), 1))
        if not self.busy:
            return []
        turn, fate = self.fates.pop(0) if self.fates else (0, "answer")
        replica = sorted(self.busy)[turn % len(self.busy)]
        if self.poison in self.busy[replica]:
            fate = "die"
        match fate:
            case "die":
                del self.busy[replica]
                self.deaths += 1
                self.starting[replica] = 3
                return [Died(replica=replica)]
            case "advance":
                return [Advanced(replica=replica, sequences=turn)]
            case _:
                return [Answered(replica=replica, groups=[answer(r) for r in self.busy.pop(replica)])]


def answers(requests: list[Request], crew: FakeCrew, *, smallest: int = 1) -> list[Group]:
    wave = Wave(requests, make_jobs(requests, SAMPLING, Homes()), crew.replicas, smallest=smallest)
    seen: list[tuple[int, int]] = []
    serve(wave, crew, requests, SAMPLING, progress=lambda done, total: seen.append((done, total)))
    total = sum(r.count for r in requests)
    assert seen[-1] == (total, total)
    assert all(0 <= done <= total for done, _ in seen)
    return wave.groups


fates = st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["die", "answer", "advance"])), max_size=40).filter(
    lambda script: sum(fate == "die" for _, fate in script) <= ATTEMPTS
)


@given(small_requests, st.integers(1, 4), fates, st.integers(1, 8))
def test_deaths_change_no_answer_and_none_is_missing_or_given_twice(requests, replicas, script, smallest):
    crew = FakeCrew(replicas, list(script))
    assert answers(requests, crew, smallest=smallest) == [answer(r) for r in requests]
    sent = sum(len(piece) for _, piece in crew.sent)
    assert sent >= len(requests)
    if not crew.deaths:
        assert sent == len(requests), "nothing is asked twice without need"


@given(small_requests, st.integers(1, 4), fates)
def test_what_shares_a_trunk_is_always_sent_together(requests, replicas, script):
    crew = FakeCrew(replicas, list(script))
    answers(requests, crew)
    for made in make_jobs(requests, SAMPLING, Homes()):
        together = Counter(requests[i] for i in made.requests)
        assert all(not (Counter(piece) & together) or Counter(piece) >= together for _, piece in crew.sent)


@given(small_requests, st.integers(1, 4), st.data())
def test_a_request_that_kills_whoever_takes_it_ends_the_wave_and_only_that(requests, replicas, data):
    poison = data.draw(st.sampled_from(requests))
    crew = FakeCrew(replicas, poison=poison)
    with pytest.raises(UserError, match=r"every replica died that was given .* lower engine\.rows"):
        answers(requests, crew)
    (murderer,) = [j for j in make_jobs(requests, SAMPLING, Homes()) if poison in [requests[i] for i in j.requests]]
    assert crew.deaths == 1 + ATTEMPTS
    alone = [len(piece) for _, piece in crew.sent if poison in piece][1:]
    assert alone == [len(murderer.requests)] * ATTEMPTS, "it is given out on its own after the first time"


def test_pieces_shrink_and_whoever_has_nothing_left_takes_from_the_others():
    requests = [request(i, count=10) for i in range(16)]
    crew = FakeCrew(2, [(0, "answer")] * 100)  # the first replica does nearly all the work
    answers(requests, crew, smallest=10)
    first = [len(piece) for replica, piece in crew.sent if replica == 0]
    assert first[:4] == [4, 2, 1, 1], "half of what waits for it, again and again"
    assert first[4:] == [2, 1, 1], "then of what waits for the other"
    assert [len(piece) for replica, piece in crew.sent if replica == 1] == [4]


def test_a_piece_has_a_least_size():
    requests = [request(i, count=10) for i in range(16)]
    crew = FakeCrew(2)
    answers(requests, crew, smallest=80)
    assert [len(piece) for _, piece in crew.sent] == [8, 8]


def test_the_holders_are_those_that_answered_and_live():
    requests = [request(0), request(1)]
    wave = Wave(requests, make_jobs(requests, SAMPLING, Homes()), 2, smallest=1)
    for replica in (0, 1):
        (taken,) = wave.take(replica)
        wave.answer(replica, [answer(requests[taken.requests[0]])])
    assert wave.holders == {0: 0, 1: 1}
    wave.lose(1)
    assert (wave.holders, wave.died) == ({0: 0}, {1})
    assert wave.finished
