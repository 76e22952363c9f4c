"""From words such as vine:9 to the values they name. The words are checked before anything is loaded."""

from collections.abc import Sequence
from dataclasses import dataclass

from vineppo.analysis.sources import MeanReward, Source
from vineppo.config.schema import Config, CreditConfig, VineCredit
from vineppo.environment import Environment
from vineppo.errors import UserError
from vineppo.learner.critic import Critic
from vineppo.recipes.build import build_assigner
from vineppo.seams import CreditAssigner

KINDS = "vine:K (K rollouts per state), critic (a PPO run's value network), group, constant"
USUAL_ROLLOUTS = (1, 3, 9)
"""K in the paper's ablation."""
NEXT_STATE_ONLY = 2
"""States of an alternative that vines measure: the root, which is shared, and the one asked about."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """A source as it was asked for."""

    kind: str
    rollouts: int | None
    """K, for those that have one."""

    def __str__(self) -> str:
        return self.kind if self.rollouts is None else f"{self.kind}:{self.rollouts}"


def parse_sources(config: Config, *, has_critic: bool) -> list[Word]:
    """The sources that `analysis.sources` names, or the usual ones. Raises UserError for what cannot be had."""
    asked = config.analysis.sources
    words = usual_sources(config, has_critic=has_critic) if asked is None else [parse_word(text) for text in asked]
    if not words:
        raise UserError(f"analysis.sources is empty; name at least one of {KINDS}")
    if any(word.kind == "critic" for word in words) and not has_critic:
        raise UserError(
            f"source critic is a PPO run's value network, but here is none (credit is {config.credit.name}); "
            "analyze a checkpoint of a run with credit=ppo, or leave this source out"
        )
    return list(dict.fromkeys(words))


def parse_word(text: str) -> Word:
    """One source."""
    kind, colon, number = text.partition(":")
    match kind:
        case "vine" if not colon or (number.isascii() and number.isdigit() and int(number) > 0):
            return Word(kind=kind, rollouts=int(number) if colon else VineCredit().rollouts)
        case "critic" | "group" | "constant" if not colon:
            return Word(kind=kind, rollouts=None)
        case _:
            raise UserError(f"source {text!r} is unknown; name {KINDS}")


def usual_sources(config: Config, *, has_critic: bool) -> list[Word]:
    """The run's own credit, vines with the paper's K, and what needs no values."""
    own = {config.credit.rollouts} if isinstance(config.credit, VineCredit) else set[int]()
    vines = [Word(kind="vine", rollouts=count) for count in sorted({*USUAL_ROLLOUTS, *own})]
    critic = [Word(kind="critic", rollouts=None)] if has_critic else []
    return [*critic, *vines, Word(kind="group", rollouts=None), Word(kind="constant", rollouts=None)]


def build_sources(
    words: Sequence[Word], config: Config, environment: Environment, critic: Critic | None
) -> list[Source]:
    """What the words name, each with the sampling law of the config."""
    return [_build(word, config, environment, critic) for word in words]


def _build(word: Word, config: Config, environment: Environment, critic: Critic | None) -> Source:
    def assigner(credit: CreditConfig) -> CreditAssigner:
        return build_assigner(config.model_copy(update={"credit": credit}), environment, critic)

    match word:
        case Word(kind="vine", rollouts=int(count)):
            whole = assigner(VineCredit(rollouts=count))
            next_only = assigner(VineCredit(rollouts=count, max_states=NEXT_STATE_ONLY))
            meaning = f"mean reward of {plural(count)} from the state"
            return Source(name=str(word), meaning=meaning, assign=whole, foresee=next_only)
        case Word(kind="critic"):
            network = assigner(config.credit)
            return Source(name=str(word), meaning="the value network of this PPO run", assign=network, foresee=network)
        case Word(kind="group"):
            meaning = "mean reward of the question's trajectories"
            return Source(name=str(word), meaning=meaning, assign=MeanReward(within_question=True), foresee=None)
        case _:
            meaning = "mean reward of all trajectories"
            return Source(name=str(word), meaning=meaning, assign=MeanReward(within_question=False), foresee=None)


def plural(rollouts: int) -> str:
    """1 rollout, 9 rollouts."""
    return "1 rollout" if rollouts == 1 else f"{rollouts} rollouts"
