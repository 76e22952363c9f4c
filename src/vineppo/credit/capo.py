"""CAPO: a critic reads the whole response and names its wrong steps; their tokens earn less.

    R_t = W_whole r - W_process w_k,  for the tokens of step k       2, 1, 0, -1 for r and w_k in {0, 1}
    w_k = the critiques' vote that step k is wrong
    A_t = (R_t - mean(R)) / std(R)                                   over all tokens of the question's responses

Xie et al., "CAPO", arXiv 2508.02298 (v4), its two equations, 4 critiques a response. A wrong step of a right response
still earns 1, a right step of a wrong one 0. The vote: intersection (all critiques say so; the paper's best at 1B),
majority (at least half), union (any; best at 7B), average (the share that says so), greedy (one critique, at
temperature 0). A critique that cannot be read is counted, and names no step.

It decodes no rollouts and estimates no value: it assumes that the critic is right, and its expected gradient is not
that of the reward. A policy may learn to write what its critic overlooks.

Not to be found in what was published, so chosen here, and settings: whether tokens or responses weigh equally in mean
and std (`weigh`; tokens), whether the response itself counts in its mean (`others_only`; it does), the critic's
temperature (`adviser.temperature`). The std is the population's, and the same small number is added to it as in GRPO.
Differs from the paper in: steps are those of `steps`, not always cut at blank lines; responses that are the same, cut
alike, are read once; the words of the inquiry are ours. There is no code of the authors to compare with.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import fsum, sqrt
from typing import ClassVar, Literal

from pydantic import Field

from vineppo.advisers.choice import AnyAdviser
from vineppo.advisers.policy import PolicyAdviser
from vineppo.advisers.settings import TYPICAL_ANSWER, Adviser, AdviserParts, AdviserSettings, Inquiry
from vineppo.credit.critique import inquiry_messages, read_critique, step_texts
from vineppo.credit.group import SMALLEST_STD
from vineppo.credit.settings import CreditParts, CreditSettings
from vineppo.credit.spread import spread
from vineppo.rng import derive_seed
from vineppo.seams import Progress
from vineppo.settings.shapes import Rollouts, Shape
from vineppo.types import Credit, Critique, Question, Scored

Vote = Literal["intersection", "majority", "union", "average", "greedy"]
Weigh = Literal["tokens", "responses"]


class CapoCredit(CreditSettings):
    """CAPO: a critic names wrong steps, whose tokens earn less."""

    name: Literal["capo"] = "capo"
    adviser: AnyAdviser = PolicyAdviser()
    """The critic."""
    critiques: int = Field(default=4, ge=1)
    """Of each distinct response; vote greedy takes one."""
    vote: Vote = "intersection"
    """Which steps are wrong: those that all critiques name, at least half (majority), any (union); the share of
    critiques that name it (average); or what a single one names at temperature 0 (greedy)."""
    whole: float = Field(default=2.0, ge=0)
    """W_whole, what each token earns of the response's reward."""
    process: float = Field(default=1.0, ge=0)
    """W_process, what a token of a wrong step loses."""
    weigh: Weigh = "tokens"
    """In mean and standard deviation, all tokens of a group count alike, or all responses do."""
    others_only: bool = False
    """Take the mean over the other responses of the group."""
    scale: bool = True
    """Divide by the standard deviation."""
    reference: bool = True
    """Show the critic the gold answer."""

    least_trajectories: ClassVar[int] = 2

    def build(self, parts: CreditParts) -> "CapoAssigner":
        """The method at work."""
        asks = AdviserParts(where="credit.adviser", open_engine=parts.open_engine, on_main=parts.on_main)
        return CapoAssigner(self.adviser.build(asks), self, parts.environment.decode)

    @property
    def asks(self) -> AdviserSettings:
        """The critic."""
        return self.adviser

    @property
    def read(self) -> int:
        """Critiques of a response."""
        return 1 if self.vote == "greedy" else self.critiques

    def rollouts_of(self, shape: Shape) -> Rollouts:
        """Critiques, which are no rollouts, but decoded all the same."""
        return Rollouts(count=self.read, tokens=self.read * self.adviser.typical(len(shape.states)))

    def most_tokens(self, shape: Shape) -> int:
        """Critiques that run to their limit."""
        return self.read * self.adviser.longest

    @property
    def rollouts_in_words(self) -> str:
        """For a batch."""
        return f"{self.read} critique{'s' if self.read > 1 else ''} of each distinct response"

    @property
    def assumptions(self) -> tuple[str, ...]:
        """Of what a critique is like."""
        return (
            f"Rollouts are critiques, which credit.adviser decodes, {TYPICAL_ANSWER} tokens a step; without prompts.",
        )

    @property
    def is_unbiased(self) -> bool:
        """The critic may be wrong, and a step may be wrong and harmless."""
        return False

    def next_state_only(self) -> None:
        """It has no values."""


