"""From what was sampled to what it says: the instruments, read. Pure."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from vineppo.analysis.action_ranking import ranking_score
from vineppo.analysis.alternatives import Choice
from vineppo.analysis.bootstrap import bootstrap_interval
from vineppo.analysis.records import (
    ChoiceRecord,
    GradientScore,
    Interval,
    RankingScore,
    SourceRecord,
    StateRecord,
    TruthCost,
)
from vineppo.analysis.reliability import TrueStep
from vineppo.analysis.states import Place, value_at
from vineppo.analysis.study import Examined, Findings
from vineppo.analysis.truth_store import Truth
from vineppo.analysis.value_accuracy import (
    Comparison,
    accuracy_by_position,
    calibration,
    returns_explained,
    value_score,
)

TokenTexts = Callable[[Sequence[int]], list[str]]
"""Token ids to pieces of text."""


def state_records(findings: Findings) -> tuple[StateRecord, ...]:
    """Every state whose values are compared."""
    return tuple(_state_record(findings, place) for place in findings.places)


def _state_record(findings: Findings, place: Place) -> StateRecord:
    scored, truth = findings.trajectories[place.trajectory], findings.truth_at(place.trajectory, place.step)
    position = scored.bounds[place.step]
    return StateRecord(
        question=scored.trajectory.question.id,
        position=position,
        step=place.step,
        relative=position / scored.bounds[-1],
        truth=truth.value,
        truth_error=truth.standard_error,
    )


def ceiling(findings: Findings) -> tuple[float | None, Interval | None]:
    """What true values explain of the chosen trajectories' returns, over the states where their steps begin."""
    steps = [(i, k) for i in findings.chosen for k in range(findings.trajectories[i].num_steps)]
    truths = [findings.truth_at(*step) for step in steps]
    returns = np.array([findings.trajectories[i].reward for i, _ in steps])
    values = np.array([truth.value for truth in truths])
    errors = np.array([truth.standard_error for truth in truths])
    questions = [findings.trajectories[i].trajectory.question.id for i, _ in steps]
    return returns_explained(returns, values, errors), bootstrap_interval(
        lambda chosen: returns_explained(returns[chosen], values[chosen], errors[chosen]), questions
    )


def source_record(examined: Examined, findings: Findings, gradient: GradientScore | None) -> SourceRecord:
    """One source under all instruments."""
    states = state_records(findings)
    everywhere = Comparison(
        predicted=np.array([_value(examined, findings, place) for place in findings.places]),
        truth=np.array([state.truth for state in states]),
        truth_error=np.array([state.truth_error for state in states]),
        relative=np.array([state.relative for state in states]),
        questions=np.array([state.question for state in states]),
    )
    roots = np.array([state.step == 0 for state in states])
    return SourceRecord(
        name=examined.source.name,
        meaning=examined.source.meaning,
        values=tuple(everywhere.predicted.tolist()),
        steps=value_score(everywhere.take(~roots)),
        roots=value_score(everywhere.take(roots)),
        by_position=accuracy_by_position(everywhere.take(~roots)),
        calibration=calibration(everywhere, reward_range(findings.truths.values())),
        next_values=tuple(examined.next_values),
        ranking=_ranking(examined, findings),
        gradient=gradient,
        cost=examined.cost,
    )


def _value(examined: Examined, findings: Findings, place: Place) -> float:
    position = findings.trajectories[place.trajectory].bounds[place.step]
    return value_at(examined.credits[place.trajectory], position, source=examined.source.name).value


def _ranking(examined: Examined, findings: Findings) -> RankingScore | None:
    if not findings.choices or not examined.source.ranks_steps:
        return None
    truths = [next_truths(findings, choice) for choice in findings.choices]
    # no values of next steps: one for all
    predicted = examined.next_values or [(0.0,) * len(those) for those in truths]
    return ranking_score(predicted, truths, [_question_of(findings, choice) for choice in findings.choices])


def choice_records(findings: Findings, token_texts: TokenTexts) -> tuple[ChoiceRecord, ...]:
    """Every choice, its next steps as text."""
    return tuple(_choice_record(findings, choice, token_texts) for choice in findings.choices)


def _choice_record(findings: Findings, choice: Choice, token_texts: TokenTexts) -> ChoiceRecord:
    start = findings.trajectories[choice.place.trajectory].bounds[choice.place.step]
    truths = next_truths(findings, choice)
    return ChoiceRecord(
        question=_question_of(findings, choice),
        position=start,
        steps=tuple(
            "".join(token_texts(own.trajectory.response_ids)[start : own.bounds[1]]) for own in choice.alternatives
        ),
        truths=tuple(truth.value for truth in truths),
        truth_errors=tuple(truth.standard_error for truth in truths),
    )


def next_truths(findings: Findings, choice: Choice) -> list[Truth]:
    """Of the state after each next step."""
    return [findings.truths[state] for state in choice.next_states]


def true_steps(findings: Findings) -> list[TrueStep]:
    """The truth before and after every step of the chosen trajectories. A step that several share comes once."""
    steps = {}
    for index in findings.chosen:
        scored = findings.trajectories[index]
        for k in range(scored.num_steps):
            token_ids = scored.trajectory.prompt_ids + scored.trajectory.response_ids[: scored.bounds[k + 1]]
            steps[scored.trajectory.question.id, token_ids, scored.bounds[k]] = TrueStep(
                before=findings.truth_at(index, k),
                after=findings.truth_at(index, k + 1),
                ends=k + 1 == scored.num_steps,
            )
    return list(steps.values())


def truth_cost(findings: Findings, rollouts: int) -> TruthCost:
    """What the truth took in this analysis."""
    fresh = [truth for state, truth in findings.truths.items() if state not in findings.from_cache]
    return TruthCost(
        rollouts=rollouts,
        states=len(findings.truths),
        states_from_cache=len(findings.from_cache),
        tokens=sum(truth.tokens for truth in fresh),
        seconds=findings.truth_seconds,
    )


def reward_range(truths: Iterable[Truth]) -> tuple[float, float]:
    """The smallest and largest reward that any rollout got, and in any case 0 to 1."""
    rewards = [reward for truth in truths for reward, _ in truth.counts]
    return min([0.0, *rewards]), max([1.0, *rewards])


def _question_of(findings: Findings, choice: Choice) -> str:
    return findings.trajectories[choice.place.trajectory].trajectory.question.id
