"""From words such as vine:9 to the values they name. The words are checked before anything is loaded."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite

from vineppo.analysis.sources import MeanReward, Source
from vineppo.config.schema import Config, CoupledCredit, CreditConfig, PpoCredit, TreeCredit, VineCredit
from vineppo.credit.group import grpo
from vineppo.environment import Environment
from vineppo.errors import UserError
from vineppo.learner.critic import Critic
from vineppo.recipes.build import build_assigner
from vineppo.seams import CreditAssigner

KINDS = (
    "vine:K or coupled:K (K rollouts per state), tree:K (K restarts per token), critic (a PPO run's value network), "
    "group, grpo, constant"
)
USUAL_ROLLOUTS = (1, 3, 9)
"""K in the paper's ablation."""
USUAL_RESTARTS = (0.1, 0.3, 1.0)
NEXT_STATE_ONLY = 2
"""States of an alternative that vines measure: the root, which is shared, and the one asked about."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """A source as it was asked for."""

    kind: str
    amount: float | None = None
    """K, for those that have one."""

    def __str__(self) -> str:
        return self.kind if self.amount is None else f"{self.kind}:{self.amount:g}"


def parse_sources(config: Config, *, has_critic: bool) -> list[Word]:
    """The sources that `analysis.sources` names, or the usual ones. Raises UserError for what cannot be had."""
    asked = config.analysis.sources
    words = usual_sources(config, has_critic=has_critic) if asked is None else [parse_word(text) for text in asked]
    if not words:
        raise UserError(f"analysis.sources is empty; name at least one of {KINDS}")
    if Word(kind="critic") in words and not has_critic:
        raise UserError(
            f"source critic is a PPO run's value network, but here is none (credit is {config.credit.name}); "
            "analyze a checkpoint of a run with credit=ppo, or leave this source out"
        )
    return list(dict.fromkeys(words))


def parse_word(text: str) -> Word:
    """One source."""
    kind, _, number = text.partition(":")
    match kind:
        case "vine" | "coupled" if number.isascii() and number.isdigit() and int(number) > 0:
            return Word(kind=kind, amount=int(number))
        case "tree" if (restarts := _positive(number)) is not None:
            return Word(kind=kind, amount=restarts)
        case "critic" | "group" | "grpo" | "constant" if kind == text:
            return Word(kind=kind)
        case _:
            raise UserError(f"source {text!r} is unknown; name {KINDS}")


def _positive(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) and number > 0 else None


def usual_sources(config: Config, *, has_critic: bool) -> list[Word]:
    """The run's own credit, vines with the paper's K, and what needs no values."""
    words = {Word(kind="vine", amount=count) for count in USUAL_ROLLOUTS}
    words |= {Word(kind="tree", amount=restarts) for restarts in USUAL_RESTARTS}
    match config.credit:
        case VineCredit(rollouts=count) | CoupledCredit(rollouts=count) | TreeCredit(restarts=count) if count:
            words.add(Word(kind=config.credit.name, amount=count))
        case _ if has_critic:
            words.add(Word(kind="critic"))
        case _:
            pass
    measured = sorted(words, key=lambda word: (word.kind, word.amount or 0))
    return [*measured, Word(kind="group"), Word(kind="grpo"), Word(kind="constant")]


def build_sources(
    words: Sequence[Word], config: Config, environment: Environment, critic: Critic | None
) -> list[Source]:
    """What the words name, each with the sampling law of the config."""
    return [_build(word, config, environment, critic) for word in words]


def _build(word: Word, config: Config, environment: Environment, critic: Critic | None) -> Source:
    def assigner(credit: CreditConfig) -> CreditAssigner:
        return build_assigner(config.model_copy(update={"credit": credit}), environment, critic)

    match word:
        case Word(kind="vine", amount=int(count)):
            whole = assigner(VineCredit(rollouts=count))
            next_only = assigner(VineCredit(rollouts=count, max_states=NEXT_STATE_ONLY))
            return _source(word, f"mean reward of {plural(count)} from the state", whole, next_only)
        case Word(kind="coupled", amount=int(count)):
            coupled = assigner(CoupledCredit(rollouts=count))
            return _source(word, f"coupled vines, K = {count}", coupled, coupled)
        case Word(kind="tree", amount=float(restarts)):
            tree = assigner(TreeCredit(restarts=restarts))
            meaning = f"tree credit, {restarts:g} restarts per token, learned from"
            return replace(_source(word, meaning, tree, None), ranks_steps=False)
        case Word(kind="critic"):
            network = assigner(config.credit)
            source = _source(word, "the value network of this PPO run", network, network)
            return replace(source, is_unbiased=isinstance(config.credit, PpoCredit) and config.credit.gae_lambda == 1)
        case _:
            return _outcome(word)


def _outcome(word: Word) -> Source:
    """One value for all states."""
    match word.kind:
        case "group":
            return _source(word, "mean reward of the question's trajectories", MeanReward(within_question=True), None)
        case "grpo":
            scaled = MeanReward(within_question=True, advantages=grpo)
            meaning = "the same, divided by the standard deviation of their rewards"
            return replace(_source(word, meaning, scaled, None), is_unbiased=False)
        case _:
            return _source(word, "mean reward of all trajectories", MeanReward(within_question=False), None)


def _source(word: Word, meaning: str, assign: CreditAssigner, foresee: CreditAssigner | None) -> Source:
    return Source(name=str(word), meaning=meaning, assign=assign, foresee=foresee)


def plural(rollouts: int) -> str:
    """1 rollout, 9 rollouts."""
    return "1 rollout" if rollouts == 1 else f"{rollouts} rollouts"
