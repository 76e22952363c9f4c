"""SPO-tree: a tree of segments is sampled for each question, and every edge of it is learned from on its own.

    V(leaf) = R        V(node) = mean of its children's V
    A(edge) = V(child) - V(parent), for every token of the segment; with `scale` over the std of the parent's children

Guo et al., "Segment Policy Optimization", arXiv 2505.23564 v2, and the authors' code. Segments have `segment_tokens`
tokens, the last one runs to the end of the response; who ends within a segment is a leaf. The tree is made of whole
responses: the question's trajectories are the root's children, and from each node on a response `branching - 1` more
are sampled to the end, which first pass the next node. That is the same law as sampling segment by segment, each token
once. Nodes are token prefixes; a prefix that two nodes share is one request.

Then, as in the paper: edges without advantage are dropped; each edge is a sample of its own, what comes before it its
prompt, and is learned from once, at random up to `edges_per_question` of a question in an iteration; the others wait
up to `most_age` iterations, with the log-probs they were sampled with; advantages are whitened over an update's edges;
and tokens the policy was sure of (`mask_above`) neither learn nor count in the loss, the whitening, the KL and the
ratios.

V(parent) includes the child, so that E[A | child] = (1 - 1/n) (V(child) - V(parent)), with n siblings. And each edge
counts alike, so states deep in the tree, which have more edges, weigh more: the expected gradient is not that of the
expected reward.

Chosen here: too few edges make fewer updates (the code repeats some); tokens are never re-tokenised; a response cut off
by the length limit has the reward that `task.truncated` says, whatever its depth; the KL is summed over an edge's
tokens, as over a response's. The root has `training.trajectories` children. The code's optional term for another
model's chance to finish is not there.
"""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, islice
from statistics import fmean, pstdev
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from vineppo.credit.coupled_assigner import by_question
from vineppo.credit.mask import masked
from vineppo.credit.settings import CreditParts, CreditSettings, Normalisation, Replay, Values
from vineppo.credit.shuffle import Dealt
from vineppo.environment import Environment, State
from vineppo.rng import derive_seed
from vineppo.seams import CreditAssigner, Progress
from vineppo.settings.shapes import Rollouts, Shape
from vineppo.types import Branch, Completion, Credit, Finish, Question, Rollout, Sampling, Scored, StateValue

SMALLEST_STD = 1e-8
"""Added to the standard deviation, as in the authors' code."""


class SpoTreeCredit(CreditSettings):
    """SPO-tree: a tree of segments whose values are means over children; each edge is learned from once."""

    name: Literal["spo_tree"] = "spo_tree"
    normalise: Normalisation = "whiten"
    branching: list[Annotated[int, Field(ge=1)]] = Field(default=[6, 6], min_length=1)
    """Children of a node at the end of the first segment, the second, ...; of the root: training.trajectories."""
    segment_tokens: int = Field(default=30, ge=1)
    """M, of each segment but the last, which runs to the end."""
    scale: bool = False
    """Divide an edge's advantage by the standard deviation of its siblings' values."""
    mask_above: float | None = Field(default=0.9, gt=0, le=1)
    """A token this probable or more under the sampling law learns nothing; none: all tokens learn."""
    edges_per_question: int = Field(default=32, ge=1)
    """Learned from in one iteration, at most."""
    edges_per_iteration: int = Field(default=1024, ge=1)
    """The same of all questions; learner.minibatch counts edges."""
    most_age: int = Field(default=8, ge=1)
    """Iterations in which an edge may still be learned from, that of its sampling included; 1: no replay."""

    values: ClassVar[Values] = "rollouts"
    learns_from_rollouts: ClassVar[bool] = True
    least_trajectories: ClassVar[int] = 2

    def build(self, parts: CreditParts) -> "SpoTreeAssigner":
        """The method at work."""
        return SpoTreeAssigner(
            parts.environment,
            branching=self.branching,
            segment_tokens=self.segment_tokens,
            scale=self.scale,
            mask_above=self.mask_above,
            sampling=parts.sampling,
        )

    def shuffled(self, assign: CreditAssigner) -> CreditAssigner:
        """Edges that lie below one child of the root swap what they have."""
        return Dealt(assign, deal_edges)

    @property
    def replay(self) -> Replay:
        """Of edges."""
        return Replay(per_question=self.edges_per_question, per_iteration=self.edges_per_iteration, age=self.most_age)

    def rollouts_of(self, shape: Shape) -> Rollouts:
        """Those below a child of the root, where none ends early."""
        count = tokens = 0
        nodes = 1
        for depth, children in enumerate(self.branching, 1):
            left = shape.length - depth * self.segment_tokens
            if left <= 0:
                break
            count, tokens = count + nodes * (children - 1), tokens + nodes * (children - 1) * left
            nodes *= children
        return Rollouts(count=count, tokens=tokens)

    @property
    def rollouts_in_words(self) -> str:
        """For a batch."""
        return f"trees of {'-'.join(map(str, ('G', *self.branching)))} segments of {self.segment_tokens} tokens"

    @property
    def meaning(self) -> str:
        """As a source of values."""
        return f"SPO-tree, {self.rollouts_in_words}; between nodes the value of the last one"

    @property
    def is_unbiased(self) -> bool:
        """Deep states weigh more."""
        return False

    def next_state_only(self) -> None:
        """Its values are of samples of the policy: it cannot be asked of next steps."""


