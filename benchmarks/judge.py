"""How fast answers are judged on one core: GSM8K's number after the marker, the exact path, and math-verify.

python benchmarks/judge.py [--answers 20000]
"""

import argparse
import time
from collections.abc import Callable

from vineppo.tasks.gsm8k import judge_one
from vineppo.tasks.judge.extract import last_box
from vineppo.tasks.judge.mathematics import MathJudge

SOLUTION = (
    "She sold 48/2 = 24 clips in May.\nShe sold 48+24 = 72 clips altogether in April and May.\n"
    "At $1.25 a clip that is 72*1.25 = 90 dollars, of which she keeps half.\n"
)
"""As long as a typical solution of GSM8K."""


def gsm8k(count: int) -> None:
    for i in range(count):
        judge_one("1090", f"{SOLUTION}#### {i:,}")


def exact(count: int) -> None:
    judge = MathJudge(seconds=3.0, memory_mib=2048, workers=1)
    answers = [last_box(rf"{SOLUTION}The answer is $\boxed{{\dfrac{{{i}}}{{4}}}}$.") for i in range(count)]
    judge.outcomes(answers, [str(i / 4) for i in range(count)])


def algebra(count: int) -> None:
    judge = MathJudge(seconds=3.0, memory_mib=2048, workers=1)
    judge.outcomes([rf"\sqrt{{{i * i}}} + \frac{{1}}{{2}}" for i in range(count)], [rf"{i}.5\pi" for i in range(count)])
    judge.close()


def rate(work: Callable[[int], None], count: int) -> float:
    """Answers per second of wall clock."""
    began = time.perf_counter()
    work(count)
    return count / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=20_000)
    count = parser.parse_args().answers
    print(f"GSM8K, number after the marker              {rate(gsm8k, count):>8.0f} answers/s")
    print(f"MATH, box and exact path                    {rate(exact, count):>8.0f} answers/s")
    print(f"MATH, math-verify in one process, its start {rate(algebra, count // 20):>8.0f} answers/s")


if __name__ == "__main__":
    main()
