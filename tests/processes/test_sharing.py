"""Sampling and judging shared out: everybody gets what one process alone would have got."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from together import together
from vineppo.engines.fake import FakeEngine
from vineppo.engines.sharded import ShardedEngine
from vineppo.errors import UserError
from vineppo.processes import ALONE, Processes
from vineppo.tasks.sharded import ShardedTask
from vineppo.types import Judgement, Outcome, Question, Request, Sampling

LAW = Sampling(max_new_tokens=6, stop=("12",))


def law(prefix: tuple[int, ...]) -> list[float]:
    return [0.25, 0.25, 0.25, 0.25]


def engine() -> FakeEngine:
    return FakeEngine(law, end_ids=(0,), decode=lambda ids: "".join(map(str, ids)))


def asked(engine: FakeEngine) -> list[tuple[int, ...]]:
    return [request.prefix for request in engine.requests]


def request(*prefix: int, count: int = 2, branches: bool = False) -> Request:
    return Request(prefix=prefix, count=count, seed=hash(prefix), branches=branches)


@given(st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=4).map(tuple), max_size=12), st.integers(1, 4))
def test_sampling_together_gives_what_one_engine_gives(prefixes: list[tuple[int, ...]], count: int):
    requests = [request(*prefix) for prefix in prefixes]
    alone = engine().sample(requests, LAW)
    engines = [engine() for _ in range(count)]

    def work(own: Processes):
        return ShardedEngine(engines[own.rank], own).sample(requests, LAW)

    assert together(count, work) == [alone] * count
    assert sorted(prefix for own in engines for prefix in asked(own)) == sorted(prefixes)


def test_rollouts_go_to_the_process_that_holds_their_trajectory():
    prompts = [(1,), (2, 2), (3,), (2, 1)]
    states = [(2, 1, 3), (2, 2, 1), (1, 3, 3), (3, 2), (2, 2)]
    engines = [engine(), engine()]

    def work(own: Processes) -> None:
        shared = ShardedEngine(engines[own.rank], own)
        shared.sample([request(*prompt, count=3, branches=True) for prompt in prompts], LAW)
        shared.sample([request(*state) for state in states], LAW)

    together(2, work)
    assert asked(engines[0]) == [(1,), (3,), (1, 3, 3), (3, 2)]
    assert asked(engines[1]) == [(2, 2), (2, 1), (2, 1, 3), (2, 2, 1), (2, 2)]


def test_work_is_shared_by_the_number_of_continuations():
    engines = [engine(), engine()]
    wanted = [request(1, count=10), request(2, count=4), request(3, count=4), request(1, 1, count=2)]
    together(2, lambda own: ShardedEngine(engines[own.rank], own).sample(wanted, LAW))
    assert asked(engines[0]) == [(1,)]
    assert asked(engines[1]) == [(2,), (3,), (1, 1)]


class Moody:
    """Gives each response a reward that only its first judge knows."""

    def __init__(self, rank: int, missing: int = 0):
        self.rank, self.missing = rank, missing

    def questions(self, split):
        return [Question(id=split, prompt="", answer="")]

    def judge(self, questions, responses):
        judged = [Judgement(reward=self.rank + float(r), outcome=Outcome.SCORED) for r in responses]
        return judged[self.missing :]


def test_all_processes_get_the_same_judgements_each_made_once():
    questions = [Question(id=str(i), prompt="", answer="") for i in range(5)]
    responses = ["0", "10", "20", "30", "40"]
    found = together(2, lambda own: ShardedTask(Moody(own.rank), own).judge(questions, responses))
    assert [j.reward for j in found[0]] == [0, 11, 20, 31, 40]
    assert found[0] == found[1]
    assert ShardedTask(Moody(0), ALONE).questions("test")[0].id == "test"


def test_a_judge_that_gives_too_few_is_named():
    questions = [Question(id="a", prompt="", answer="")]
    with pytest.raises(UserError, match="gave 0 judgements for 1 responses"):
        ShardedTask(Moody(0, missing=1), ALONE).judge(questions, ["1"])
