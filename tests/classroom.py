"""Questions whose difficulty is known: question `3-0` comes out right with probability 3/8."""

from collections.abc import Sequence

from vineppo.curriculum.attempts import Examiner
from vineppo.engines.fake import FakeEngine
from vineppo.environment import Environment
from vineppo.seams import Split
from vineppo.types import Judgement, Outcome, Question, Sampling

END, RIGHT, WRONG, FILLER, FIRST_PROMPT = 0, 1, 2, 3, 10
SAMPLING = Sampling(max_new_tokens=9)


def question(eighths: int, number: int = 0) -> Question:
    return Question(id=f"{eighths}-{number}", prompt=str(eighths), answer="")


def eighths_of(question: Question) -> int:
    return int(question.id.split("-")[0])


def law(prefix: tuple[int, ...]) -> list[float]:
    """Right or wrong at once, then fillers of random number, then the end."""
    if len(prefix) == 1:
        p = (prefix[0] - FIRST_PROMPT) / 8
        return [0, p, 1 - p, 0]
    return [0.7, 0, 0, 0.3]


class Pupils:
    """Judges by the first token."""

    def questions(self, split: Split) -> Sequence[Question]:
        raise NotImplementedError

    def judge(self, questions: Sequence[Question], responses: Sequence[str]) -> list[Judgement]:
        return [
            Judgement(reward=1.0, outcome=Outcome.CORRECT)
            if response.startswith(str(RIGHT))
            else Judgement(reward=0.0, outcome=Outcome.WRONG)
            for response in responses
        ]


def classroom() -> tuple[Environment, FakeEngine]:
    engine = FakeEngine(law, end_ids=(END,))
    environment = Environment(
        engine=engine,
        task=Pupils(),
        encode=lambda prompt: (FIRST_PROMPT + int(str(prompt)),),
        decode=lambda ids: "".join(map(str, ids)),
    )
    return environment, engine


def examiner(attempts: int = 8) -> tuple[Examiner, FakeEngine]:
    environment, engine = classroom()
    return Examiner(environment=environment, sampling=SAMPLING, count=attempts), engine
