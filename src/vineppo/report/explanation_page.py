"""What stands on the page of an explanation, from top to bottom, before it becomes HTML."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby

from vineppo.report.credit_map import CreditMap, map_of
from vineppo.report.page import METHODS, Meter, make_meter, with_rest
from vineppo.report.run_data import LoggedTrajectory
from vineppo.report.text import Unit, duration, plural, quantity, visible

LONGEST_TITLE = 60
"""Characters of a question in the list of trajectories."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """What was measured."""

    policy: str
    config: Mapping[str, object]
    config_text: str
    provenance: Mapping[str, str]
    trajectories: tuple[LoggedTrajectory, ...]
    """To be shown, those of one question together; at least one."""
    questions: int
    solutions: int
    """All that were measured, as are the questions."""
    correct: int
    threshold: float
    """A step whose value after exceeds it is labelled true."""
    tokens: Mapping[str, float]
    """Decoded for `solutions` and `rollouts`."""
    seconds: Mapping[str, float]
    """By phase."""
    total_seconds: float

    @property
    def unit(self) -> Unit:
        """Percent where every reward and value lies in 0..1."""
        scores = [t.reward for t in self.trajectories]
        scores += [s.value for t in self.trajectories for s in t.steps if s.value is not None]
        return "share" if all(0 <= score <= 1 for score in scores if math.isfinite(score)) else "number"

    def credit_map(self) -> CreditMap:
        """Solutions by question."""
        groups = [(question, list(own)) for question, own in groupby(self.trajectories, key=lambda t: t.question)]
        titled = [(title(own[0]), f"q{index}", own) for index, (_, own) in enumerate(groups)]
        return map_of(titled, self.unit, numbered=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class ExplanationPage:
    """The whole page."""

    method: str
    sentence: str
    policy: str
    task: str
    counts: str
    correct: str
    tokens: str
    time: str
    labels: str
    credit_map: CreditMap
    meters: tuple[Meter, Meter]
    config: str
    provenance: tuple[tuple[str, str], ...]


def make_explanation_page(explanation: Explanation) -> ExplanationPage:
    """Everything the template shows."""
    credit = explanation.config.get("credit")
    settings = credit if isinstance(credit, Mapping) else {}
    name = str(settings.get("name", ""))
    method, sentence = METHODS.get(name, (name, ""))
    task = explanation.config.get("task")
    tokens = sum(explanation.tokens.values())
    seconds = with_rest(explanation.seconds, explanation.total_seconds)
    shown = len(explanation.trajectories)
    more = f", the first {shown} are shown" if shown < explanation.solutions else ""
    return ExplanationPage(
        method=method,
        sentence=sentence.format(rollouts=settings.get("rollouts", "K")),
        policy=visible(explanation.policy),
        task=str(task.get("name", "")) if isinstance(task, Mapping) else "",
        counts=f"{plural(explanation.questions, 'question')}, {plural(explanation.solutions, 'solution')}{more}",
        correct=f"{explanation.correct} of {explanation.solutions}",
        tokens=quantity(tokens, "count"),
        time=duration(explanation.total_seconds),
        labels=f"Labels for training: a step is good where the value after it exceeds {explanation.threshold:g}.",
        credit_map=explanation.credit_map(),
        meters=(
            make_meter("Tokens decoded", explanation.tokens, "count", tokens),
            make_meter("Time", seconds, "seconds", explanation.total_seconds),
        ),
        config=visible(explanation.config_text),
        provenance=tuple(explanation.provenance.items()),
    )


def title(trajectory: LoggedTrajectory) -> str:
    """How a question begins."""
    text = " ".join((trajectory.asked or trajectory.prompt).split())
    return text if len(text) <= LONGEST_TITLE else f"{text[: LONGEST_TITLE - 1]}\N{HORIZONTAL ELLIPSIS}"
