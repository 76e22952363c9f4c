r"""math-verify behind a pipe: requests are (answer, gold), replies are outcomes.

Runs as a child process (`python -m`), so that an answer which hangs, eats memory or crashes can be killed.
math-verify's own time limits, which work by signals and in the main thread only, are off.
"""

import logging
from functools import lru_cache
from itertools import product

from vineppo.tasks.judge.serve import Handler, serve
from vineppo.types import Outcome


def load() -> Handler:
    """Import what takes long, and parse once: the first parse builds the grammar's tables."""
    logging.disable(logging.CRITICAL)
    judge(("\\sqrt{2}", "2^{0.5}"))
    return judge


def judge(request: object) -> str:
    """Whether an answer says the same as the gold answer."""
    match request:
        case (str(answer), str(gold)):
            expected, found = read_gold(gold), read(answer)
        case _:
            raise TypeError(f"a request is (answer, gold), not {request!r}")
    if any(same(gold, answer) for gold, answer in product(expected, found)):
        return Outcome.CORRECT
    return Outcome.UNPARSEABLE if has_meaning(expected) and not has_meaning(found) else Outcome.WRONG


@lru_cache(maxsize=1024)
def read_gold(gold: str) -> tuple[object, ...]:
    """A gold answer is met many times."""
    return tuple(read(gold))


def read(answer: str) -> list[object]:
    """What math-verify makes of an answer: an expression, then the text itself; nothing where it cannot be read."""
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse

    readings = (LatexExtractionConfig(boxed_match_priority=0), ExprExtractionConfig())
    try:
        return parse(f"\\boxed{{{answer}}}", readings, parsing_timeout=None, raise_on_error=True)  # pyright: ignore[reportArgumentType]
    except MemoryError:
        raise
    except Exception:  # untrusted text, and a parser with many ways to fail
        return []


def same(gold: object, answer: object) -> bool:
    """Whether two readings are equal."""
    from math_verify import verify

    try:
        return verify(gold, answer, timeout_seconds=None, raise_on_error=True)  # pyright: ignore[reportArgumentType]
    except MemoryError:
        raise
    except Exception:  # the same, for the algebra
        return False


def has_meaning(readings: object) -> bool:
    """Whether any reading is more than text."""
    return isinstance(readings, list | tuple) and any(not isinstance(reading, str) for reading in readings)


if __name__ == "__main__":
    serve(load)