# --- the tree ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Path:
    """A whole response of a question's tree."""

    question: Question
    prompt_ids: tuple[int, ...]
    response_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish: Finish
    policy_version: int
    reward: float
    left_out: bool


@dataclass(kw_only=True, slots=True)
class Node:
    """The end of a segment, tokens start:stop of the response that came there first."""

    path: Path
    start: int
    stop: int
    children: "list[Node]" = field(default_factory=list)
    """The first one on the same response; none of a leaf."""
    rollouts: tuple[Rollout, ...] = ()
    """That made the others."""

    @property
    def is_open(self) -> bool:
        """Whether its response goes on."""
        return self.stop < len(self.path.response_ids)

    @property
    def state(self) -> State:
        """Where its children begin."""
        own = self.path
        return State(question=own.question, prompt_ids=own.prompt_ids, response_ids=own.response_ids[: self.stop])


Edge = tuple[Node, float]
"""What it leads to, and its advantage."""


def value(node: Node) -> float:
    """V"""
    return fmean(map(value, node.children)) if node.children else node.path.reward


def edges(children: Sequence[Node], *, scale: bool) -> Iterator[list[Edge]]:
    """Per child, the edge to it and all below, depth first. 0 of a leaf that is left out."""
    if not children:
        return
    values = [value(child) for child in children]
    mean, size = fmean(values), pstdev(values) + SMALLEST_STD if scale else 1.0
    for child, own in zip(children, values, strict=True):
        teaches = child.children or not child.path.left_out
        below = [edge for part in edges(child.children, scale=scale) for edge in part]
        yield [(child, (own - mean) / size if teaches else 0.0), *below]


def trajectory_path(scored: Scored) -> Path:
    """A trajectory as a response of the tree."""
    own = scored.trajectory
    return Path(
        question=own.question,
        prompt_ids=own.prompt_ids,
        response_ids=own.response_ids,
        logprobs=own.logprobs,
        finish=own.finish,
        policy_version=own.policy_version,
        reward=scored.reward,
        left_out=scored.judgement.left_out,
    )


def continued(node: Node, rollout: Rollout) -> Path:
    """The response that a rollout from a node makes."""
    before, own = node.path, rollout.completion
    return Path(
        question=before.question,
        prompt_ids=before.prompt_ids,
        response_ids=before.response_ids[: node.stop] + own.token_ids,
        logprobs=before.logprobs[: node.stop] + own.logprobs,
        finish=own.finish,
        policy_version=own.policy_version,
        reward=rollout.reward,
        left_out=rollout.left_out,
    )


# --- credit ------------------------------------------------------------------------------------------------------


def tree_credit(scored: Scored, root_value: float, own: Sequence[Edge]) -> Credit:
    """Of a trajectory from the edge to its first node and all below. Edges that are not its own are its branches."""
    path, first = own[0][0].path, own[0][0].stop
    along = [(node, advantage) for node, advantage in own if node.path is path]
    return Credit(
        advantages=tuple(advantage for node, advantage in along for _ in range(node.start, node.stop)),
        values=values_along(scored, root_value, [node for node, _ in along]),
        branches=tuple(branch(node, advantage, first) for node, advantage in own if node.path is not path),
    )


def branch(node: Node, advantage: float, first: int) -> Branch:
    """An edge. first: up to where its trajectory and its response are one."""
    path, span = node.path, slice(node.start, node.stop)
    return Branch(
        position=first,
        before=path.response_ids[first : node.start],
        completion=Completion(
            token_ids=path.response_ids[span],
            logprobs=path.logprobs[span],
            finish=Finish.TRUNCATED if node.is_open else path.finish,
            policy_version=path.policy_version,
        ),
        advantages=(advantage,) * (node.stop - node.start),
    )


