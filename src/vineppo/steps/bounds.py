"""From characters to tokens."""

from collections.abc import Sequence
from itertools import accumulate


def token_bounds(character_starts: Sequence[int], token_texts: Sequence[str]) -> tuple[int, ...]:
    """Ascending character offsets to token boundaries; offsets that fall into one token merge.

    A token belongs to the step in which its first character lies. Tokens without text before an offset, which are the
    first parts of the character that begins there, belong to the step that begins there. (0,) for an empty response.
    """
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
