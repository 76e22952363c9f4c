"""From words such as vine:9 to the values they name. The words are checked before anything is loaded."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydantic import ValidationError

from vineppo.analysis.sources import MeanReward, Source
from vineppo.config.fields import variants_of
from vineppo.config.schema import Config
from vineppo.config.yaml_text import parse_yaml
from vineppo.credit.build import build_assigner
from vineppo.credit.group import grpo
from vineppo.credit.settings import CreditParts, CreditSettings
from vineppo.environment import Environment
from vineppo.errors import UserError
from vineppo.learner.critic import Critic
from vineppo.recipes.policy_iteration import predictor

USUAL = ("vine:1", "vine:3", "vine:9", "tree:0.1", "tree:0.3", "tree:1")
"""The paper's K, and restarts around the default."""
CRITIC, GROUP, GRPO, CONSTANT = "critic", "group", "grpo", "constant"


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """A source as it was asked for."""

    text: str
    credit: CreditSettings | None = None
    """None: one value for all states."""


def parse_sources(config: Config, *, has_critic: bool) -> list[Word]:
    """The sources that `analysis.sources` names, or the usual ones. Raises UserError for what cannot be had."""
    asked = config.analysis.sources
    texts = usual_sources(config, has_critic=has_critic) if asked is None else asked
    if not texts:
        raise UserError(f"analysis.sources is empty; name at least one of {kinds(config)}")
    if CRITIC in texts and not has_critic:
        raise UserError(
            f"source critic is a PPO run's value network, but here is none (credit is {config.credit.called}); "
            "analyze a checkpoint of a run with credit=ppo, or leave this source out"
        )
    return list({word.text: word for word in (parse_word(config, text) for text in texts)}.values())


def methods(config: Config) -> dict[str, type[CreditSettings]]:
    """Those that measure values, the run's own among them, by the name they go by as a source."""
    known = variants_of(type(config).model_fields["credit"])
    return {
        name: kind for name, kind in known.items() if issubclass(kind, CreditSettings) and kind.values == "rollouts"
    }


def kinds(config: Config) -> str:
    """All there are, for people."""
    words = [f"{name}:{kind.amount.upper()}" if kind.amount else name for name, kind in methods(config).items()]
    return f"{', '.join(words)}, {CRITIC} (a PPO run's value network), {GROUP}, {GRPO}, {CONSTANT}"


def parse_word(config: Config, text: str) -> Word:
    """One source."""
    if text in (GROUP, GRPO, CONSTANT):
        return Word(text=text)
    if text == CRITIC:
        return Word(text=text, credit=config.credit)
    # A name may itself hold colons, where it names a class of yours.
    for name, kind in methods(config).items():
        amount = text.removeprefix(f"{name}:")
        if kind.amount and amount != text and (credit := with_amount(name, kind, amount)) is not None:
            return Word(text=source_name(credit), credit=credit)
        if not kind.amount and text == name:
            return Word(
                text=text, credit=config.credit if config.credit.called == name else kind.model_validate({"name": name})
            )
    raise UserError(f"source {text!r} is unknown; name {kinds(config)}")


def with_amount(name: str, kind: type[CreditSettings], amount: str) -> CreditSettings | None:
    """The method with that much of what it samples; None where it cannot be, or would sample nothing."""
    value = parse_yaml(amount, where=f"source {name}:{amount}")
    if not isinstance(value, int | float) or isinstance(value, bool) or not value > 0:
        return None
    try:
        return kind.model_validate({"name": name, kind.amount: value}, strict=True)
    except ValidationError:
        return None


def source_name(credit: CreditSettings) -> str:
    """As a source is called, e.g. vine:9."""
    return f"{credit.called}:{dict(credit)[credit.amount]:g}" if credit.amount else credit.called


def usual_sources(config: Config, *, has_critic: bool) -> list[str]:
    """The run's own credit, vines and trees, and what needs no values."""
    words, own = set[str](USUAL), config.credit
    if own.values == "rollouts" and (not own.amount or dict(own)[own.amount]):
        words.add(source_name(own))
    if has_critic:
        words.add(CRITIC)
    return [*sorted(words, key=_by_amount), GROUP, GRPO, CONSTANT]


def _by_amount(word: str) -> tuple[str, float]:
    name, _, amount = word.rpartition(":")
    try:
        return name or word, float(amount)
    except ValueError:
        return word, 0.0


def build_sources(
    words: Sequence[Word], config: Config, environment: Environment, critic: Critic | None
) -> list[Source]:
    """What the words name, each with the sampling law of the config."""
    predict = None if critic is None else predictor(critic)
    parts = CreditParts(environment=environment, sampling=config.sampling.law, predict_values=predict)
    return [outcome(word.text) if word.credit is None else measured(word.text, word.credit, parts) for word in words]


def measured(name: str, credit: CreditSettings, parts: CreditParts) -> Source:
    """A method with values of its own."""
    next_only = credit.next_state_only()
    return Source(
        name=name,
        meaning=credit.meaning,
        assign=build_assigner(credit, parts),
        foresee=None if next_only is None else build_assigner(next_only, parts),
        is_unbiased=credit.is_unbiased,
        ranks_steps=next_only is not None,
    )


def outcome(name: str) -> Source:
    """One value for all states."""
    match name:
        case "group":
            assign, meaning = MeanReward(within_question=True), "mean reward of the question's trajectories"
        case "grpo":
            assign = MeanReward(within_question=True, advantages=grpo)
            meaning = "the same, divided by the standard deviation of their rewards"
        case _:
            assign, meaning = MeanReward(within_question=False), "mean reward of all trajectories"
    source = Source(name=name, meaning=meaning, assign=assign, foresee=None)
    return replace(source, is_unbiased=name != GRPO)