def voted(critiques: Sequence[Critique], vote: Vote, num_steps: int) -> list[float]:
    """[N] how wrong each step is, in [0, 1], from at least one critique."""
    shares = [sum(step in (own.wrong or ()) for own in critiques) / len(critiques) for step in range(num_steps)]
    match vote:
        case "intersection":
            return [float(share == 1) for share in shares]
        case "majority":
            return [float(share >= 0.5) for share in shares]
        case "union":
            return [float(share > 0) for share in shares]
        case "average" | "greedy":
            return shares


def step_rewards(reward: float, wrong: Sequence[float], *, whole: float, process: float) -> list[float]:
    """[N] what each token of a step earns."""
    return [whole * reward - process * share for share in wrong]


@dataclass(frozen=True, kw_only=True, slots=True)
class Earned:
    """One response of a group."""

    rewards: Sequence[float]
    """[N] of its steps."""
    tokens: Sequence[int]
    """[N] of each step."""


def group_advantages(group: Sequence[Earned], *, weigh: Weigh, others_only: bool, scale: bool) -> list[list[float]]:
    """[G, N] the steps' advantages. Mean and standard deviation are over all tokens of the group."""
    if len({reward for own in group for reward in own.rewards}) == 1:
        return [[0.0] * len(own.rewards) for own in group]
    weights = [1.0 if weigh == "tokens" else 1 / sum(own.tokens) for own in group]
    masses = [weight * sum(own.tokens) for weight, own in zip(weights, group, strict=True)]
    sums = [weight * _over_tokens(own, lambda r: r) for weight, own in zip(weights, group, strict=True)]
    total, mass = fsum(sums), fsum(masses)
    mean = total / mass
    squares = fsum(w * _over_tokens(own, lambda r: (r - mean) ** 2) for w, own in zip(weights, group, strict=True))
    size = sqrt(squares / mass) + SMALLEST_STD if scale else 1.0
    baselines = [
        (total - own) / (mass - part) if others_only and len(group) > 1 else mean
        for own, part in zip(sums, masses, strict=True)
    ]
    return [
        [(reward - baseline) / size for reward in own.rewards] for own, baseline in zip(group, baselines, strict=True)
    ]


def _over_tokens(own: Earned, of: Callable[[float], float]) -> float:
    return fsum(count * of(reward) for reward, count in zip(own.rewards, own.tokens, strict=True))


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What a critic gets to read; equal ones are read once."""

    question: Question
    steps: tuple[str, ...]


class CapoAssigner:
    """Has every distinct response read, and credits each step with what the votes leave of the reward."""

    def __init__(self, adviser: Adviser, settings: CapoCredit, decode: Callable[[Sequence[int]], str]):
        self._adviser, self._settings, self._decode = adviser, settings, decode

    def __call__(self, trajectories: Sequence[Scored], *, seed: int, progress: Progress | None = None) -> list[Credit]:
        """Read, vote, credit."""
        readings = [Reading(question=s.trajectory.question, steps=step_texts(s, self._decode)) for s in trajectories]
        critiques = self._read(list(dict.fromkeys(readings)), seed=seed, progress=progress)
        earned = [self._earned(s, critiques[own]) for s, own in zip(trajectories, readings, strict=True)]
        groups: dict[str, list[int]] = defaultdict(list)
        for place, scored in enumerate(trajectories):
            groups[scored.trajectory.question.id].append(place)
        own, credits = self._settings, [Credit(advantages=())] * len(trajectories)
        for places in groups.values():
            group = [earned[place] for place in places]
            advantages = group_advantages(group, weigh=own.weigh, others_only=own.others_only, scale=own.scale)
            for place, steps in zip(places, advantages, strict=True):
                advantages_of_tokens = spread(steps, trajectories[place].bounds)
                credits[place] = Credit(advantages=advantages_of_tokens, critiques=critiques[readings[place]])
        return credits

    def _read(
        self, readings: Sequence[Reading], *, seed: int, progress: Progress | None
    ) -> dict[Reading, tuple[Critique, ...]]:
        own = self._settings
        inquiries = [
            Inquiry(
                messages=inquiry_messages(reading.question, reading.steps, reference=own.reference),
                question=reading.question,
                steps=reading.steps,
            )
            for reading in readings
        ]
        answers = self._adviser(
            inquiries,
            count=own.read,
            seed=derive_seed(seed, "critiques"),
            temperature=0.0 if own.vote == "greedy" else None,
            progress=progress,
        )
        return {
            reading: tuple(read_critique(a.text, num_steps=len(reading.steps), tokens=a.tokens) for a in group)
            for reading, group in zip(readings, answers, strict=True)
        }

    def _earned(self, scored: Scored, critiques: Sequence[Critique]) -> Earned:
        own = self._settings
        wrong = voted(critiques, own.vote, scored.num_steps)
        return Earned(
            rewards=step_rewards(scored.reward, wrong, whole=own.whole, process=own.process),
            tokens=[stop - start for start, stop in pairwise(scored.bounds)],
        )
