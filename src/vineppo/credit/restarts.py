"""Tree credit: imagined restarts at every token, and a gradient from all that was sampled.

The c trajectories that pass a node u of the question's tree are c samples of what the policy does there. Imagine that
each of them restarts there, kappa times. A restart takes a token a that a trajectory took with known probability p_a:
it stays on the tree and its value is known. Or it takes another, with the rest q = 1 - sum_a p_a: those are sampled,
as rollouts that leave at u, kappa c q of them on average. All (1 + kappa) c samples count the same:

    V(u) = (sum_i V(next of i) + kappa c (sum_a p_a V(u a) + q d) + sum_r (r - d)) / ((1 + kappa) c)    V(end) = R

with r the rollouts' rewards and d any number that knows nothing of them: the mean reward of the group. The gradient of
V(root) is a sum over states, weighted by how probably the policy comes there, of what each token is worth above the
state. The same samples give each state's part, with w(u) = W(u) / ((1 + kappa) c) and one baseline B(u):

    w(u) (sum_i grad log p(a_i) (V(u a_i) - B_i(u)) + kappa c sum_a p_a grad log p(a) (V(u a) - B(u))
          + sum_r grad log p(first token of r) (r - B(u)))

and how probably the policy comes to a state: W(root) = 1, and with a share rho of the restarts followed further,

    W(u a) = W(u) ((1 - alpha) c_a / c + alpha p_a)             alpha = rho kappa / (1 + kappa)

while the other tokens of a rollout, which follow the gradient of the states that only it came to, get
rho w(u) (r - B(u)). For any kappa >= 0 and any rho from 0 to 1 the sum over the tree has the expectation grad V(root):
given that a node is reached, its trajectories and its restarts are samples of one law, W and w know nothing of what
they do next, B_i comes from the other trajectories, and B, although of all of them, multiplies a sum of scores that is
zero given the tree. kappa = 0 is RLOO.

In small groups B_i is noisy itself. There the mean reward of the batch's other questions helps, which knows nothing of
this one: it counts as so many more trajectories (`prior`).

It matters that weights follow the visits of each *node*. Weighting a whole step of several tokens by the exact
probability of staying on the tree gives its inner nodes the square of what is theirs.

Log-probs are those of the sampling law; the learner's gradient is that of the whole law. Under top-p they differ by a
term that every token of the nucleus has in common, and that vanishes in so far as the baseline is the state's value.

Prior work: tree-structured RL (TreeRL, arXiv 2506.11902; SPO-tree, 2505.23564) trains on all of a tree that is sampled
to be trained on. MAPO (1807.02322) and sum-and-sample gradients (1810.04777) split an expectation into a part of known
probability and a sampled rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from statistics import fmean

from vineppo.credit.tree import Fork, Path, Tree


@dataclass(frozen=True, kw_only=True, slots=True)
class Law:
    """How a question's restarts are drawn and how they count."""

    restarts: float
    """kappa"""
    share: float = 1.0
    """rho"""
    elsewhere: tuple[float, float] = (0.0, 0.0)
    """The mean reward of other questions, and as how many trajectories it counts in a baseline."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TreeValues:
    """What a question's tree says, per fork; its forks are all its nodes."""

    values: Sequence[float]
    """V"""
    occupancy: Sequence[float]
    """W"""
    baselines: Sequence[Mapping[int, float]]
    """B_i, by trajectory."""

    def baseline(self, place: int) -> float:
        """B of a fork: the mean of its trajectories' own."""
        return fmean(self.baselines[place].values())


def tree_values(tree: Tree, law: Law, rewards: Mapping[int, Sequence[float]]) -> TreeValues:
    """From the rewards of the rollouts that left at each fork (none: it has no entry)."""
    values = _values(tree, law.restarts, rewards)
    return TreeValues(
        values=values,
        occupancy=_occupancy(tree, law),
        baselines=_baselines(tree, values, *law.elsewhere),
    )


