"""The task: stories of a given length about a few people, in which enough lines matter."""

import random
from collections.abc import Mapping, Sequence

from vineppo.errors import UserError
from vineppo.rng import derive_seed
from vineppo.seams import Split
from vineppo.tasks.arithmetic import judge_one
from vineppo.tasks.generated import Generated
from vineppo.tasks.word_problems import phrases
from vineppo.tasks.word_problems.phrases import CHANGES, DOLLARS, FEW, PARTS, SEVERAL, THINGS, TIMES
from vineppo.tasks.word_problems.story import PEOPLE, Sentence, Story, follow
from vineppo.types import Judgement, Question

FIRST = range(5, 31)
"""What people have at the beginning."""
SALES = 0.25
"""Share of stories that end with a sale."""
KINDS = len(CHANGES) + 4
"""Besides one of `CHANGES`: somebody gives, buys bags, earns by the day, or starts again."""


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
        return [judge_one(q.answer, r) for q, r in zip(questions, responses, strict=True)]

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
