"""How much may be computed for one verdict: operations are counted, not seconds.

So no answer can take long, and the same answer gets the same verdict on a machine under load.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from vineppo.tasks.judge.answers.forms import UnreadableError

MOST_WORK = 10_000
"""Operations a verdict may take, a few microseconds each. Verdicts on answers of MATH take tens."""


class TooLargeError(UnreadableError):
    """A value beyond what is computed here."""


left_to_do: ContextVar[int | None] = ContextVar("left_to_do", default=None)
"""Operations that the verdict being made may still take; none: nothing is counted."""


@contextmanager
def limited_work() -> Iterator[None]:
    """Within it, `MOST_WORK` operations are done before `TooLargeError`."""
    token = left_to_do.set(MOST_WORK)
    try:
        yield
    finally:
        left_to_do.reset(token)


def spend(work: int) -> None:
    """Count operations."""
    left = left_to_do.get()
    if left is None:
        return
    left_to_do.set(left - work)
    if left < work:
        raise TooLargeError(f"more than {MOST_WORK} operations")
