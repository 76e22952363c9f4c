"""What is held to be found again: trajectories kept for their rollouts, and prompts for those that begin like them.

Sorted, the sequences that have most in common with another one stand next to it: that is all there is of a tree.
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet

from jaxtyping import Float
from torch import Tensor

from vineppo.attending.shared import common_prefix
from vineppo.engines.prefixes import TokenIds, forks, maximal
from vineppo.engines.torch.trunks import Piece, Pieces, Trunk, first_of, length_of, present

LEAST = 0.25
"""A known beginning of less than such a share of a sequence is left alone: computing it again is hardly noticed."""


class Shelf:
    """Trunks in lexicographic order; in that of their last use, too."""

    def __init__(self) -> None:
        self._ordered: list[TokenIds] = []
        self.trunks: dict[TokenIds, Trunk] = {}
        """The least recently used first."""

    def put(self, trunk: Trunk) -> None:
        """A new one, which is used now."""
        insort(self._ordered, trunk.tokens)
        self.trunks[trunk.tokens] = trunk

    def remove(self, tokens: TokenIds) -> Trunk:
        """That trunk."""
        del self._ordered[bisect_left(self._ordered, tokens)]
        return self.trunks.pop(tokens)

    def touch(self, tokens: TokenIds) -> None:
        """It is used now."""
        self.trunks[tokens] = self.trunks.pop(tokens)

    def covering(self, prefix: TokenIds) -> Trunk | None:
        """A trunk that starts with `prefix`, or None: of those not before it the first, if any."""
        place = bisect_left(self._ordered, prefix)
        if place == len(self._ordered) or self._ordered[place][: len(prefix)] != prefix:
            return None
        return self.trunks[self._ordered[place]]

    def neighbours(self, tokens: TokenIds) -> Iterator[tuple[int, Trunk]]:
        """Those next to it, and how many tokens they begin with alike."""
        place = bisect_left(self._ordered, tokens)
        for near in self._ordered[max(0, place - 1) : place + 1]:
            yield common_prefix(near, tokens), self.trunks[near]

    def clear(self) -> None:
        """Empty it."""
        self._ordered.clear()
        self.trunks.clear()


class Trie:
    """Token sequences whose keys and values are held. What several begin with counts once.

    *Trajectories* are kept until the weights change, of at most `max_kept` tokens. What no longer fits is not kept,
    rather than something else driven out for it: rollouts follow of each trajectory of an iteration alike. Prompts
    never drive them out: a trajectory holds its prompt and more, so that prefilling it again costs more than any of its
    prompts saves.

    *Prompts* are held for those that may follow, and go when room is needed, the least recently used first. What many
    begin with is therefore the last to go, and what one question has alone the first.
    """

    def __init__(self, *, max_kept: int, max_prompts: int = 0):
        """max_prompts: tokens of prompts that nobody uses, at most; see `trim`."""
        self.max_kept, self.max_prompts = max_kept, max_prompts
        self._kept, self._prompts = Shelf(), Shelf()
        self._holders = Counter[Piece]()
        """How many trunks have each piece."""
        self._kept_pieces = set[Piece]()
        self.tokens = self.kept_tokens = 0
        """Of all; of trajectories."""

    @property
    def trajectories(self) -> int:
        """How many are kept."""
        return len(self._kept.trunks)

    def keep(self, tokens: TokenIds, begun: Pieces, own: Callable[[], Float[Tensor, "S H T D"]]) -> None:
        """A trajectory, if it is new and fits. begun: pieces that it has in common with what it left; `own` copies the
        keys and values of its other tokens."""
        rest = len(tokens) - sum(used for _, used in begun)
        more = rest + sum(piece.length for piece, _ in begun if piece not in self._kept_pieces)
        if tokens in self._kept.trunks or self.kept_tokens + more > self.max_kept:
            return
        pieces = (*begun, (Piece(own()), rest)) if rest else begun
        self._kept.put(Trunk(tokens, pieces))
        self._kept_pieces.update(piece for piece, _ in pieces)
        self.kept_tokens += more
        self._hold(pieces)

    def remember(self, tokens: TokenIds, pieces: Pieces) -> None:
        """A prompt, which is used now."""
        if tokens in self._prompts.trunks:
            self._prompts.touch(tokens)
            return
        self._prompts.put(Trunk(tokens, pieces))
        self._hold(pieces)

    def covering(self, prefix: TokenIds) -> Trunk | None:
        """A kept trajectory that starts with `prefix`, or None."""
        return self._kept.covering(prefix)

    def fork(self, tokens: TokenIds) -> int:
        """How many tokens it begins with like something that is held."""
        return max((common for common, _ in self._near(tokens)), default=0)

    def beginning(self, tokens: TokenIds) -> Pieces:
        """The longest known beginning of a sequence; it is used now.

        A piece is held whole or not at all. Of one that is wanted in part, at least half must be.
        """
        near = [(wanted(present(trunk), common), trunk) for common, trunk in self._near(tokens)]
        found, trunk = max(near, key=lambda one: length_of(one[0]), default=((), None))
        if trunk is None or length_of(found) < LEAST * len(tokens):
            return ()
        if self._prompts.trunks.get(trunk.tokens) is trunk:
            self._prompts.touch(trunk.tokens)
        return found

    def _near(self, tokens: TokenIds) -> list[tuple[int, Trunk]]:
        return [*self._kept.neighbours(tokens), *self._prompts.neighbours(tokens)]

    def idle(self, in_use: AbstractSet[Piece]) -> int:
        """Tokens of prompts that are not in use."""
        return sum(piece.length for piece in self._holders.keys() - self._kept_pieces - in_use)

    def drive_out(self, tokens: int, *, in_use: AbstractSet[Piece] = frozenset()) -> None:
        """Make room for so many, as far as that can be done: prompts go, and no piece that is in use."""
        if tokens <= 0:
            return
        for prompt in list(self._prompts.trunks.values()):
            alone = {piece for piece, _ in present(prompt) if self._holders[piece] == 1}
            if tokens > 0 and not alone & in_use:
                self._prompts.remove(prompt.tokens)
                tokens -= self._release(present(prompt))

    def trim(self, *, in_use: AbstractSet[Piece] = frozenset()) -> None:
        """What prompts hold beyond `max_prompts` goes, where nobody uses it: memory that nothing needs now is the
        machine's."""
        self.drive_out(self.tokens - self.kept_tokens - self.max_prompts, in_use=in_use)

    def holds(self, trunk: Trunk) -> bool:
        """Whether it is a kept trajectory."""
        return self._kept.trunks.get(trunk.tokens) is trunk

    def has(self, piece: Piece) -> bool:
        """Whether it is held, and counted, here."""
        return piece in self._holders

    def clear(self) -> None:
        """Forget everything: the weights changed."""
        for shelf in (self._kept, self._prompts):
            shelf.clear()
        self._holders.clear()
        self._kept_pieces.clear()
        self.tokens = self.kept_tokens = 0

    def _hold(self, pieces: Pieces) -> None:
        self.tokens += sum(piece.length for piece, _ in pieces if piece not in self._holders)
        self._holders.update(piece for piece, _ in pieces)

    def _release(self, pieces: Pieces) -> int:
        """How many tokens are free now."""
        before = self.tokens
        for piece, _ in pieces:
            self._holders[piece] -= 1
            if not self._holders[piece]:
                del self._holders[piece]
                self.tokens -= piece.length
        return before - self.tokens


def wanted(pieces: Pieces, length: int) -> Pieces:
    """Of the first so many tokens, without a last piece of which less than half is meant."""
    found = tuple(first_of(pieces, length))
    return found if not found or 2 * found[-1][1] >= found[-1][0].length else found[:-1]


def find_trunks(prefixes: Sequence[TokenIds], trie: Trie) -> dict[TokenIds, Trunk]:
    """The trunk of each prefix: a kept trajectory, or the longest of these prefixes that continues it."""
    found = {prefix: trie.covering(prefix) for prefix in prefixes}
    ordered = maximal([prefix for prefix, trunk in found.items() if trunk is None])
    fresh = [
        Trunk(tokens, cuts=_worth_a_piece({*left, trie.fork(tokens)}, len(tokens)))
        for tokens, left in zip(ordered, forks(ordered), strict=True)
    ]
    return {
        prefix: trunk if trunk is not None else fresh[bisect_left(ordered, prefix)] for prefix, trunk in found.items()
    }


def _worth_a_piece(lengths: set[int], whole: int) -> tuple[int, ...]:
    """The beginnings of a sequence of `whole` tokens that would be looked for again."""
    return tuple(sorted(length for length in lengths if LEAST * whole <= length < whole))
