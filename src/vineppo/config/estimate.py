"""What a run will cost in decoded tokens, before anything is loaded. Torch-free.

    trajectories   batch * L                        L: tokens of a response
    rollouts       batch * K * sum_k (L - p_k)      p_k: where state k = 0..N-1 is; vine; nothing for ppo, grpo, rloo
                   batch * K / 2 * sum_k (L - p_k)  coupled, within its token budget; tree, with restarts for K
    curriculum     attempts * L                     those that do not serve as trajectories; learnability only
    validation     questions * samples * epochs * L RestEM only
    stages         once, InT only: attempts, proposals of an adviser, continuations
    evaluation     questions * samples * L

L and the p_k are assumptions, see `expected_shape`; so is that every other step is left (coupled). The upper bound
needs none: there every response has L = sampling.max_new_tokens, every token starts a step and every step is left.
Identical states are measured once, but counted here as if they were all different: the truth can only be lower.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vineppo.config.schema import Config, SftConfig
from vineppo.credit.settings import CreditSettings
from vineppo.settings.shapes import Shape

TEST_QUESTIONS = 1000
"""Assumed of a test split of which nothing is known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Decoding:
    """What is decoded for one purpose."""

    sequences: int
    """Responses or rollouts, each time."""
    tokens: int
    """Each time, as expected."""
    at_most: int
    """Tokens each time, upper bound."""
    times: int
    """Over the run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CostEstimate:
    """What a run decodes, and how often it updates the policy."""

    trajectories: Decoding
    """Once an iteration, as are rollouts."""
    rollouts: Decoding
    curriculum: Decoding
    validation: Decoding
    evaluation: Decoding
    stages: Mapping[str, Decoding]
    """Of the recipe, before all else."""
    iterations: int
    updates: int
    """Over the run; at most, where how many there are depends on what the judge accepts."""
    assumptions: tuple[str, ...]

    @property
    def parts(self) -> dict[str, Decoding]:
        """By purpose."""
        return {
            **self.stages,
            "trajectories": self.trajectories,
            "rollouts": self.rollouts,
            "curriculum": self.curriculum,
            "validation": self.validation,
            "evaluation": self.evaluation,
        }

    @property
    def tokens(self) -> int:
        """Decoded over the run, as expected."""
        return sum(part.tokens * part.times for part in self.parts.values())

    @property
    def at_most(self) -> int:
        """Decoded over the run, upper bound."""
        return sum(part.at_most * part.times for part in self.parts.values())


def estimate(config: Config, *, train_size: int | None = None) -> CostEstimate:
    """The cost of a whole run. train_size: training questions, where they were counted."""
    expected, longest = expected_shape(config), longest_shape(config)
    iterations, batch = config.training.iterations, config.batch
    usual = iterations - config.recipe.staged

    def responses(count: int, *, times: int) -> Decoding:
        return Decoding(sequences=count, tokens=count * expected.length, at_most=count * longest.length, times=times)

    recipe, curriculum, credit = config.recipe, config.curriculum, measured_credit(config)
    rollouts = credit.rollouts_of(expected)
    asked = config.task.made[0] if train_size is None and config.task.made is not None else train_size
    once = stages(config, expected, longest, asked)
    return CostEstimate(
        trajectories=responses(batch, times=usual),
        rollouts=Decoding(
            sequences=batch * rollouts.count,
            tokens=batch * rollouts.tokens,
            at_most=batch * credit.most_tokens(longest),
            times=usual,
        ),
        curriculum=responses(curriculum.responses(config.training), times=curriculum.times(iterations)),
        validation=responses(recipe.held_out * recipe.validations() * config.evaluation.samples, times=iterations),
        evaluation=responses(
            evaluation_questions(config) * config.evaluation.samples,
            times=evaluations(iterations, config.evaluation.every),
        ),
        stages=once,
        iterations=iterations,
        updates=recipe.updates(config.training, config.learner, config.credit),
        assumptions=tuple(assumptions(config, expected, counts_stages=bool(once))),
    )


def stages(config: Config, expected: Shape, longest: Shape, questions: int | None) -> dict[str, Decoding]:
    """What the recipe decodes once, before all else. questions: of the training split; None: not known."""
    credit = measured_credit(config)
    usual = config.recipe.stages(questions, expected, credit, at_most=False)
    most = config.recipe.stages(questions, longest, credit, at_most=True)
    return {
        name: Decoding(sequences=own.count, tokens=own.tokens, at_most=most[name].tokens, times=1)
        for name, own in usual.items()
    }


def measured_credit(config: Config) -> CreditSettings:
    """What says who earned the reward; nothing that samples where the recipe does without."""
    return config.credit if config.recipe.assigns_credit else CreditSettings()


def expected_shape(config: Config) -> Shape:
    """What a response is assumed to look like."""
    limit = config.sampling.max_new_tokens
    shape = config.task.shape(limit, config.steps.joins)
    length = min(shape.length, limit)
    states = config.steps.states(length, shape.states)
    return Shape(length=length, states=tuple(at for at in states if at < limit))


def longest_shape(config: Config) -> Shape:
    """The response that costs most: it runs to the length limit and every token starts a step, if it can."""
    limit = config.sampling.max_new_tokens
    return Shape(length=limit, states=config.steps.states(limit, range(limit)))


def evaluations(iterations: int, every: int) -> int:
    """One at the start, one every so often, one at the end."""
    return 2 if every == 0 else 1 + -(-iterations // every)


def evaluation_questions(config: Config) -> int:
    """Questions of one evaluation."""
    asked, made = config.evaluation.questions, config.task.made
    available = (made[1] if made else config.task.usual_test_size) or asked or TEST_QUESTIONS
    return min(available, asked or available)


# --- words -------------------------------------------------------------------------------------------------------


def assumptions(config: Config, shape: Shape, *, counts_stages: bool) -> list[str]:
    """Which figures are guesses, and which way they err."""
    limit = config.sampling.max_new_tokens
    lines = [
        f"Assumed of a response: tokens {shape.length}, steps {len(shape.states)} "
        f"({config.task.shape_reason}; within sampling.max_new_tokens)."
    ]
    credit = measured_credit(config)
    lines += [*config.recipe.assumptions, *credit.assumptions]
    if config.recipe.staged and not counts_stages:
        lines.append("Not counted: stages of the recipe on all training questions, whose number is not known here.")
    if credit.values == "rollouts":
        lines += [
            "A rollout is assumed to be as long as what is left of its trajectory.",
            "Identical states are measured once but counted here each time, which only lowers the true figure.",
        ]
    if not config.recipe.assigns_credit:
        lines.append("Updates and validation: at most, as if every response counted; the judge decides how many do.")
    if config.task.made is None and config.evaluation.questions is None:
        lines.append(f"The test split is assumed to have {evaluation_questions(config):,} questions.")
    bound = f"every response and rollout runs to sampling.max_new_tokens = {limit}"
    if credit.values == "rollouts":
        bound += credit.bound_in_words(any_token=not config.steps.fixed)
    return [*lines, f"At most: {bound}."]


def render(cost: CostEstimate) -> str:
    """The estimate as a plain-text table."""
    rows: list[Sequence[str]] = [
        ("decoded tokens", "sequences", "tokens each time", "times", "over the run", "at most")
    ]
    for name, part in cost.parts.items():
        if part.sequences == 0 and name in ("curriculum", "validation"):
            continue
        run, at_most = part.tokens * part.times, part.at_most * part.times
        rows.append((name, *(f"{n:,}" for n in (part.sequences, part.tokens, part.times, run, at_most))))
    rows.append(("total", "", "", "", f"{cost.tokens:,}", f"{cost.at_most:,}"))
    trajectories = cost.trajectories.times * cost.trajectories.sequences
    return "\n".join(
        [
            *align(rows),
            "",
            f"{cost.iterations:,} iterations, {trajectories:,} trajectories, {cost.updates:,} updates.",
            *cost.assumptions,
        ]
    )


def render_sft(config: SftConfig) -> str:
    """The cost of supervised finetuning, which decodes nothing."""
    demonstrations = config.updates * config.batch
    return f"{config.updates:,} updates of {config.batch:,} demonstrations: {demonstrations:,}. Nothing is decoded."


def align(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with the first column to the left and all others to the right."""
    first, *others = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([row[0].ljust(first), *(cell.rjust(width) for cell, width in zip(row[1:], others, strict=True))])
        for row in rows
    ]
