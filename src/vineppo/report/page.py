"""What stands on the page, from top to bottom, before it becomes HTML."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vineppo.report.charts import Chart
from vineppo.report.credit_map import CreditMap, make_credit_map
from vineppo.report.panels import INKS, PHASES, TOKEN_KINDS, main_curves, small_multiples, stacks
from vineppo.report.run_data import Accuracy, Run, Summary
from vineppo.report.text import Unit, count, duration, plural, quantity

METHODS = {
    "vine": ("VinePPO", "The value of a state is the mean reward of {rollouts} rollouts from it."),
    "coupled": ("Coupled vines", "Rollouts measure only what happens once the policy leaves the trajectory."),
    "ppo": ("PPO", "A value network guesses the value of every state."),
    "grpo": ("GRPO", "Every token of a response gets one advantage: its reward compared with its group's."),
    "rloo": ("RLOO", "Every token of a response gets one advantage: its reward minus the mean of the group's others."),
    "rest_em": ("RestEM", "The starting policy is finetuned on accepted responses: all their tokens count alike."),
    "dpo_positive": ("DPO-Positive", "Accepted responses are preferred to rejected ones, as wholes."),
}
"""Credit or recipe by its configuration name: a name for people, and what it does."""

CAUTIONS = {
    "updates_skipped": "skipped because the mean probability ratio exceeded the guard",
    "updates_nonfinite": "skipped because the gradient was not finite",
    "critic/updates_nonfinite": "of the value network skipped because the gradient was not finite",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Headline:
    """The numbers to take away."""

    method: str
    """Empty where the run did not say."""
    task: str
    """Likewise."""
    sentence: str
    status: str
    start: str
    """Empty where it was not measured."""
    final: str
    final_word: str
    best: str
    """Empty where it was not measured."""
    tokens: str
    time: str
    cautions: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Expense:
    """One bar of the cost meter."""

    name: str
    ink: str
    amount: str
    percent: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Meter:
    """Where tokens or seconds went. No expenses: not measured."""

    title: str
    total: str
    expenses: tuple[Expense, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """The whole report."""

    name: str
    headline: Headline
    curves: tuple[Chart, ...]
    multiples: tuple[Chart, ...]
    stacks: tuple[Chart, ...]
    credit_map: CreditMap | None
    meters: tuple[Meter, ...]
    config: str
    provenance: tuple[tuple[str, str], ...]


def make_page(run: Run) -> Page:
    """Everything the template shows."""
    unit = score_unit(run)
    tokens, seconds = spent(run, "tokens", TOKEN_KINDS), spent(run, "time", PHASES)
    total_seconds = wall_seconds(run, seconds)
    return Page(
        name=run.name,
        headline=make_headline(run, unit, sum(tokens.values()) if tokens else None, total_seconds),
        curves=main_curves(run, unit),
        multiples=small_multiples(run),
        stacks=stacks(run),
        credit_map=make_credit_map(run, unit),
        meters=(
            make_meter("Tokens decoded", tokens, "count", sum(tokens.values())),
            make_meter("Time", with_rest(seconds, total_seconds), "seconds", total_seconds or 0.0),
        ),
        config=run.config_text,
        provenance=tuple(run.provenance.items()),
    )


def score_unit(run: Run) -> Unit:
    """Percent where every reward and accuracy lies in 0..1."""
    scores = [y for key in ("reward", "eval/accuracy") for _, y in run.column(key)]
    rewards = [trajectory.reward for trajectory in (*run.first, *run.latest)]
    return "share" if all(0 <= score <= 1 for score in (*scores, *rewards)) else "number"


# --- headline ----------------------------------------------------------------------------------------------------


def make_headline(run: Run, unit: Unit, tokens: float | None, seconds: float | None) -> Headline:
    """From the summary where the run is finished, else from the metrics so far."""
    method, sentence = METHODS.get(method_name(run), (method_name(run), ""))
    accuracy = accuracy_of(run)
    at = "" if accuracy.best_iteration is None else f" at iteration {accuracy.best_iteration}"
    return Headline(
        method=method,
        task=str(run.setting("task", "name") or ""),
        sentence=sentence.format(rollouts=run.setting("credit", "rollouts") or "K"),
        status=status_of(run),
        start="" if accuracy.start is None else quantity(accuracy.start, unit),
        final=quantity(accuracy.final, unit),
        final_word="final" if run.summary else "latest",
        best="" if accuracy.best is None else f"best {quantity(accuracy.best, unit)}{at}",
        tokens=quantity(tokens, "count"),
        time=quantity(seconds, "seconds"),
        cautions=cautions(run),
    )


def method_name(run: Run) -> str:
    """As the configuration calls it: the credit, but where the recipe has none of that kind, the recipe."""
    recipe = str(run.setting("recipe", "name") or "policy_iteration")
    if recipe != "policy_iteration":
        return recipe
    return (run.summary and run.summary.credit) or str(run.setting("credit", "name") or "")


def accuracy_of(run: Run) -> Accuracy:
    """The summary's, or what the metrics show so far."""
    points = run.column("eval/accuracy")
    if run.summary and run.summary.accuracy != Accuracy():
        return run.summary.accuracy
    if not points:
        return Accuracy()
    best_iteration, best = max(points, key=lambda point: (point[1], -point[0]))
    start = points[0][1] if points[0][0] == 0 else None
    return Accuracy(start=start, final=points[-1][1], best=best, best_iteration=int(best_iteration))


