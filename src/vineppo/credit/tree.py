"""The trajectories of one question merged into a tree, and how probably the policy follows it or leaves it.

Where trajectories share a prefix they share the tree's nodes; each token's probability is the one it was sampled with.
A *fork* is a node whose value is wanted: where a step begins or a trajectory ends. From a fork the policy follows one
of the *paths* to a next fork, or it leaves through an *exit*: a node, where it takes a token that no trajectory took
there. These are all the cases, so their probabilities sum to 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import exp, fsum

from vineppo.types import Scored

SURE = 1e-6
"""A node left with less than this probability is never left: float32 log-probs cannot tell it from 0."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Path:
    """From a fork along known tokens to a next one."""

    probability: float
    to: int
    """Index of that fork."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Exit:
    """A node at which the policy may leave the tree."""

    probability: float
    """Of following the tree from the fork to here and taking no known token then."""
    response: tuple[int, ...]
    """Of a trajectory that passes here."""
    position: int
    """So many of its tokens come before this node."""
    known: tuple[int, ...]
    """The tokens that trajectories took here."""

    @property
    def prefix(self) -> tuple[int, ...]:
        """Of the response, up to here."""
        return self.response[: self.position]

    @property
    def remaining(self) -> int:
        """Tokens the trajectory went on for: a forecast of what a rollout from here costs."""
        return len(self.response) - self.position


@dataclass(frozen=True, kw_only=True, slots=True)
class Fork:
    """A state in the tree and all that can happen from it."""

    position: int
    """Response tokens before it."""
    visits: int
    """Trajectories through it."""
    paths: tuple[Path, ...] = ()
    exits: tuple[Exit, ...] = ()
    reward: float | None = None
    """Where a trajectory ends; None elsewhere."""

    @property
    def leaving(self) -> float:
        """Probability that the policy leaves the tree before the next fork."""
        return fsum(exit.probability for exit in self.exits)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tree:
    """The forks, and which of them each trajectory passes."""

    forks: tuple[Fork, ...]
    """Every fork comes after those its paths lead to."""
    routes: tuple[tuple[int, ...], ...]
    """Per trajectory, [N + 1] the forks at its bounds."""


def grow(trajectories: Sequence[Scored], bounds: Sequence[Sequence[int]]) -> Tree:
    """The tree of one question's trajectories, with forks at the given bounds of each: token indices from 0 to T."""
    root = _Node(response=trajectories[0].trajectory.response_ids, position=0)
    passed = [[root, *root.add(scored.trajectory.response_ids, scored.trajectory.logprobs)] for scored in trajectories]
    for scored, nodes, own in zip(trajectories, passed, bounds, strict=True):
        nodes[-1].reward = scored.reward
        for position in own:
            nodes[position].is_fork = True
    nodes = {id(node): node for own in passed for node in own if node.is_fork}
    ordered = sorted(nodes.values(), key=lambda node: -node.position)
    index = {id(node): place for place, node in enumerate(ordered)}
    return Tree(
        forks=tuple(_fork(node, index) for node in ordered),
        routes=tuple(
            tuple(index[id(nodes[position])] for position in own) for nodes, own in zip(passed, bounds, strict=True)
        ),
    )


@dataclass(slots=True)
class _Node:
    response: tuple[int, ...]
    position: int
    probability: float = 1.0
    """Of coming here from the node before."""
    visits: int = 0
    children: "dict[int, _Node]" = field(default_factory=dict)
    is_fork: bool = False
    reward: float | None = None

    def add(self, response: tuple[int, ...], logprobs: Sequence[float]) -> "list[_Node]":
        """The nodes of a response, new ones where it is the first to come there."""
        node, nodes = self, []
        node.visits += 1
        for position, (token, logprob) in enumerate(zip(response, logprobs, strict=True), start=1):
            if token not in node.children:
                node.children[token] = _Node(response=response, position=position, probability=exp(logprob))
            node = node.children[token]
            node.visits += 1
            nodes.append(node)
        return nodes

    def leaving(self) -> float:
        """Probability of a token that no trajectory took here."""
        return 1 - fsum(child.probability for child in self.children.values())


def _fork(start: _Node, index: dict[int, int]) -> Fork:
    """Follow all known tokens to the next forks. Iterative: responses are long."""
    paths, exits, ahead = [], [], [(start, 1.0)] if start.children else []
    while ahead:
        node, reached = ahead.pop()
        leaving = node.leaving()
        if leaving >= SURE:
            exit = Exit(
                probability=reached * leaving,
                response=node.response,
                position=node.position,
                known=tuple(sorted(node.children)),
            )
            exits.append(exit)
        else:
            reached /= 1 - leaving  # what rounding took or added
        for child in node.children.values():
            if child.is_fork:
                paths.append(Path(probability=reached * child.probability, to=index[id(child)]))
            else:
                ahead.append((child, reached * child.probability))
    return Fork(
        position=start.position, visits=start.visits, paths=tuple(paths), exits=tuple(exits), reward=start.reward
    )
