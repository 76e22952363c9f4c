"""Which rows a split is: `train`, `validation[:500]`, `train[-10%:]`, `train+validation`, as on the Hub.

The same words hold for local data, so that who asks for another split than the test split gets it.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from vineppo.errors import UserError
from vineppo.rng import derive_seed
from vineppo.tasks.words import Row

PART = re.compile(r"(?P<name>[\w.\-]+)(?:\[(?P<start>-?\d+%?)?:(?P<stop>-?\d+%?)?\])?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Some rows of a named split."""

    name: str
    start: str | None
    stop: str | None

    def of(self, rows: Sequence[Row]) -> list[Row]:
        """Those it means."""
        return list(rows[_place(self.start, len(rows), 0) : _place(self.stop, len(rows), len(rows))])


def parse_split(text: str, setting: str) -> list[Part]:
    """The parts that a split is put together from. `setting` opens the complaint."""
    parts = []
    for word in text.split("+"):
        found = PART.fullmatch(word.strip())
        if found is None:
            raise UserError(
                f"{setting} {text!r} is no split; write a name, perhaps with a range, such as train, validation[:500], "
                "train[-10%:], or several with + between them"
            )
        parts.append(Part(name=found["name"], start=found["start"], stop=found["stop"]))
    return parts


def _place(text: str | None, count: int, default: int) -> int:
    """A row's number: from the end where it is negative, a share where it ends with a %."""
    if text is None:
        return default
    place = round(count * int(text[:-1]) / 100) if text.endswith("%") else int(text)
    return min(max(place + count if place < 0 else place, 0), count)


def hold_out(rows: Sequence[Row], wanted: int | float, *, seed: int) -> tuple[list[Row], list[Row]]:
    """Train rows and test rows, so many or such a share, drawn from the seed; both in the order of the data."""
    count = wanted if isinstance(wanted, int) else max(1, round(wanted * len(rows)))
    if count >= len(rows):
        raise UserError(
            f"task.held_out is {count}, but there are only {len(rows)} rows; set it to at most {len(rows) - 1}, or to "
            "a share such as 0.2"
        )
    chosen = set(random.Random(derive_seed(seed, "held out")).sample(range(len(rows)), count))
    return (
        [row for index, row in enumerate(rows) if index not in chosen],
        [row for index, row in enumerate(rows) if index in chosen],
    )