def values_along(scored: Scored, root_value: float, nodes: Sequence[Node]) -> tuple[StateValue, ...]:
    """At nodes and where steps begin: there, the value of the last node; and the reward at the end."""
    measured = {0: StateValue(position=0, value=root_value)} | {
        node.stop: StateValue(position=node.stop, value=value(node), rollouts=rollouts_below(node))
        for node in nodes
        if node.children
    }
    found, last = [], measured[0]
    for at in sorted({*measured, *scored.bounds[:-1]}):
        last = measured.get(at, last)
        found.append(last if at in measured else StateValue(position=at, value=last.value))
    return (*found, StateValue(position=scored.bounds[-1], value=scored.reward, standard_error=0.0))


def rollouts_below(node: Node) -> tuple[Rollout, ...]:
    """All that its value was made from, but those from later nodes of its own response."""
    deeper = (rollout for child in node.children[1:] for rollout in (*rollouts_below(child), *_later(child)))
    return (*node.rollouts, *deeper)


def _later(node: Node) -> Iterator[Rollout]:
    for child in node.children[:1]:
        yield from (*rollouts_below(child), *_later(child))


def deal_edges(credit: Credit, scored: Scored, rng: random.Random) -> Credit:
    """The control arm: a trajectory's edges and its branches swap their advantages."""
    own = [(advantage, len(list(run))) for advantage, run in groupby(credit.advantages)]
    there = [advantage for advantage, _ in own] + [branch.advantages[0] for branch in credit.branches]
    dealt = iter(rng.sample(there, len(there)))
    return replace(
        credit,
        advantages=tuple(
            new for (_, length), new in zip(own, islice(dealt, len(own)), strict=True) for _ in range(length)
        ),
        branches=tuple(
            replace(branch, advantages=(new,) * len(branch.advantages))
            for branch, new in zip(credit.branches, dealt, strict=True)
        ),
    )


# --- at work -----------------------------------------------------------------------------------------------------


class SpoTreeAssigner:
    """Grows a tree over each question's trajectories, level by level of all questions at once, and credits its edges.

    branching: children of nodes at depth 1, 2, ... segment_tokens: M.
    """

    def __init__(
        self,
        environment: Environment,
        *,
        branching: Sequence[int],
        segment_tokens: int,
        scale: bool,
        sampling: Sampling,
        mask_above: float | None = None,
    ):
        self._environment = environment
        self._branching = branching
        self._segment_tokens = segment_tokens
        self._scale = scale
        self._sampling = sampling
        self._mask_above = mask_above

    def __call__(self, trajectories: Sequence[Scored], *, seed: int, progress: Progress | None = None) -> list[Credit]:
        """Grow, value, credit."""
        first = [self._node(trajectory_path(scored), 1) for scored in trajectories]
        self._grow(first, seed=derive_seed(seed, "rollouts"), progress=progress)
        credits: dict[int, Credit] = {}
        for indices in by_question(trajectories):
            children = [first[index] for index in indices]
            root_value = fmean(map(value, children))
            for index, own in zip(indices, edges(children, scale=self._scale), strict=True):
                credits[index] = tree_credit(trajectories[index], root_value, own)
        return [masked(credits[index], scored, self._mask_above) for index, scored in enumerate(trajectories)]

    def _grow(self, nodes: Sequence[Node], *, seed: int, progress: Progress | None) -> None:
        """Each level's nodes get their children."""
        for depth, count in enumerate(self._branching, 1):
            nodes = [node for node in nodes if node.is_open]
            for node, rollouts in zip(nodes, self._rollouts(nodes, count - 1, seed, progress), strict=True):
                node.rollouts = rollouts
                paths = [node.path, *(continued(node, rollout) for rollout in rollouts)]
                node.children = [self._node(path, depth + 1) for path in paths]
            nodes = [child for node in nodes for child in node.children]

    def _rollouts(
        self, nodes: Sequence[Node], count: int, seed: int, progress: Progress | None
    ) -> list[tuple[Rollout, ...]]:
        """`count` from each node; those from equal states are one request."""
        if not count or not nodes:
            return [()] * len(nodes)
        wanted = Counter(node.state for node in nodes)
        sampled = self._environment.rollouts(
            list(wanted),
            count=[times * count for times in wanted.values()],
            sampling=self._sampling,
            seed=seed,
            progress=progress,
        )
        dealt = {state: iter(own) for state, own in zip(wanted, sampled, strict=True)}
        return [tuple(islice(dealt[node.state], count)) for node in nodes]

    def _node(self, path: Path, depth: int) -> Node:
        """At the end of a response's segment of that depth."""
        length, start = len(path.response_ids), (depth - 1) * self._segment_tokens
        stop = length if depth > len(self._branching) else min(start + self._segment_tokens, length)
        return Node(path=path, start=start, stop=stop)