def trajectory_advantages(tree: Tree, law: Law, found: TreeValues) -> list[list[float]]:
    """Per trajectory, [T]: what its tokens get, so that the group's mean of sum_t A_t grad log p(token t) is the
    gradient. What trajectories share is parted evenly among them."""
    passing = passing_trajectories(tree)
    parts: dict[int, float] = {}  # by the node a token leads to: it has one parent, and takers have equal parts
    for place, fork in enumerate(tree.forks):
        for path in fork.paths:
            takers = passing[path.to]
            parts[path.to] = len(tree.routes) * _edge(fork, place, path, takers, law.restarts, found) / len(takers)
    return [[parts[then] for then in route[1:]] for route in tree.routes]


def rollout_advantages(
    tree: Tree, law: Law, found: TreeValues, place: int, *, reward: float, length: int
) -> tuple[float, ...]:
    """[length] of a rollout that left at a fork, on the scale of `trajectory_advantages`."""
    weight = len(tree.routes) * _weight(tree.forks[place], law.restarts, found.occupancy[place])
    first = weight * (reward - found.baseline(place))
    return (first, *(law.share * first,) * (length - 1))


def expected_restarts(fork: Fork, restarts: float) -> float:
    """kappa c q, how many rollouts leave at a fork on average."""
    return restarts * fork.visits * fork.leaving


def passing_trajectories(tree: Tree) -> list[list[int]]:
    """Per fork, who passes it."""
    passing: list[list[int]] = [[] for _ in tree.forks]
    for trajectory, route in enumerate(tree.routes):
        for place in route:
            passing[place].append(trajectory)
    return passing


def _values(tree: Tree, restarts: float, rewards: Mapping[int, Sequence[float]]) -> list[float]:
    """V, ends first."""
    prior = fmean(tree.forks[route[-1]].reward or 0.0 for route in tree.routes)
    values: list[float] = []
    for place, fork in enumerate(tree.forks):
        if fork.reward is not None:
            values.append(fork.reward)
            continue
        again = restarts * fork.visits
        known = fsum((tree.forks[p.to].visits + again * p.probability) * values[p.to] for p in fork.paths)
        left = again * fork.leaving * prior + fsum(reward - prior for reward in rewards.get(place, ()))
        values.append((known + left) / (fork.visits + again))
    return values


def _occupancy(tree: Tree, law: Law) -> list[float]:
    """W, the root first."""
    alpha = law.share * law.restarts / (1 + law.restarts)
    occupancy = [0.0] * len(tree.forks)
    occupancy[tree.routes[0][0]] = 1.0
    for place, fork in reversed(list(enumerate(tree.forks))):
        for path in fork.paths:
            visited = tree.forks[path.to].visits / fork.visits
            occupancy[path.to] = occupancy[place] * ((1 - alpha) * visited + alpha * path.probability)
    return occupancy


def _baselines(tree: Tree, values: Sequence[float], elsewhere: float, weight: float) -> list[dict[int, float]]:
    """B_i: the mean of what became of the other trajectories, and of other questions.

    Of each from its last node in common with this one on: all before is this one's doing, too.
    """
    baselines: list[dict[int, float]] = [{} for _ in tree.forks]
    for own, route in enumerate(tree.routes):
        others = [(other, _in_common(route, other)) for index, other in enumerate(tree.routes) if index != own]
        for depth, place in enumerate(route[:-1]):
            became = [values[other[min(depth, common) + 1]] for other, common in others]
            known = len(became) + weight
            baselines[place][own] = (fsum(became) + weight * elsewhere) / known if known else 0.0
    return baselines


def _in_common(one: Sequence[int], other: Sequence[int]) -> int:
    """Depth of the last node of both from which a token leads on."""
    same = next((depth for depth, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), None)
    return min(len(one), len(other)) - 2 if same is None else same - 1


def _edge(fork: Fork, place: int, path: Path, takers: Sequence[int], restarts: float, found: TreeValues) -> float:
    """What the token along a path gets from all the trajectories that took it, and their restarts."""
    value, own = found.values[path.to], found.baselines[place]
    sampled = fsum(value - own[trajectory] for trajectory in takers)
    again = restarts * fork.visits * path.probability * (value - found.baseline(place))
    return _weight(fork, restarts, found.occupancy[place]) * (sampled + again)


def _weight(fork: Fork, restarts: float, occupancy: float) -> float:
    """w"""
    return occupancy / ((1 + restarts) * fork.visits)
