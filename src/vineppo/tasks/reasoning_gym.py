"""Reasoning Gym (Stojanovski et al., arXiv 2505.24760): questions from generators, judged by their own scorers.

Several generators are mixed by weight. The answer stands between the last `<answer>` and `</answer>`; the reward is the
scorer's, between 0 and 1. Needs the extra `vineppo[reasoning-gym]`.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import islice
from typing import Any, Literal

from pydantic import Field

from vineppo.errors import UserError
from vineppo.rng import derive_seed
from vineppo.seams import Split
from vineppo.settings.strict import Strict
from vineppo.tasks.judge.workers import Workers
from vineppo.tasks.rows import one_line
from vineppo.tasks.settings import TaskSettings
from vineppo.tasks.templates import Wording, choose_wording
from vineppo.types import Judgement, Outcome, Question

OPEN, CLOSE = "<answer>", "</answer>"
MAX_ANSWER = 10_000
BOXED = "\\boxed{"
"""Characters; what is longer is not scored. Some generators ask for whole grids."""
MODULE = "vineppo.tasks.judge.reasoning_gym_worker"
TRIES = 20
"""Questions drawn for each one wanted, before a generator is held to have no more new ones."""

Entry = dict[str, Any]


class JudgeConfig(Strict):
    """Limits of the child processes in which Reasoning Gym's scorers run."""

    seconds: float = Field(default=3.0, gt=0)
    """Wall clock for one answer; one that takes longer has outcome timeout and reward 0."""
    memory_mib: int = Field(default=2048, ge=512)
    """Address space of one child process."""
    workers: int | None = Field(default=None, ge=1)
    """Child processes; none: one a core, at most 4."""


class GeneratorConfig(Strict):
    """One of Reasoning Gym's generators."""

    name: str
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """How often it is drawn, relative to the others."""
    settings: dict[str, object] = Field(default={})
    """The generator's own."""


class ReasoningGymTask(TaskSettings):
    """Procedural reasoning questions, judged by their own scorers. Needs the extra `vineppo[reasoning-gym]`."""

    name: Literal["reasoning_gym"] = "reasoning_gym"
    generators: list[GeneratorConfig] = Field(default=[GeneratorConfig(name="leg_counting")], min_length=1)
    """E.g. [{name: countdown, weight: 2.0, settings: {max_numbers: 4}}, {name: leg_counting}]."""
    train_questions: int = Field(default=2000, ge=1)
    test_questions: int = Field(default=200, ge=1)
    seed: int = 0
    """Generates the questions; train and test are disjoint."""
    template: str | None = None
    """The prompt, or with `chat` what a user says: text in which `{question}` is replaced, or a preset: paper, boxed,
    answer, plain. null: answer."""
    chat: bool | None = None
    """Questions are posed by the policy's own chat template. null: where it has one and `template` is null."""
    judge: JudgeConfig = JudgeConfig()

    def build(self) -> "ReasoningGym":
        """Generators, and child processes for their scorers."""
        judge = self.judge
        return ReasoningGym(
            [Generator(name=each.name, weight=each.weight, settings=each.settings) for each in self.generators],
            train_questions=self.train_questions,
            test_questions=self.test_questions,
            seed=self.seed,
            wording=choose_wording(self.chat, self.template, text="answer", message="answer"),
            workers=Workers(MODULE, count=judge.workers, seconds=judge.seconds, memory_mib=judge.memory_mib),
        )

    @property
    def made(self) -> tuple[int, int]:
        """As many as are asked for."""
        return self.train_questions, self.test_questions

    @property
    def unjudged(self) -> str:
        """It can be tried."""
        return ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Generator:
    """One of Reasoning Gym's datasets by name, with its own settings."""

    name: str
    weight: float = 1.0
    settings: Mapping[str, object] = field(default_factory=dict)


class ReasoningGym:
    """The task. Same seed and generators, same questions; no training question is a test question."""

    def __init__(
        self,
        generators: Sequence[Generator],
        *,
        train_questions: int,
        test_questions: int,
        seed: int,
        wording: Wording,
        workers: Workers,
    ):
        self._generators, self._workers = generators, workers
        test = take(draw(generators, derive_seed(seed, "test")), test_questions, frozenset())
        known = frozenset(entry["question"] for _, entry in test)
        train = take(draw(generators, derive_seed(seed, "train")), train_questions, known)
        self._questions: dict[Split, list[Question]] = {
            "train": make_questions("train", train, wording),
            "test": make_questions("test", test, wording),
        }

    def questions(self, split: Split) -> Sequence[Question]:
        """In the order they were drawn."""
        return self._questions[split]

    def judge(self, questions: Sequence[Question], responses: Sequence[str]) -> list[Judgement]:
        """The scorer's score of what stands in the last answer tag."""
        answers = [read_answer(response) for response in responses]
        found = [i for i, answer in enumerate(answers) if answer is not None]
        requests = [self._request(questions[i], answers[i]) for i in found]
        replies = dict(zip(found, self._workers.ask(requests), strict=True))
        nothing = Judgement(reward=0.0, outcome=Outcome.UNPARSEABLE)
        return [to_judgement(replies[i]) if i in replies else nothing for i in range(len(responses))]

    def _request(self, question: Question, answer: str | None) -> object:
        match question.columns:
            case {"generator": int(which), "entry": entry}:
                generator = self._generators[which]
                return generator.name, dict(generator.settings), entry, answer
            case _:
                raise ValueError(f"question {question.id} was not drawn by this task")


