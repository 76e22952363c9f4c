"""Who earned the reward: what is asked of every credit method, and what it is built from. Torch-free."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field

from vineppo.advisers.settings import AdviserSettings, Answers
from vineppo.credit.shuffle import Dealt
from vineppo.environment import Environment
from vineppo.errors import UserError
from vineppo.seams import CreditAssigner, Engine
from vineppo.settings.learner import Average, CriticConfig, Ratio
from vineppo.settings.shapes import Rollouts, Shape
from vineppo.settings.strict import Variant
from vineppo.types import Sampling, Scored

if TYPE_CHECKING:
    from vineppo.policy import Policy

Normalisation = Literal["none", "scale", "whiten"]
Values = Literal["rollouts", "network", "none"]

PredictValues = Callable[[Sequence[Scored]], list[list[float]]]
"""Per trajectory, [T] a value network's value before each response token."""

LEFT = 0.5
"""How probably the policy leaves its trajectory within a step. Before training; later it is less."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CreditParts:
    """What a method may be built from."""

    environment: Environment
    sampling: Sampling
    """The law of trajectories and rollouts."""
    predict_values: PredictValues | None = None
    """None where there is no value network: see `CreditSettings.critic`."""
    open_engine: "Callable[[Policy], Engine] | None" = None
    """The run's kind of engine around another policy; None where there is none to be had."""
    on_main: Callable[[Callable[[], Answers]], Answers] = lambda ask: ask()
    """Asks an adviser in the main process alone, and tells all others."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Replay:
    """Of a method that learns from stretches of one advantage, each once (`vineppo.recipes.replay`)."""

    per_question: int
    """In one iteration, at most."""
    per_iteration: int
    age: int
    """Iterations in which one may be learned from, that of its sampling included."""


class CreditSettings(Variant):
    """What every method has, and is asked. A method of yours says its `name` and `build`, and of the rest what differs.

    The questions have defaults for methods that sample nothing and need no network.
    """

    normalise: Normalisation = "none"
    """Of the advantages of an iteration: none; scale: divide by the root of their mean square; whiten: to mean 0 and
    variance 1. Tokens without credit stay at 0. Each method's default is what its paper or its authors' code does."""
    shuffle: bool = False
    """The control arm: deal each response's advantages at random to its steps."""

    values: ClassVar[Values] = "none"
    """Where the values come from that its credit was made of (`Credit.values`)."""
    learns_from_rollouts: ClassVar[bool] = False
    """Whether rollouts are learned from, too, or measure only."""
    least_trajectories: ClassVar[int] = 1
    """Of one question."""
    amount: ClassVar[str] = ""
    """The setting that `vineppo analyze --source NAME:AMOUNT` sets; empty: NAME alone."""

    def build(self, parts: CreditParts) -> CreditAssigner:
        """The method at work."""
        raise NotImplementedError(f"{type(self).__name__}.build")

    def shuffled(self, assign: CreditAssigner) -> CreditAssigner:
        """The method at work as the control arm, with what each response earned dealt at random."""
        return Dealt(assign)

    @property
    def replay(self) -> Replay | None:
        """None: an iteration learns from its trajectories and their branches, all of them."""
        return None

    def samples_of(self, trajectories: int) -> int:
        """What an iteration's updates are cut from: that many, or fewer."""
        return trajectories if self.replay is None else self.replay.per_iteration

    @property
    def average(self) -> Average:
        """Of the policy loss, where `learner.average` names none: see `vineppo.learner.averages`."""
        return "tokens"

    @property
    def ratio(self) -> Ratio:
        """What is clipped, where `learner.ratio` names none: see `vineppo.learner.pooling`."""
        return "token"

    @property
    def critic(self) -> CriticConfig | None:
        """The value network it needs."""
        return None

    @property
    def needs_logprobs(self) -> bool:
        """Whether it looks at the probability of each token under the sampling law."""
        return False

    @property
    def asks(self) -> AdviserSettings | None:
        """Whom it asks in words; None: nobody."""
        return None

    # --- what it decodes ---

    def rollouts_of(self, shape: Shape) -> Rollouts:
        """For one trajectory, as expected."""
        return Rollouts()

    def most_tokens(self, shape: Shape) -> int:
        """Tokens of rollouts for one trajectory of this shape, at most."""
        return self.rollouts_of(shape).tokens

    def for_looking(self, rollouts: int) -> Self:
        """With at least so many rollouts and no budget: a person looks at single values, training at many together."""
        return self

    @property
    def rollouts_in_words(self) -> str:
        """E.g. 9 rollouts from each distinct state."""
        return ""

    @property
    def assumptions(self) -> tuple[str, ...]:
        """Of `rollouts_of`, in sentences."""
        return ()

    def bound_in_words(self, *, any_token: bool) -> str:
        """What `most_tokens` assumes besides full length. any_token: whether a step may begin at every token."""
        return " and every token starts a step" if any_token else ""

    # --- as a source of values, for `vineppo analyze` ---

    @property
    def meaning(self) -> str:
        """One sentence for readers."""
        return f"credit={self.called}"

    @property
    def is_unbiased(self) -> bool:
        """Whether its credit's expected gradient is that of the expected reward."""
        return True

    def next_state_only(self) -> Self | None:
        """The method where only the second state's value is asked for; None: it has no value for a single state."""
        return self

    @property
    def rollouts_per_state(self) -> int | None:
        """K, where every measured state gets as many."""
        return None


class MeasuredCredit(CreditSettings):
    """Of methods whose values are measured by rollouts."""

    mask_above: float | None = Field(default=None, gt=0, le=1)
    """SPO's mask: a token this probable or more under the sampling law learns nothing; none: all tokens learn."""

    values: ClassVar[Values] = "rollouts"

    @property
    def needs_logprobs(self) -> bool:
        """For the mask."""
        return self.mask_above is not None


class LeavingCredit(MeasuredCredit):
    """Of methods whose rollouts leave the group's trajectories: as often as the policy would."""

    token_budget: int | None = Field(default=None, ge=1)
    """Tokens of rollouts to expect per trajectory; fewer are sampled to keep to it. None: any."""

    @property
    def needs_logprobs(self) -> bool:
        """How probably a trajectory is left."""
        return True

    def rollouts_of(self, shape: Shape) -> Rollouts:
        """`amount` times the probability of leaving, from each state, within the budget."""
        amount = LEFT * float(dict(self)[self.amount])
        wanted = amount * shape.left
        tokens = ceil(wanted) if self.token_budget is None else min(ceil(wanted), self.token_budget)
        count = ceil(amount * len(shape.states) * min(1, tokens / wanted)) if wanted else 0
        return Rollouts(count=count, tokens=tokens)

    @property
    def assumptions(self) -> tuple[str, ...]:
        """Of the estimate."""
        return (f"The policy is assumed to leave its trajectory in a step with probability {LEFT}; trained, less.",)

    def bound_in_words(self, *, any_token: bool) -> str:
        """Of the bound."""
        return ", every token starts a step and every step is left"


def network_of(credit: CreditSettings, parts: CreditParts) -> PredictValues:
    """What a method that asked for a value network builds on. Raises UserError where there is none."""
    if parts.predict_values is None:
        raise UserError(
            f"credit={credit.called} takes values from a value network, which only recipe policy_iteration trains; "
            "set another credit"
        )
    return parts.predict_values
