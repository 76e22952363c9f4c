"""Where prefixes are held: which replica sampled which trajectory under the weights it has now. Pure."""

from bisect import bisect_left, insort
from dataclasses import dataclass

from vineppo.engines.prefixes import TokenIds


@dataclass(frozen=True, kw_only=True, slots=True)
class Home:
    """A trunk, and the replica that holds its keys and values."""

    trunk: TokenIds
    replica: int


class Homes:
    """Trunks by prefix, as in the embedded engine's own store of them (`vineppo.engines.torch.trie`)."""

    def __init__(self):
        self._replicas: dict[TokenIds, int] = {}
        self._ordered: list[TokenIds] = []

    def add(self, trunk: TokenIds, replica: int) -> None:
        """This replica sampled the trunk; a trunk that two replicas hold stays with the first."""
        if trunk not in self._replicas:
            insort(self._ordered, trunk)
            self._replicas[trunk] = replica

    def covering(self, prefix: TokenIds) -> Home | None:
        """A trunk that starts with `prefix`: in lexicographic order, the first one not before it."""
        place = bisect_left(self._ordered, prefix)
        if place == len(self._ordered) or self._ordered[place][: len(prefix)] != prefix:
            return None
        trunk = self._ordered[place]
        return Home(trunk=trunk, replica=self._replicas[trunk])

    def forget(self, replica: int) -> None:
        """It died, and what it held with it."""
        self._replicas = {trunk: own for trunk, own in self._replicas.items() if own != replica}
        self._ordered = sorted(self._replicas)

    def clear(self) -> None:
        """The weights changed: nobody holds anything any more."""
        self._replicas.clear()
        self._ordered.clear()
