"""Stop strings in text: what of a response judges, steps and people see.

A response ends with the token after which its decoded text first contains a stop string (`vineppo.engines.stops`). Its
tokens stay as they were sampled; its text is what comes before the stop string, as without an end token.
"""

from collections.abc import Sequence

INCOMPLETE = "\N{REPLACEMENT CHARACTER}"
"""What bytes decode to that are no character, or none yet. No stop string holds it."""


def before_stop(text: str, stop: Sequence[str]) -> str:
    """The text up to where the first of the stop strings begins; all of it where there is none."""
    found = [at for own in stop if (at := text.find(own)) >= 0]
    return text[: min(found)] if found else text


def pieces_before_stop(pieces: Sequence[str], stop: Sequence[str]) -> list[str]:
    """[T] pieces that join to the text before a stop string, from those that join to the whole: the last are empty."""
    if not stop:
        return list(pieces)
    left = len(before_stop("".join(pieces), stop))
    kept = []
    for piece in pieces:
        kept.append(piece[:left])
        left -= len(kept[-1])
    return kept
