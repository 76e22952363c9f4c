"""A policy whose every value is known: four letters, four steps, all probabilities in quarters.

A response is four letters of 1..4 and the end token 0; every letter is a step. All probabilities are multiples of 1/4,
so the value of every state is a multiple of 1/256 and `Truth` can hold it exactly, as the counts of 256 rollouts.
"""

from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path

from vineppo.analysis.study import Study
from vineppo.analysis.truth import TruthMeter
from vineppo.analysis.truth_store import Truth, TruthStore
from vineppo.engines.fake import FakeEngine
from vineppo.environment import Environment, State
from vineppo.recipes.scoring import judge_and_cut
from vineppo.rng import derive_seed
from vineppo.seams import Progress, Split
from vineppo.types import Credit, Judgement, Outcome, Question, Sampling, Scored, StateValue, Trajectory

END, LETTERS, LENGTH, ROLLOUTS = 0, (1, 2, 3, 4), 4, 256
QUESTIONS = tuple(Question(id=f"q{number}", prompt=str(number), answer="") for number in range(12))
LAW = Sampling(max_new_tokens=LENGTH + 1)


def law(prefix: tuple[int, ...]) -> list[float]:
    """The prompt is one token, 10 + the question's number. Odd questions prefer one letter, even ones none."""
    if len(prefix) == 1 + LENGTH:
        return [1.0, 0, 0, 0, 0]
    if prefix[0] % 2:
        return [0, 0.5, 0.25, 0.25, 0] if len(prefix) % 2 else [0, 0, 0.25, 0.25, 0.5]
    return [0, 0.25, 0.25, 0.25, 0.25]


def reward_of(number: int, letters: Sequence[int]) -> float:
    """Which letters matter depends on the question; later ones matter less."""
    weights = (5, 3, 2, 1)
    return float(sum(w * letter for w, letter in zip(weights, letters, strict=True)) >= 22 + 2 * (number % 5))


@cache
def exact_value(prompt: tuple[int, ...], response: tuple[int, ...]) -> float:
    """By enumeration."""
    if len(response) >= LENGTH:
        return reward_of(prompt[0] - 10, response[:LENGTH])
    chances = law(prompt + response)
    return sum(chances[letter] * exact_value(prompt, (*response, letter)) for letter in LETTERS if chances[letter])


class Letters:
    """The task."""

    def questions(self, split: Split) -> Sequence[Question]:
        return QUESTIONS

    def judge(self, questions: Sequence[Question], responses: Sequence[str]) -> list[Judgement]:
        rewards = [
            reward_of(int(str(q.prompt)), [int(letter) for letter in response[:LENGTH]])
            for q, response in zip(questions, responses, strict=True)
        ]
        return [Judgement(reward=r, outcome=Outcome.CORRECT if r else Outcome.WRONG) for r in rewards]


def letter_steps(trajectory: Trajectory, token_texts: Sequence[str]) -> tuple[int, ...]:
    """A step a letter; the end token belongs to the last."""
    return (*range(LENGTH), len(trajectory.response_ids))


def environment() -> Environment:
    return Environment(
        engine=FakeEngine(law, end_ids=(END,)),
        task=Letters(),
        encode=lambda prompt: (10 + int(str(prompt)),),
        decode=lambda ids: "".join(map(str, ids)),
    )


def meter(made: Environment, path: Path, *, policy: str = "tabular", rollouts: int = ROLLOUTS) -> TruthMeter:
    return TruthMeter(
        environment=made, sampling=LAW, rollouts=rollouts, store=TruthStore(path), policy=policy, task="letters"
    )


def every_state() -> list[State]:
    """All states of all questions where a step begins."""
    responses: list[tuple[int, ...]] = [()]
    for response in responses:
        if len(response) < LENGTH - 1:
            responses += [(*response, letter) for letter in LETTERS]
    return [
        State(question=q, prompt_ids=(10 + int(str(q.prompt)),), response_ids=r) for q in QUESTIONS for r in responses
    ]


def write_exact_truth(truth: TruthMeter) -> None:
    """Fill the cache with the enumerated values, so that an analysis finds the truth there."""
    exact = {}
    for state in every_state():
        successes = exact_value(state.prompt_ids, state.response_ids) * ROLLOUTS
        assert successes == round(successes)
        counts = ((0.0, ROLLOUTS - round(successes)), (1.0, round(successes)))
        exact[truth.key(state)] = Truth(counts=counts, tokens=0)
    truth.store.write(exact)


class Oracle:
    """Credit from the enumerated values, changed by `change(value, state seed)`."""

    def __init__(self, change=lambda value, seed: value):
        self._change = change

    def __call__(self, trajectories: Sequence[Scored], *, seed: int, progress: Progress | None = None) -> list[Credit]:
        return [self._credit(scored, seed) for scored in trajectories]

    def _credit(self, scored: Scored, seed: int) -> Credit:
        own = scored.trajectory
        values = [
            StateValue(
                position=at,
                value=self._change(
                    exact_value(own.prompt_ids, own.response_ids[:at]),
                    derive_seed(seed, own.prompt_ids, own.response_ids[:at]),
                ),
            )
            for at in scored.bounds[:-1]
        ]
        end = StateValue(position=scored.bounds[-1], value=scored.reward)
        return Credit(advantages=(0.0,) * len(own.response_ids), values=(*values, end))


def study(truth: TruthMeter, sources, **changes) -> Study:
    made = truth.environment
    numbers = {
        "trajectories": 6,
        "states": 150,
        "choices": 120,
        "draws": 16,
        "alternatives": 5,
        "distinct": 3,
        "seed": 0,
    }
    return Study(
        environment=made,
        score=partial(judge_and_cut, made, letter_steps, lambda ids: [str(i) for i in ids]),
        truth=truth,
        sampling=LAW,
        sources=sources,
        questions=QUESTIONS,
        **(numbers | changes),
    )
