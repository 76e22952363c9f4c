"""How far each replica is with its piece: a process of its own, as replicas that sample answer no questions."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """Of one piece of one replica."""

    call: int
    """Which piece: pieces are numbered through."""
    sequences: int
    """Finished."""


class Scoreboard:
    """Becomes a Ray actor. Where it dies Ray starts an empty one: the next reports fill it again."""

    def __init__(self):
        self._scores: dict[int, Score] = {}

    def report(self, replica: int, score: Score) -> None:
        """A replica says how far it is."""
        self._scores[replica] = score

    def read(self) -> dict[int, Score]:
        """By replica, the last that was heard of it."""
        return dict(self._scores)