def read_answer(response: str) -> str | None:
    """What stands in the last answer tag, without a box around all of it."""
    before, closed, _ = response.rpartition(CLOSE)
    _, opened, answer = before.rpartition(OPEN)
    answer = without_box(answer.strip())
    return answer if opened and closed and 0 < len(answer) <= MAX_ANSWER else None


def without_box(answer: str) -> str:
    """Models that box every answer do it within tags, too."""
    bare = answer.strip("$ ")
    from vineppo.tasks.judge.extract import boxes  # late: settings lie here, too, and must be quick to import

    found = boxes(bare) if bare.startswith(BOXED) else []
    return found[0].strip() if len(found) == 1 and bare == f"{BOXED}{found[0]}}}" else answer


def to_judgement(score: object | None) -> Judgement:
    """A full score is correct, none is wrong, what lies between is a score, and text says why there is none."""
    match score:
        case None:
            return Judgement(reward=0.0, outcome=Outcome.TIMEOUT)
        case str():
            return Judgement(reward=0.0, outcome=Outcome.FAILED, told={"failure": score})
        case float() | int():
            outcome = Outcome.CORRECT if score >= 1 else Outcome.SCORED if score > 0 else Outcome.WRONG
            return Judgement(reward=float(score), outcome=outcome)
        case _:
            raise TypeError(f"a score is a number, not {score!r}")


def make_questions(split: Split, drawn: Sequence[tuple[int, Entry]], wording: Wording) -> list[Question]:
    """One question an entry; the columns hold what its scorer needs."""
    prompts = wording([entry["question"] for _, entry in drawn])
    return [
        Question(
            id=f"{split}-{i}",
            prompt=prompt,
            answer=str(entry["answer"]),
            columns={"generator": which, "entry": entry},
        )
        for i, (prompt, (which, entry)) in enumerate(zip(prompts, drawn, strict=True))
    ]


def draw(generators: Sequence[Generator], seed: int) -> Iterator[tuple[int, Entry]]:
    """Entries without end, each with its generator's index, mixed by weight."""
    datasets = [make_dataset(generator, derive_seed(seed, i)) for i, generator in enumerate(generators)]
    rng = random.Random(derive_seed(seed, "mix"))
    weights = [generator.weight for generator in generators]
    number = 0
    while True:
        [which] = rng.choices(range(len(datasets)), weights)
        yield which, datasets[which][number]
        number += 1


def take(entries: Iterator[tuple[int, Entry]], count: int, known: frozenset[str]) -> list[tuple[int, Entry]]:
    """The first `count` entries whose question is not known."""
    fresh = (pair for pair in islice(entries, TRIES * count) if pair[1]["question"] not in known)
    taken = list(islice(fresh, count))
    if len(taken) < count:
        raise UserError(
            f"task.train_questions is {count}, but the generators gave only {len(taken)} questions that are not in the "
            "test split; lower task.test_questions, or widen the settings in task.generators"
        )
    return taken


def make_dataset(generator: Generator, seed: int) -> Any:
    """Reasoning Gym's dataset of this name; its seeds have 31 bits."""
    try:
        import reasoning_gym
        from reasoning_gym.factory import DATASETS
    except ImportError as error:
        raise UserError(
            f"task.name reasoning_gym: {error}; install it with pip install 'vineppo[reasoning-gym]'"
        ) from error
    if generator.name not in DATASETS:
        near = get_close_matches(generator.name, DATASETS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"take one of {one_line(', '.join(sorted(DATASETS)))}"
        raise UserError(f"task.generators: Reasoning Gym has no generator {generator.name!r}; {hint}")
    try:
        return reasoning_gym.create_dataset(generator.name, seed=seed % 2**31, size=2**31, **generator.settings)
    except (TypeError, ValueError, AssertionError) as error:
        raise UserError(
            f"task.generators: {generator.name} does not take settings {dict(generator.settings)} "
            f"({one_line(error)}); correct them"
        ) from error
