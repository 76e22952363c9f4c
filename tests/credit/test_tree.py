"""The tree of a group: shared prefixes are shared, and what can happen from a fork has probability 1."""

from math import fsum, log

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tabular import END, PLAIN, SHARP, Tabular

from vineppo.credit.tree import SURE, Exit, Fork, Path, Tree, grow
from vineppo.types import Finish, Judgement, Outcome, Question, Scored, Trajectory


def scored(response: tuple[int, ...], chances: tuple[float, ...], bounds: tuple[int, ...], reward: float) -> Scored:
    trajectory = Trajectory(
        question=Question(id="q", prompt="?", answer=""),
        prompt_ids=(1,),
        response_ids=response,
        logprobs=tuple(map(log, chances)),
        text="",
        finish=Finish.TERMINATED,
        policy_version=0,
    )
    return Scored(trajectory=trajectory, judgement=Judgement(reward=reward, outcome=Outcome.SCORED), bounds=bounds)


def tree_of(*group: Scored) -> Tree:
    return grow(group, [own.bounds for own in group])


def test_one_trajectory_is_a_chain():
    own = scored((5, 6, 0), (0.5, 0.8, 0.25), (0, 2, 3), 1.0)
    end, middle, start = tree_of(own).forks
    assert end == Fork(position=3, visits=1, reward=1.0)
    assert middle.paths == (Path(probability=pytest.approx(0.25), to=0),)
    assert middle.exits == (Exit(probability=pytest.approx(0.75), response=(5, 6, 0), position=2, known=(0,)),)
    assert start.paths == (Path(probability=pytest.approx(0.4), to=1),)
    assert {(e.position, e.known): e.probability for e in start.exits} == {
        (0, (5,)): pytest.approx(0.5),
        (1, (6,)): pytest.approx(0.5 * 0.2),
    }
    assert start.leaving == pytest.approx(0.6)
    assert tree_of(own).routes == ((2, 1, 0),)


def test_trajectories_share_their_prefix_and_what_leaves_them_leaves_both():
    first = scored((5, 6, 0), (0.5, 0.7, 1.0), (0, 2, 3), 1.0)
    second = scored((5, 7, 7, 0), (0.5, 0.2, 0.5, 1.0), (0, 2, 4), 0.0)
    tree = tree_of(first, second)
    root = tree.forks[tree.routes[0][0]]
    assert tree.routes[0][0] == tree.routes[1][0]
    assert root.visits == 2
    assert {path.to: path.probability for path in root.paths} == {
        tree.routes[0][1]: pytest.approx(0.35),
        tree.routes[1][1]: pytest.approx(0.1),
    }
    assert {(e.position, e.known): e.probability for e in root.exits} == {
        (0, (5,)): pytest.approx(0.5),
        (1, (6, 7)): pytest.approx(0.5 * 0.1),
    }


def test_equal_trajectories_are_one():
    own = scored((5, 0), (0.5, 0.5), (0, 1, 2), 1.0)
    tree = tree_of(own, own, own)
    assert [fork.visits for fork in tree.forks] == [3, 3, 3]
    assert tree.routes == ((2, 1, 0),) * 3


def test_a_trajectory_is_cut_where_another_that_shares_the_prefix_is():
    first = scored((5, 6, 0), (0.5, 0.5, 0.5), (0, 3), 1.0)
    second = scored((5, 6, 7), (0.5, 0.5, 0.25), (0, 1, 3), 0.0)
    tree = tree_of(first, second)
    root = tree.forks[tree.routes[0][0]]
    assert root.paths == (Path(probability=pytest.approx(0.5), to=tree.routes[1][1]),)
    assert tree.routes[0] == (tree.routes[1][0], tree.forks.index(Fork(position=3, visits=1, reward=1.0)))


def test_a_sure_step_has_no_exit():
    root = tree_of(scored((5, 0), (1.0, 1.0), (0, 2), 1.0)).forks[-1]
    assert (root.exits, root.leaving) == ((), 0.0)
    assert root.paths == (Path(probability=1.0, to=0),)


@pytest.mark.parametrize("missing", [0.9 * SURE, -1e-5])
def test_what_rounding_leaves_or_adds_is_no_exit_and_no_probability(missing: float):
    pair = [scored((token, 0), (p, 1.0), (0, 2), 1.0) for token, p in ((5, 0.5), (6, 0.5 - missing))]
    root = tree_of(*pair).forks[-1]
    assert root.exits == ()
    assert fsum(path.probability for path in root.paths) == pytest.approx(1, abs=1e-15)


def test_an_end_that_was_almost_impossible_is_still_a_path():
    root = tree_of(scored((5,) * 400, (0.1,) * 400, (0, 400), 1.0)).forks[-1]
    assert root.paths == (Path(probability=0.0, to=0),)
    assert root.leaving == pytest.approx(1)


@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 4), st.sampled_from([PLAIN, SHARP]))
def test_all_that_can_happen_from_a_fork_has_probability_one(seed: int, count: int, step: int, sampling):
    policy = Tabular(sampling)
    group = policy.trajectories(count, seed=seed, step=step)
    tree = tree_of(*group)
    for place, fork in enumerate(tree.forks):
        assert all(path.to < place for path in fork.paths)
        total = fork.leaving + fsum(path.probability for path in fork.paths)
        assert total == pytest.approx(1 if fork.reward is None else 0, abs=1e-6)
        for exit in fork.exits:
            law = policy.law((1, *exit.prefix))
            assert sum(law[token] for token in range(3) if token not in exit.known) > 0
    for own, route in zip(group, tree.routes, strict=True):
        assert [tree.forks[place].position for place in route] == list(own.bounds)
        assert tree.forks[route[-1]].reward == own.reward
        assert own.trajectory.response_ids[-1] == END or own.reward == 0
