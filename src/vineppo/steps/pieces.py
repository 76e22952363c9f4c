"""The text of each token of a response, without re-tokenising and without decoding every prefix."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from vineppo.stops import INCOMPLETE, pieces_before_stop

Decode = Callable[[Sequence[int]], str]
"""Token ids to text, special tokens left out."""

TokenTexts = Callable[[Sequence[int]], list[str]]
"""Token ids to [T] pieces of text that join to the decoded whole."""

NEAR = 8
"""Tokens; no character has as many."""
FAR = 64
"""Tokens; runs of bytes that are no UTF-8, which some tokenizers decode as one, are rarely as long."""


def token_texts(decode: Decode, token_ids: Sequence[int]) -> list[str]:
    """[T] pieces that join to the decoded response, one per token. See `Pieces`, which is quicker when used again."""
    return Pieces(decode)(token_ids)


class Pieces:
    """Token ids to [T] pieces that join to `decode(token_ids)`, or to what of it comes before a stop string.

    A character spread over several tokens belongs to the last of them; special tokens are empty.

    Nearly every token has one text wherever it stands, but for the start of a response, where some tokenizers drop a
    blank, and for parts of a character. So that text is remembered, and taken where the decoded response agrees; where
    it does not, the next tokens are decoded together with the piece before them until they agree. What never agrees
    belongs to the last token. Joining is thus exact by construction, and the cost is one decode of the response and a
    few short ones.
    """

    def __init__(self, decode: Decode, *, stop: Sequence[str] = ()):
        self._decode, self._stop = decode, tuple(stop)
        self._usual: dict[int, str] = {}

    def __call__(self, token_ids: Sequence[int]) -> list[str]:
        """[T] pieces."""
        return pieces_before_stop(self._whole(token_ids), self._stop)

    def _whole(self, token_ids: Sequence[int]) -> list[str]:
        whole = self._decode(token_ids)
        pieces = [""] * len(token_ids)
        at, token, window = 0, 0, 0  # characters and tokens read; where the last tokens with text begin
        while token < len(token_ids):
            text, count = self._usual_text(token_ids[token]), 1
            if at == 0 or INCOMPLETE in text or not whole.startswith(text, at):
                text, count = self._joint_text(token_ids, window, token, whole, at)
            pieces[token + count - 1] = text
            window = token if text else window
            at, token = at + len(text), token + count
        if pieces:
            pieces[-1] += whole[at:]
        return pieces

    def _usual_text(self, token_id: int) -> str:
        """What the token adds after itself: no start of a response, and no other token's doing."""
        if token_id not in self._usual:
            self._usual[token_id] = self._decode([token_id, token_id])[len(self._decode([token_id])) :]
        return self._usual[token_id]

    def _joint_text(self, token_ids: Sequence[int], window: int, token: int, whole: str, at: int) -> tuple[str, int]:
        """The text of the fewest next tokens that agrees with the response, and how many they are.

        First whole characters are looked for. If there are none for long, these are bytes that are no UTF-8: then any
        text will do that agrees, read together with more of what precedes, since such bytes spoil their neighbours.
        """
        most = len(token_ids) - token
        near = self._readings(token_ids, window, token, range(1, min(most, NEAR) + 1))
        far = self._readings(token_ids, max(window - FAR, 0), token, attempts(most) if most > NEAR else ())
        complete = ((text, count) for text, count in near if not text.endswith(INCOMPLETE))
        for text, count in chain(complete, far):
            if text and whole.startswith(text, at):
                return text, count
        return whole[at:], most

    def _readings(
        self, token_ids: Sequence[int], window: int, token: int, counts: Iterable[int]
    ) -> Iterator[tuple[str, int]]:
        """What the next 1, 2, ... tokens add to those of the window."""
        before = len(self._decode(token_ids[window:token]))
        for count in counts:
            yield self._decode(token_ids[window : token + count])[before:], count


def attempts(most: int) -> Iterator[int]:
    """1, 2, ... NEAR tokens; then ever sparser, so that garbage costs linear time."""
    count = 1
    while count <= most:
        yield count
        count = count + 1 if count < NEAR else count * 3 // 2
