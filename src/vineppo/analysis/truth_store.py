"""Truths on the disk: one SQLite file, written in transactions, so that a kill at any moment leaves it whole.

Several analyses may use one file at the same time.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from math import fsum, sqrt
from pathlib import Path

from vineppo.errors import UserError

WAIT = 60.0
"""Seconds for another process to finish its write."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Truth:
    """What the rollouts from one state came to."""

    counts: tuple[tuple[float, int], ...]
    """(reward, how often)."""
    tokens: int
    """Decoded for them."""

    @property
    def rollouts(self) -> int:
        """How many there were."""
        return sum(count for _, count in self.counts)

    @property
    def value(self) -> float:
        """Mean reward."""
        return fsum(reward * count for reward, count in self.counts) / self.rollouts

    @property
    def spread(self) -> float:
        """Variance of the rewards seen (over n)."""
        mean = self.value
        return fsum(count * (reward - mean) ** 2 for reward, count in self.counts) / self.rollouts

    @property
    def variance(self) -> float:
        """Of one rollout's reward, unbiased (over n - 1); 0 for a single rollout, which cannot tell."""
        return self.spread * self.rollouts / (self.rollouts - 1) if self.rollouts > 1 else 0.0

    @property
    def standard_error(self) -> float:
        """Of `value`."""
        return sqrt(self.variance / self.rollouts)


def known_exactly(reward: float) -> Truth:
    """The value of a state where the response is over."""
    return Truth(counts=((reward, 1),), tokens=0)


class TruthStore:
    """Truths by key. Making one makes the file; raises UserError where that cannot work."""

    def __init__(self, path: Path):
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"the truth cache {path} cannot be made ({error.strerror}); name another with --truth"
            ) from error
        with self._open() as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS truth (key TEXT PRIMARY KEY, counts TEXT, tokens INTEGER)")

    def read(self, keys: Iterable[str]) -> dict[str, Truth]:
        """Those that are known."""
        query = "SELECT counts, tokens FROM truth WHERE key = ?"
        with self._open() as connection:
            rows = {key: connection.execute(query, (key,)).fetchone() for key in keys}
        return {key: _truth(row) for key, row in rows.items() if row is not None}

    def write(self, truths: Mapping[str, Truth]) -> None:
        """All of them or none; on the disk when this returns."""
        rows = [(key, json.dumps(truth.counts), truth.tokens) for key, truth in truths.items()]
        with self._open() as connection:
            connection.executemany("INSERT OR REPLACE INTO truth VALUES (?, ?, ?)", rows)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """One transaction."""
        try:
            with closing(sqlite3.connect(self.path, timeout=WAIT)) as connection, connection:
                yield connection
        except sqlite3.Error as error:
            raise UserError(
                f"the truth cache {self.path} cannot be used ({error}); delete it, or name another with --truth"
            ) from error


def _truth(row: tuple[str, int]) -> Truth:
    counts, tokens = row
    return Truth(counts=tuple((reward, count) for reward, count in json.loads(counts)), tokens=tokens)
