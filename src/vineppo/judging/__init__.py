"""What the mathematics judge makes of an answer, and why: one pair in full, or a file of them with what stands out."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vineppo.errors import UserError
from vineppo.places import nearest
from vineppo.tasks.judge.answers.show import show
from vineppo.tasks.judge.verdict import Reading, Verdict, judge, try_read
from vineppo.tasks.rows import one_line, read_jsonl
from vineppo.types import Outcome

ANSWERS = ("answer", "prediction")
"""Columns of the answer; the gold one's is `gold`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """A pair, its verdict, and what a person said of it, where one did."""

    gold: str
    answer: str
    verdict: Verdict
    seconds: float
    label: bool | None


def judge_pair(gold: str, answer: str) -> bool:
    """Print how both sides of one pair were read and compared. True where the answer is correct."""
    judged = timed(gold, answer, None)
    print("\n".join(describe(judged)))
    return judged.verdict.outcome is Outcome.CORRECT


def judge_file(file: Path, limit: int | None) -> bool:
    """Print what stands out in a file of pairs, then the counts. True where no verdict differs from its label."""
    if not file.is_file():
        raise UserError(
            f"{str(file)!r} is no file{nearest(file)}; name a jsonl file with columns gold and answer (or prediction)"
        )
    pairs = [read_pair(row, f"{file} row {number}") for number, row in enumerate(read_jsonl(file), 1)][:limit]
    if not pairs:
        raise UserError(f"{str(file)!r} holds no pairs; write one JSON object a line, with columns gold and answer")
    all_judged = [timed(*pair) for pair in pairs]
    for judged in all_judged:
        if stands_out(judged):
            print("\n".join(describe(judged)), end="\n\n")
    print("\n".join(sum_up(all_judged)))
    return not any(differs(judged) for judged in all_judged)


def read_pair(row: dict[str, object], where: str) -> tuple[str, str, bool | None]:
    """Gold answer, answer and label of a row."""
    column = next((name for name in ANSWERS if name in row), None)
    if column is None or "gold" not in row:
        there = ", ".join(map(repr, row)) or "none"
        raise UserError(
            f"{where}: columns 'gold' and 'answer' (or 'prediction') are needed, there is {there}; add them"
        )
    gold, answer, label = row["gold"], row[column], row.get("correct")
    if not isinstance(gold, str | int | float) or not isinstance(answer, str | int | float):
        raise UserError(
            f"{where}: gold and answer must be text or numbers, not {one_line([gold, answer])}; change them"
        )
    if not isinstance(label, bool | None):
        raise UserError(f"{where}: column 'correct' is {one_line(repr(label))}; make it true or false, or leave it out")
    return str(gold), str(answer), label


def timed(gold: str, answer: str, label: bool | None) -> Judged:
    """Judge, from nothing remembered."""
    try_read.cache_clear()
    began = time.perf_counter()
    verdict = judge(answer, gold)
    return Judged(gold=gold, answer=answer, verdict=verdict, seconds=time.perf_counter() - began, label=label)


def describe(judged: Judged) -> list[str]:
    """The lines about a pair."""
    verdict = judged.verdict
    said = "" if judged.label is None else f", labelled {'correct' if judged.label else 'not correct'}"
    return [
        f"{verdict.outcome}{said}  ({judged.seconds * 1000:.2f} ms)",
        f"  gold    {one_line(judged.gold)}  ->  {describe_reading(verdict.gold)}",
        f"  answer  {one_line(judged.answer)}  ->  {describe_reading(verdict.answer)}",
        f"  rule    {verdict.rule}",
    ]


def describe_reading(reading: Reading) -> str:
    """How a side was read, or why not."""
    return f"not read: {reading.refusal}" if reading.form is None else show(reading.form)


def differs(judged: Judged) -> bool:
    """Whether verdict and label differ."""
    return judged.label is not None and judged.label != (judged.verdict.outcome is Outcome.CORRECT)


def stands_out(judged: Judged) -> bool:
    """What contradicts its label; without labels, what is not correct."""
    return judged.verdict.outcome is not Outcome.CORRECT if judged.label is None else differs(judged)


def sum_up(pairs: Sequence[Judged]) -> list[str]:
    """Counts and times."""
    outcomes = [str(judged.verdict.outcome) for judged in pairs]
    counts = ", ".join(f"{outcomes.count(outcome)} {outcome}" for outcome in sorted(set(outcomes)))
    milliseconds = sorted(judged.seconds * 1000 for judged in pairs)
    lines = [
        f"{len(pairs)} pairs: {counts}",
        f"milliseconds: {milliseconds[len(pairs) // 2]:.2f} median, {milliseconds[-1]:.2f} at most",
    ]
    labelled = [judged for judged in pairs if judged.label is not None]
    if labelled:
        accepted = sum(differs(judged) and not judged.label for judged in labelled)
        refused = sum(differs(judged) and bool(judged.label) for judged in labelled)
        lines.append(f"{len(labelled)} labelled: {accepted} accepted wrongly, {refused} refused wrongly")
    return lines
