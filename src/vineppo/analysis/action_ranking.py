"""Can a source tell good next steps from bad ones? Pure numerics over states with several next steps.

A source ranks next steps by its value of the state each leads to, as a credit method does when it compares what was
written with what might have been. The paper's experiment: arXiv 2410.01679, section on value networks.

Ties. Where a source gives several next steps its highest value, it scores the mean over them, what naming one of them
at random would give; a tied pair counts as half. (The paper's code counts a tied pair as wrong.) Where the truth ties,
naming any of the best is right, and chance is as much better; states and pairs whose truths are all equal are left out.

The truth is measured, so some next steps cannot be told apart even by it. All cases are scored, as in the paper, and
those the truth is sure of once more by themselves (`clear`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

import numpy as np

from vineppo.analysis.bootstrap import bootstrap_interval
from vineppo.analysis.records import RankingScore, Share
from vineppo.analysis.truth import separation
from vineppo.analysis.truth_store import Truth

CLEAR = 2.0
"""Standard errors between two truths that are told apart."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One state or pair that a source is asked about."""

    question: str
    right: float
    """1, 0, or in between for ties."""
    chance: float


def ranking_score(
    predicted: Sequence[Sequence[float]], truths: Sequence[Sequence[Truth]], questions: Sequence[str]
) -> RankingScore:
    """Per state, a source's values and the truths of its next steps; `questions` names each state's own."""
    states = list(zip(predicted, truths, questions, strict=True))
    clear = [state for state in states if is_clear(state[1])]
    pairs = [pair for state in states for pair in _pairs(*state)]
    return RankingScore(
        top1=_share(_top1(*state) for state in states if len({truth.value for truth in state[1]}) > 1),
        top1_clear=_share(_top1(*state) for state in clear),
        pairwise=_share(case for case, _ in pairs),
        pairwise_clear=_share(case for case, sure in pairs if sure),
    )


def is_clear(truths: Sequence[Truth]) -> bool:
    """Whether the truth knows which next step is the best."""
    best, second, *_ = sorted(truths, key=lambda truth: truth.value, reverse=True)
    return separation(best, second) > CLEAR


def top1(predicted: Sequence[float], true: Sequence[float]) -> float:
    """1 when the highest predicted is the highest true; the mean over those predicted equally high."""
    best = max(true)
    return fmean(t == best for p, t in zip(predicted, true, strict=True) if p == max(predicted))


def pairwise(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Of two (predicted, true) with different truths: 1 when the order agrees, 1/2 when the predicted are equal."""
    predicted, true = first[0] - second[0], first[1] - second[1]
    return 0.5 if predicted == 0 else float(predicted * true > 0)


def _top1(predicted: Sequence[float], truths: Sequence[Truth], question: str) -> Case:
    true = [truth.value for truth in truths]
    chance = true.count(max(true)) / len(true)
    return Case(question=question, right=top1(predicted, true), chance=chance)


def _pairs(predicted: Sequence[float], truths: Sequence[Truth], question: str) -> list[tuple[Case, bool]]:
    """Each pair of different truths, and whether these are told apart."""
    pairs = combinations(zip(predicted, truths, strict=True), 2)
    return [
        (
            Case(question=question, right=pairwise((p, t.value), (q, u.value)), chance=0.5),
            separation(t, u) > CLEAR,
        )
        for (p, t), (q, u) in pairs
        if t.value != u.value
    ]


def _share(cases: Iterable[Case]) -> Share | None:
    """None where there is no case."""
    cases = list(cases)
    if not cases:
        return None
    right = np.array([case.right for case in cases])
    return Share(
        cases=len(cases),
        share=float(right.mean()),
        interval=bootstrap_interval(lambda chosen: float(right[chosen].mean()), [case.question for case in cases]),
        chance=fmean(case.chance for case in cases),
    )
