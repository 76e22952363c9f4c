"""What a run will cost in decoded tokens, before anything is loaded. Torch-free.

    trajectories   batch * L                        L: tokens of a response
    rollouts       batch * K * sum_k (L - p_k)      p_k: where state k = 0..N-1 is; vine; nothing for ppo, grpo, rloo
                   batch * K / 2 * sum_k (L - p_k)  coupled, within its token budget; tree, with restarts for K
    curriculum     attempts * L                     those that do not serve as trajectories; learnability only
    validation     questions * samples * epochs * L RestEM only
    evaluation     questions * samples * L

L and the p_k are assumptions, see `expected_shape`; so is that every other step is left (coupled). The upper bound
needs none: there every response has L = sampling.max_new_tokens, every token starts a step and every step is left.
Identical states are measured once, but counted here as if they were all different: the truth can only be lower.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from vineppo.config.estimate_counts import attempts, tryings, updates, uses_vines, validation_responses
from vineppo.config.schema import (
    ArithmeticTask,
    Config,
    CoupledCredit,
    CreditConfig,
    CustomTask,
    DatasetTask,
    Gsm8kTask,
    LinesSteps,
    MathTask,
    PolicyIterationRecipe,
    ReasoningGymTask,
    RegistersTask,
    SftConfig,
    StepsConfig,
    TokensSteps,
    TreeCredit,
    VineCredit,
    WholeSteps,
    WordProblemsTask,
)

LINE_TOKENS, REGISTER_LINE_TOKENS, WORD_LINE_TOKENS = 6, 8, 15
"""Arithmetic: value, operator, operand, =, result, line break. Word problems: on average."""
ANSWER = "####"
ANSWER_TOKENS = 3
"""Arithmetic: ####, number, end."""
GSM8K_TOKENS, GSM8K_STEPS, GSM8K_TEST_QUESTIONS = 150, 4, 1319
MATH_TOKENS, MATH_STEPS, MATH_TEST_QUESTIONS = 250, 8, 5000
LEFT = 0.5
"""Coupled vines: how probably the policy leaves its trajectory within a step. Before training; later it is less."""
CUSTOM_STEPS, CUSTOM_TEST_QUESTIONS = 8, 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """What one response looks like."""

    length: int
    """L, tokens."""
    states: Sequence[int]
    """[N] where its steps begin."""


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
    updates: int
    """Over the run; at most, where how many there are depends on what the judge accepts."""
    assumptions: tuple[str, ...]

    @property
    def parts(self) -> dict[str, Decoding]:
        """By purpose."""
        return {
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


def estimate(config: Config) -> CostEstimate:
    """The cost of a whole run."""
    expected, longest = expected_shape(config), longest_shape(config)
    iterations, batch = config.training.iterations, config.batch

    def responses(count: int, *, times: int) -> Decoding:
        return Decoding(sequences=count, tokens=count * expected.length, at_most=count * longest.length, times=times)

    credit = config.credit if isinstance(config.recipe, PolicyIterationRecipe) else None
    return CostEstimate(
        trajectories=responses(batch, times=iterations),
        rollouts=Decoding(
            sequences=batch * rollouts_of(credit, expected),
            tokens=batch * rollout_tokens(credit, expected),
            at_most=batch * most_rollout_tokens(credit, longest),
            times=iterations,
        ),
        curriculum=responses(attempts(config), times=tryings(config)),
        validation=responses(validation_responses(config), times=iterations),
        evaluation=responses(
            evaluation_questions(config) * config.evaluation.samples,
            times=evaluations(iterations, config.evaluation.every),
        ),
        updates=updates(config),
        assumptions=tuple(assumptions(config, expected)),
    )


# --- shapes ------------------------------------------------------------------------------------------------------


def expected_shape(config: Config) -> Shape:
    """What a response is assumed to look like."""
    limit = config.sampling.max_new_tokens
    match config.task:
        case ArithmeticTask() as task:
            shape = lines_shape(mean_operations(task), LINE_TOKENS, answer_is_step=not joins_answer(config.steps))
        case RegistersTask(instructions=lines):
            shape = lines_shape(lines, REGISTER_LINE_TOKENS, answer_is_step=not joins_answer(config.steps))
        case WordProblemsTask(lines=lines, fewest_lines=fewest):
            shape = lines_shape(mean(fewest, lines), WORD_LINE_TOKENS, answer_is_step=not joins_answer(config.steps))
        case Gsm8kTask():
            shape = even_shape(GSM8K_TOKENS, GSM8K_STEPS)
        case MathTask():
            shape = even_shape(MATH_TOKENS, MATH_STEPS)
        case DatasetTask() | ReasoningGymTask() | CustomTask():
            shape = even_shape(max(limit // 2, 1), CUSTOM_STEPS)
    length = min(shape.length, limit)
    match config.steps:
        case WholeSteps():
            states: Sequence[int] = (0,)
        case TokensSteps(length=step):
            states = range(0, length, step)
        case _:
            states = shape.states
    return Shape(length=length, states=tuple(at for at in states if at < limit))


def longest_shape(config: Config) -> Shape:
    """The response that costs most: it runs to the length limit and every token starts a step, if it can."""
    limit = config.sampling.max_new_tokens
    match config.steps:
        case WholeSteps():
            return Shape(length=limit, states=range(1))
        case TokensSteps(length=step):
            return Shape(length=limit, states=range(0, limit, step))
        case _:
            return Shape(length=limit, states=range(limit))


def lines_shape(lines: int, tokens: int, *, answer_is_step: bool) -> Shape:
    """Lines of so many tokens, then the answer: exact for a well-formed response."""
    end = lines * tokens
    return Shape(length=end + ANSWER_TOKENS, states=range(0, end + 1 if answer_is_step else end, tokens))


def mean_operations(task: ArithmeticTask) -> int:
    """Of a chain, rounded up."""
    fewest = task.operations if task.fewest_operations is None else task.fewest_operations
    return mean(fewest, task.operations)


def mean(fewest: int, most: int) -> int:
    """Rounded up."""
    return -(-(fewest + most) // 2)


def joins_answer(steps: StepsConfig) -> bool:
    """Whether an answer line belongs to the step before it."""
    return isinstance(steps, LinesSteps) and steps.answer_prefix != "" and ANSWER.startswith(steps.answer_prefix)


def even_shape(length: int, steps: int) -> Shape:
    """Steps of the same length, as nearly as tokens allow."""
    steps = min(steps, length)
    return Shape(length=length, states=[k * length // steps for k in range(steps)])


# --- counts ------------------------------------------------------------------------------------------------------


def rollouts_of(credit: CreditConfig | None, shape: Shape) -> int:
    """Rollouts for one trajectory: K from each measured state, or K times the probability of leaving it."""
    match credit:
        case VineCredit(rollouts=count, max_states=max_states):
            return count * len(shape.states[:max_states])
        case CoupledCredit(rollouts=count) | TreeCredit(restarts=count) if count:
            every, tokens = LEFT * count * len(shape.states), _coupled_tokens(count, shape)
            return ceil(every * min(1, rollout_tokens(credit, shape) / tokens))
        case _:
            return 0


def rollout_tokens(credit: CreditConfig | None, shape: Shape) -> int:
    """Tokens of these rollouts: each is as long as what is left of the response."""
    match credit:
        case VineCredit(rollouts=count, max_states=max_states):
            return count * sum(shape.length - at for at in shape.states[:max_states])
        case CoupledCredit(rollouts=count, token_budget=budget) | TreeCredit(restarts=count, token_budget=budget):
            tokens = ceil(_coupled_tokens(count, shape))
            return tokens if budget is None else min(tokens, budget)
        case _:
            return 0


def most_rollout_tokens(credit: CreditConfig | None, shape: Shape) -> int:
    """The same if every rollout runs to the limit and, for coupled vines, every step is left and nothing is saved."""
    match credit:
        case CoupledCredit(rollouts=count, segments=segments):
            rounded_up = count + 1  # a first look takes no more than the measurement
            return (1 if segments is None else 2) * rounded_up * sum(shape.length - at for at in shape.states)
        case TreeCredit(restarts=restarts):
            return ceil(restarts + 1) * sum(shape.length - at for at in range(shape.length)) if restarts else 0
        case _:
            return rollout_tokens(credit, shape)


def _coupled_tokens(rollouts: float, shape: Shape) -> float:
    return LEFT * rollouts * sum(shape.length - at for at in shape.states)


def evaluations(iterations: int, every: int) -> int:
    """One at the start, one every so often, one at the end."""
    return 2 if every == 0 else 1 + -(-iterations // every)


def evaluation_questions(config: Config) -> int:
    """Questions of one evaluation."""
    match config.task:
        case ArithmeticTask() | RegistersTask() | WordProblemsTask() | ReasoningGymTask() as generated:
            available = generated.test_questions
        case Gsm8kTask():
            available = GSM8K_TEST_QUESTIONS
        case MathTask():
            available = MATH_TEST_QUESTIONS
        case DatasetTask() | CustomTask():
            available = config.evaluation.questions or CUSTOM_TEST_QUESTIONS
    return min(available, config.evaluation.questions or available)


# --- words -------------------------------------------------------------------------------------------------------


def assumptions(config: Config, shape: Shape) -> list[str]:
    """Which figures are guesses, and which way they err."""
    limit = config.sampling.max_new_tokens
    lines = [
        f"Assumed of a response: tokens {shape.length}, steps {len(shape.states)} "
        f"({shape_reason(config)}; within sampling.max_new_tokens)."
    ]
    coupled = uses_vines(config) and isinstance(config.credit, CoupledCredit | TreeCredit)
    if coupled:
        lines.append(f"The policy is assumed to leave its trajectory in a step with probability {LEFT}; trained, less.")
    if uses_vines(config):
        lines += [
            "A rollout is assumed to be as long as what is left of its trajectory.",
            "Identical states are measured once but counted here each time, which only lowers the true figure.",
        ]
    if not isinstance(config.recipe, PolicyIterationRecipe):
        lines.append("Updates and validation: at most, as if every response counted; the judge decides how many do.")
    if isinstance(config.task, Gsm8kTask | MathTask | DatasetTask | CustomTask) and config.evaluation.questions is None:
        lines.append(f"The test split is assumed to have {evaluation_questions(config):,} questions.")
    bound = f"every response and rollout runs to sampling.max_new_tokens = {limit}"
    if coupled:
        bound += ", every token starts a step and every step is left"
    elif uses_vines(config) and not isinstance(config.steps, WholeSteps | TokensSteps):
        bound += " and every token starts a step; credit.max_states caps it"
    return [*lines, f"At most: {bound}."]


def shape_reason(config: Config) -> str:
    """Why a response should look so."""
    match config.task:
        case ArithmeticTask() as task:
            lines = mean_operations(task)
            return f"{lines} well-formed lines of {LINE_TOKENS} tokens, then {ANSWER}, the number and the end"
        case RegistersTask(instructions=lines):
            return f"{lines} well-formed lines of {REGISTER_LINE_TOKENS} tokens, then {ANSWER}, the number and the end"
        case WordProblemsTask(lines=lines, fewest_lines=fewest):
            lines, tokens = mean(fewest, lines), WORD_LINE_TOKENS
            return f"{lines} well-formed lines of about {tokens} tokens, then {ANSWER}, the number and the end"
        case Gsm8kTask() | MathTask():
            return "a typical worked solution, its steps evenly long"
        case DatasetTask() | ReasoningGymTask() | CustomTask():
            return "half of sampling.max_new_tokens, its steps evenly long; a guess"


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
    iterations = cost.trajectories.times
    return "\n".join(
        [
            *align(rows),
            "",
            f"{iterations:,} iterations, {iterations * cost.trajectories.sequences:,} trajectories, "
            f"{cost.updates:,} updates.",
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
