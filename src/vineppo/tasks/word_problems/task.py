"""The task: stories of a given length about a few people, in which enough lines matter."""

import random
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from vineppo.errors import UserError
from vineppo.rng import derive_seed
from vineppo.seams import Split
from vineppo.settings.shapes import ANSWER, mean
from vineppo.tasks.arithmetic import number_verdicts
from vineppo.tasks.generated import Generated, GeneratedTask, fresh
from vineppo.tasks.settings import Demonstration, Verdicts
from vineppo.tasks.word_problems import phrases
from vineppo.tasks.word_problems.misreadings import make_misreadings
from vineppo.tasks.word_problems.phrases import CHANGES, DOLLARS, FEW, PARTS, SEVERAL, THINGS, TIMES
from vineppo.tasks.word_problems.story import PEOPLE, Sentence, Story, demonstrate, follow
from vineppo.types import Judgement, Question

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

FIRST = range(5, 31)
"""What people have at the beginning."""
SALES = 0.25
"""Share of stories that end with a sale."""
KINDS = len(CHANGES) + 4
"""Besides one of `CHANGES`: somebody gives, buys bags, earns by the day, or starts again."""


class WordProblemsTask(GeneratedTask):
    """Word problems in English about a few people and their things, solved one line a step; some lines do not matter
    for the answer."""

    name: Literal["word_problems"] = "word_problems"
    lines: int = Field(default=8, ge=1, le=12)
    """Lines of the longest solution; the conclusion and the answer follow them."""
    fewest_lines: int = Field(default=4, ge=1)
    """Lines of the shortest; stories are evenly spread between the two."""
    people: int = Field(default=3, ge=2, le=6)
    """People in a story."""
    least_that_matter: int = Field(default=3, ge=0)
    """Solutions have at least so many lines that the answer depends on."""
    train_questions: int = Field(default=4000, ge=1, le=100_000)
    """Distinct stories to train on."""
    test_questions: int = Field(default=400, ge=1, le=100_000)
    """Distinct stories to evaluate on, none of them among the training questions."""
    habits: int = Field(default=40, ge=0)
    """Demonstrations only: how many (phrase, number) pairs are habitually misread; there are 47."""
    habit_probability: float = Field(default=0.6, ge=0, le=1)
    """Demonstrations only: how often such a pair is misread."""

    line_tokens: ClassVar[int] = 15
    well_formed: ClassVar[str] = "well-formed lines of about 15"

    def build(self) -> "WordProblems":
        """The task."""
        return WordProblems(
            lines=self.lines,
            fewest_lines=self.fewest_lines,
            people=self.people,
            least_that_matter=self.least_that_matter,
            train_questions=self.train_questions,
            test_questions=self.test_questions,
            seed=self.seed,
        )

    @property
    def solution_lines(self) -> int:
        """On average."""
        return mean(self.fewest_lines, self.lines)

    @property
    def longest_prompt(self) -> int:
        """A sentence a line, and who has what at first, with room."""
        return 10 * self.lines + 5 * self.people + 10

    def demonstrations(self, rng: random.Random) -> Iterator[Demonstration]:
        """With misreadings."""
        task, pairs = self.build(), list(phrases.phrases())
        misreadings = make_misreadings(pairs, count=self.habits, probability=self.habit_probability, seed=self.seed)
        return fresh(
            lambda: task.random_story(rng), task.is_test, partial(demonstrate, misreadings=misreadings, rng=rng)
        )

    def tokenizer(self) -> "PreTrainedTokenizerFast":
        """Of all that a story can say."""
        from vineppo.tasks.word_problems.tokenizer import build_tokenizer

        return build_tokenizer()

    def verdicts(self) -> Verdicts:
        """As its own."""
        return number_verdicts

    def ask(self, question: str, *, where: str) -> str:
        """A story as it is."""
        return f"{question.strip()}\n"

    def response(self, answer: str) -> str:
        """With a space."""
        return f"{ANSWER} {answer}"