def status_of(run: Run) -> str:
    """How far the run has come."""
    reached = int(run.metrics[-1]["iteration"]) if run.metrics else 0
    planned = run.setting("training", "iterations")
    if run.summary is None:
        return f"not finished: {reached} of {planned} iterations" if planned else plural(reached, "iteration")
    parts = [plural(reached if run.summary.iterations is None else run.summary.iterations, "iteration")]
    parts += [] if run.summary.updates is None else [plural(run.summary.updates, "update")]
    parts += [] if run.summary.seed is None else [f"seed {run.summary.seed}"]
    return ", ".join(parts)


def cautions(run: Run) -> tuple[str, ...]:
    """What a reader must know before believing the curves."""
    totals = {key: sum(y for _, y in run.column(key)) for key in CAUTIONS}
    found = [f"{plural(int(total), 'update')} {CAUTIONS[key]}." for key, total in totals.items() if total]
    odd = sum(not math.isfinite(value) for line in run.metrics for value in line.values())
    if odd:
        found.append(f"{plural(odd, 'metric value')} not finite: left out of the curves.")
    return tuple(found)


# --- cost --------------------------------------------------------------------------------------------------------


def spent(run: Run, prefix: str, kinds: Sequence[str]) -> dict[str, float]:
    """Totals by kind: the summary's, or the sum of the metrics so far. Kinds never measured are left out."""
    summary = run.summary or Summary()
    told = {"tokens": summary.tokens, "time": summary.seconds}[prefix]
    if told:
        return {kind: told[kind] for kind in kinds if kind in told}
    columns = {kind: [y for _, y in run.column(f"{prefix}/{kind}")] for kind in kinds}
    return {kind: math.fsum(values) for kind, values in columns.items() if values}


def wall_seconds(run: Run, seconds: Mapping[str, float]) -> float | None:
    """The whole run's time, or at least the sum of its phases."""
    totals = run.column("time/total")
    if totals:
        return max(totals[-1][1], sum(seconds.values()))
    return sum(seconds.values()) if seconds else None


def with_rest(seconds: Mapping[str, float], total: float | None) -> dict[str, float]:
    """The phases, and what none of them accounts for when that is more than a hundredth."""
    rest = (total or 0.0) - sum(seconds.values())
    return {**seconds, "rest": rest} if seconds and total and rest > total / 100 else dict(seconds)


def make_meter(title: str, amounts: Mapping[str, float], unit: Unit, total: float) -> Meter:
    """One bar a kind, in percent of the total."""
    write = count if unit == "count" else duration
    return Meter(
        title=title,
        total=write(total) if amounts else "",
        expenses=tuple(
            Expense(
                name=kind,
                ink=INKS.get(kind, kind),
                amount=write(amount),
                percent=round(100 * amount / total, 1) if total else 0.0,
            )
            for kind, amount in amounts.items()
        ),
    )
