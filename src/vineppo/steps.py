"""Response to steps. Steps are contiguous token spans that tile the response exactly.

Segmenters look for boundaries in the text, because that is where a line or a sentence is; the boundaries are then
moved to tokens: a token belongs to the step in which its first character lies. Nothing is re-tokenised.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise

from vineppo.types import Trajectory

TokenTexts = Callable[[Sequence[int]], list[str]]
"""Token ids to [T] pieces of text that join to the decoded whole."""


class Lines:
    """One step a line. Blank lines belong to the line before them, leading ones to the first.

    A line that starts with `answer_prefix` states the answer and belongs to the step before it, as in the paper's
    GSM8K splitter. Empty: it is a step of its own.
    """

    def __init__(self, answer_prefix: str = "####"):
        self._answer_prefix = answer_prefix

    def __call__(self, trajectory: Trajectory, token_texts: Sequence[str]) -> tuple[int, ...]:
        """Boundaries in token indices."""
        return token_bounds(line_starts("".join(token_texts), self._answer_prefix), token_texts)


class Whole:
    """The whole response is one step: credit assignment falls back to the outcome."""

    def __call__(self, trajectory: Trajectory, token_texts: Sequence[str]) -> tuple[int, ...]:
        """0 and T."""
        return (0, len(token_texts))


def line_starts(text: str, answer_prefix: str) -> list[int]:
    """Character offsets where a step after the first begins."""
    starts, offset, seen_text = [], 0, False
    for line in text.splitlines(keepends=True):
        is_answer = bool(answer_prefix) and line.lstrip().startswith(answer_prefix)
        if line.strip():
            if seen_text and not is_answer:
                starts.append(offset)
            seen_text = True
        offset += len(line)
    return starts


def token_bounds(character_starts: Sequence[int], token_texts: Sequence[str]) -> tuple[int, ...]:
    """Character offsets to token boundaries; offsets that fall into one token merge. [] for an empty response."""
    if not token_texts:
        return (0,)
    offsets = [0, *accumulate(len(piece) for piece in token_texts)][:-1]
    bounds, token = [0], 0
    for start in character_starts:
        while token < len(offsets) and offsets[token] < start:
            token += 1
        if bounds[-1] < token < len(offsets):
            bounds.append(token)
    return (*bounds, len(token_texts))


INCOMPLETE = "\N{REPLACEMENT CHARACTER}"


def token_texts(decode: Callable[[Sequence[int]], str], token_ids: Sequence[int]) -> list[str]:
    """[T] pieces that join to the decoded response, one per token. `decode` leaves special tokens out.

    A character spread over several tokens belongs to the last of them; special tokens are empty. Tokens are decoded
    together with the piece before them, since some tokenizers drop a leading blank at the start of a text.
    """
    pieces: list[str] = []
    window, read = 0, 0
    for end in range(1, len(token_ids) + 1):
        before, now = decode(token_ids[window:read]), decode(token_ids[window:end])
        if len(now) > len(before) and not now.endswith(INCOMPLETE):
            pieces.append(now[len(before) :])
            window, read = read, end
        else:
            pieces.append("")
    # Cut from the whole, since some tokenizers take a character back when invalid bytes follow it.
    text = decode(token_ids)
    cuts = [0, *accumulate(map(len, pieces[:-1])), len(text)]
    return [text[start:stop] for start, stop in pairwise(cuts)] if pieces else []
