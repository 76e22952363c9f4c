"""Graders side by side on labelled pairs: ours, plain math-verify and MathRuler (PRM800K's grader), in one run.

python benchmarks/judge.py [--data ../shared/data/judge] [--math ../shared/data/math]

Needs `pip install 'vineppo[bench]'`; a grader that is not installed is left out. Doubtful pairs, whose label needs the
question or a convention, are counted apart. Times are processor times. A grader that takes five seconds for a pair has
refused it.
"""

import argparse
import json
import logging
import signal
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vineppo.tasks.gsm8k import judge_one
from vineppo.tasks.judge.extract import boxed_answer
from vineppo.tasks.judge.verdict import judge, try_read
from vineppo.types import Outcome

Grader = Callable[[str, str], bool]
"""Whether an answer (second) is what the gold answer (first) says."""

FILES = ("reports", "hacks", "pairs")
PATIENCE = 5
SOLUTION = (
    "She sold 48/2 = 24 clips in May.\nShe sold 48+24 = 72 clips altogether in April and May.\n"
    "At $1.25 a clip that is 72*1.25 = 90 dollars, of which she keeps half.\n"
)
"""As long as a typical solution of GSM8K."""


@dataclass(frozen=True, slots=True)
class Pair:
    gold: str
    answer: str
    correct: bool
    doubtful: bool


def ours(gold: str, answer: str) -> bool:
    try_read.cache_clear()  # as if every gold answer were new
    return judge(answer, gold).outcome is Outcome.CORRECT


def math_verify() -> Grader:
    from math_verify import parse, verify

    logging.disable(logging.CRITICAL)
    return lambda gold, answer: verify(parse(f"${gold}$"), parse(f"${answer}$"))


def mathruler() -> Grader:
    from mathruler.grader import grade_answer

    return lambda gold, answer: bool(grade_answer(answer, gold))


GRADERS: dict[str, Callable[[], Grader]] = {"ours": lambda: ours, "math-verify": math_verify, "mathruler": mathruler}


def load(name: str) -> Grader | None:
    try:
        grader = GRADERS[name]()
        grader("1", "1")
    except ImportError as error:
        print(f"{name} is left out: {error}")
        return None
    return grader


def read_pairs(file: Path) -> list[Pair]:
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    return [Pair(r["gold"], r["prediction"], r["correct"], bool(r.get("doubtful"))) for r in rows]


def grade(grader: Grader, pair: Pair) -> tuple[bool, float]:
    """The verdict and its milliseconds of processor time, which other processes on the machine do not lengthen."""
    began = time.process_time()
    signal.alarm(PATIENCE)
    try:
        verdict = bool(grader(pair.gold, pair.answer))
    except Exception:  # whatever a grader fails with, it has refused the answer
        verdict = False
    finally:
        signal.alarm(0)
    return verdict, (time.process_time() - began) * 1000


def give_up(*_: object) -> None:
    raise TimeoutError


def compare(name: str, grader: Grader, pairs: Sequence[Pair], file: str) -> list[float]:
    graded = [grade(grader, pair) for pair in pairs]
    milliseconds = [took for _, took in graded]
    both = list(zip(pairs, (verdict for verdict, _ in graded), strict=True))
    sure = [(pair, verdict) for pair, verdict in both if not pair.doubtful]
    wrong = [pair.correct for pair, verdict in sure if pair.correct != verdict]
    doubtful = sum(pair.correct != verdict for pair, verdict in both if pair.doubtful)
    right = sum(pair.correct for pair, _ in sure)
    print(
        f"{file:<8} {name:<12} {len(sure):>5} {len(sure) - right:>5} {wrong.count(False):>6} {right:>5} "
        f"{wrong.count(True):>6} {doubtful:>3}/{len(both) - len(sure):<3} {statistics.median(milliseconds):>8.2f} "
        f"{statistics.mean(milliseconds):>8.2f} {max(milliseconds):>8.1f}"
    )
    return milliseconds


def compare_graders(data: Path) -> None:
    signal.signal(signal.SIGALRM, give_up)
    print("file     grader       pairs wrong   paid right refused doubtful  ms median   mean     most")
    for name in GRADERS:
        grader = load(name)
        if grader is not None:
            took = [ms for file in FILES for ms in compare(name, grader, read_pairs(data / f"{file}.jsonl"), file)]
            took.sort()
            print(f"{'':<8} {name:<12} 99.9th percentile of all: {took[int(0.999 * len(took))]:.1f} ms")


def rate(work: Callable[[int], None], count: int) -> float:
    """Per second of processor time."""
    began = time.process_time()
    work(count)
    return count / (time.process_time() - began)


def gsm8k(count: int) -> None:
    for i in range(count):
        judge_one("1090", f"{SOLUTION}#### {i:,}")


def fractions(count: int) -> None:
    for i in range(count):
        judge(boxed_answer(rf"{SOLUTION}The answer is $\boxed{{\dfrac{{{i}}}{{4}}}}$."), str(i / 4))


def radicals(count: int) -> None:
    for i in range(count):
        judge(rf"\sqrt{{{i * i}}} + \frac{{1}}{{2}}", rf"{i}.5\pi")


def golds(folder: Path) -> None:
    """Each gold answer of MATH against itself, none remembered."""
    rows = [json.loads(line) for name in ("problems", "math500") for line in (folder / f"{name}.jsonl").open()]
    answers = [str(row.get("answer") or boxed_answer(row["solution"])) for row in rows]
    took = sorted(grade(ours, Pair(answer, f" {answer}", True, False))[1] for answer in answers)
    print(
        f"MATH's {len(took)} gold answers against themselves: {took[len(took) // 2]:.2f} ms median, "
        f"{took[int(0.999 * len(took))]:.2f} ms 99.9th percentile"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/judge"))
    parser.add_argument("--math", type=Path, default=Path("../shared/data/math"))
    arguments = parser.parse_args()
    if arguments.data.is_dir():
        compare_graders(arguments.data)
    if arguments.math.is_dir():
        golds(arguments.math)
    print(f"GSM8K, number after the marker       {rate(gsm8k, 20_000):>8.0f} answers/s")
    print(f"box, fraction against decimal        {rate(fractions, 5_000):>8.0f} answers/s")
    print(f"radical against a multiple of pi     {rate(radicals, 5_000):>8.0f} answers/s")


if __name__ == "__main__":
    main()