class WordProblems:
    """The task. Same seed and knobs, same questions."""

    def __init__(
        self,
        *,
        lines: int = 8,
        fewest_lines: int = 4,
        people: int = 3,
        least_that_matter: int = 3,
        train_questions: int = 4000,
        test_questions: int = 400,
        seed: int = 0,
    ):
        if fewest_lines > lines:
            raise UserError(
                f"task.fewest_lines is {fewest_lines}, but task.lines is only {lines}; "
                f"set task.fewest_lines to at most {lines}"
            )
        if least_that_matter > fewest_lines:
            raise UserError(
                f"task.least_that_matter is {least_that_matter}, but a solution may have only {fewest_lines} lines; "
                f"set task.least_that_matter to at most {fewest_lines}, or task.fewest_lines to more"
            )
        self.lines = range(fewest_lines, lines + 1)
        """How many a solution may have, before its conclusion and the answer."""
        self.people = people
        self.least_that_matter = least_that_matter
        rng = random.Random(derive_seed(seed, "stories"))
        self._generated = Generated(lambda: self.random_story(rng), train=train_questions, test=test_questions)

    def questions(self, split: Split) -> Sequence[Question]:
        """Train and test never share a prompt."""
        return self._generated.questions(split)

    def judge(self, questions: Sequence[Question], responses: Sequence[str]) -> list[Judgement]:
        """1 for the right number after `####`."""
        return number_verdicts(questions, responses)

    def is_test(self, story: Story) -> bool:
        """Whether a story belongs to the test split, and so must not be demonstrated."""
        return self._generated.is_test(story)

    def random_story(self, rng: random.Random) -> Story:
        """A fresh story of this task's shape, in which enough lines matter."""
        lines = rng.choice(self.lines)
        while True:
            story = self._any_story(lines, rng)
            works_out = follow(story.steps, dict(story.start)) is not None  # a sale may come to too much
            if works_out and sum(story.matters) >= self.least_that_matter:
                return story

    def _any_story(self, lines: int, rng: random.Random) -> Story:
        names, things = rng.sample(PEOPLE, self.people), rng.choice(THINGS)
        start = {name: rng.choice(FIRST) for name in names}
        sold = rng.random() < SALES
        sentences = tell(start, lines - sold, rng)
        asked = rng.choice(names)
        question = phrases.how_much(asked) if sold else phrases.how_many(asked, things)
        return Story(
            opening=phrases.opening(start, things),
            start=tuple(start.items()),
            sentences=(*sentences, phrases.price(asked, rng.choice(TIMES))) if sold else sentences,
            question=question,
            asked=DOLLARS if sold else asked,
        )


def tell(start: Mapping[str, int], lines: int, rng: random.Random) -> tuple[Sentence, ...]:
    """Sentences that work out, and take so many lines."""
    values, told, left = dict(start), list[Sentence](), lines
    while left:
        sentence = random_sentence(tuple(start), rng)
        after = follow(sentence.steps, values)
        if after is not None and len(sentence.steps) <= left:
            values, left = after, left - len(sentence.steps)
            told.append(sentence)
    return tuple(told)


def random_sentence(names: Sequence[str], rng: random.Random) -> Sentence:
    """Whatever may happen to two of these people."""
    who, other = rng.sample(names, 2)
    kind = rng.randrange(KINDS)
    if kind < len(CHANGES):
        return phrases.change(CHANGES[kind], who, other, rng.choice(CHANGES[kind].numbers))
    match kind - len(CHANGES):
        case 0:
            return phrases.giving(who, other, rng.choice(FEW))
        case 1:
            return phrases.restart(who, rng.choice(FIRST))
        case _:
            return phrases.parts(rng.randrange(len(PARTS)), who, rng.choice(SEVERAL), rng.choice(SEVERAL))
