"""The gradients of one analysis: those of every source's credit, and the large-sample gradient they are held against.

The large-sample gradient comes from other questions, credited by their groups' means (RLOO). That credit is without
bias and takes no rollouts, so the sample can be large; its own variance is known and taken into account.
"""

from collections.abc import Sequence
from itertools import groupby

from vineppo.analysis.gradient_variance import Priced, gradient_score, noise_ratio, signal_of
from vineppo.analysis.gradients import Group, PolicyGradients
from vineppo.analysis.records import GradientScore, GradientSetting
from vineppo.analysis.sources import MeanReward
from vineppo.analysis.stages import Stages, within
from vineppo.analysis.study import Findings, Study
from vineppo.types import Credit, Question, Scored

RLOO = "group"
"""The source that others are held against: outcome credit, which takes no rollouts."""
REFERENCE_GROUPS = 64
"""Of the large sample: enough to know its variance, and fewer backward passes than one a question."""


def score_gradients(
    study: Study, findings: Findings, gradients: PolicyGradients, others: Sequence[Question], stages: Stages
) -> tuple[GradientSetting, dict[str, GradientScore]]:
    """By source; `others` are the questions of the large sample."""
    with stages.stage("large sample") as progress:
        sampled = study.sample(others, stream="large sample", progress=progress)
        credits = MeanReward(within_question=True)(sampled, seed=study.seed)
        reference = gradients.mean(equal_groups(by_question(sampled, credits)), progress=progress)
    square = float(reference.vector @ reference.vector)
    priced: dict[str, Priced] = {}
    written = sum(len(scored.trajectory.response_ids) for scored in findings.trajectories)
    with stages.stage("gradients") as progress:
        for index, examined in enumerate(findings.examined):
            groups = by_question(findings.trajectories, examined.credits)
            own = within(progress, index * len(groups), len(findings.examined) * len(groups))
            priced[examined.source.name] = Priced(
                products=gradients.products(groups, reference.vector, progress=own),
                tokens=(written + examined.cost.tokens) / len(groups),
                is_unbiased=examined.source.is_unbiased,
            )
    signal = square - reference.variance
    scores = {name: priced_score(own, priced.get(RLOO), reference.variance) for name, own in priced.items()}
    setting = GradientSetting(
        questions=len(study.questions),
        trajectories=len(findings.trajectories),
        reference_questions=len(others),
        reference_trajectories=len(sampled),
        reference_relative_variance=reference.variance / signal if signal > 0 else None,
    )
    return setting, scores


def priced_score(own: Priced, rloo: Priced | None, reference_variance: float) -> GradientScore:
    """All there is to say of a source's gradients."""
    score = gradient_score(own.products, reference_variance=reference_variance)
    signal = signal_of(own.products.reference, reference_variance)
    ratio = None if rloo is None else noise_ratio(own, rloo, signal)
    value, low, high = (None, None, None) if ratio is None else ratio
    return score.model_copy(
        update={
            "tokens_per_question": own.tokens,
            "noise_per_1000_tokens": None if signal is None else own.noise(signal),
            "against_rloo": value,
            "against_rloo_low": low,
            "against_rloo_high": high,
        }
    )


def equal_groups(questions: Sequence[Group]) -> list[Group]:
    """About `REFERENCE_GROUPS` groups of as many questions each; a remainder that fills none is left out."""
    size = max(1, len(questions) // REFERENCE_GROUPS)
    starts = range(0, len(questions) - size + 1, size)
    return [[pair for question in questions[start : start + size] for pair in question] for start in starts]


def by_question(trajectories: Sequence[Scored], credits: Sequence[Credit]) -> list[Group]:
    """Credited trajectories, which come group after group, as one list a question."""
    pairs = zip(trajectories, credits, strict=True)
    return [list(group) for _, group in groupby(pairs, key=lambda pair: pair[0].trajectory.question.id)]
