"""Stop strings in tokens: whether a response that just grew by a token has come to one.

The text decides: a response ends with the first token after which its decoded text contains a stop string. The string
may span tokens, end inside one, and begin in a part of the response that was written before (a rollout's prefix), but
not in the prompt. The law of a token knows nothing of it: nothing is renormalised.

Decoding every response after every token would cost more than sampling it. So (1) a token that cannot end a stop
string, because none of their last characters is in it, is passed over by a look into a table; (2) for the others only
the last few tokens are decoded, as many as a stop string could span.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Int

from vineppo.stops import INCOMPLETE

Decode = Callable[[Sequence[int]], str]
"""A response's token ids to its text, without what ends or pads."""

MARGIN = 8
"""Characters that the ends of a window may get wrong: a blank that is dropped, parts of a character on either side."""
UNKNOWN, NEVER = 0, -1


class Stops:
    """The stop strings of one law, watched for in the tokens of one tokenizer."""

    def __init__(self, decode: Decode, stop: Sequence[str]):
        self._decode, self._stop = decode, tuple(stop)
        self._span = max(map(len, stop)) + MARGIN
        self._last = {text[-1] for text in stop}
        if not all(map(str.isascii, self._last)):
            self._last.add(INCOMPLETE)  # their last character may be spelt in several tokens
        self._lengths = np.zeros(0, dtype=np.int32)
        """By token: characters that it may add, where it may be the last of a stop string."""

    def suspects(self, tokens: Int[np.ndarray, " B"]) -> Bool[np.ndarray, " B"]:
        """Which of these tokens may be the last of a stop string."""
        missing = int(tokens.max(initial=-1)) + 1 - len(self._lengths)
        if missing > 0:
            self._lengths = np.pad(self._lengths, (0, missing + len(self._lengths)))
        lengths = self._lengths[tokens]
        if not lengths.all():
            for token in np.unique(tokens[lengths == UNKNOWN]).tolist():
                # Twice, because some decoders write the first token of a text otherwise, and some join with blanks.
                text = self._decode([token, token])
                self._lengths[token] = NEVER if self._last.isdisjoint(text) else len(text)
            lengths = self._lengths[tokens]
        return lengths != NEVER

    def reached(self, response: Sequence[int]) -> bool:
        """Whether the text of a response, which held no stop string before its last token, a suspect, holds one now."""
        count, enough = self._span + 1, self._span + int(self._lengths[response[-1]])
        while True:
            text = self._decode(response[-count:])
            if self._is_in(text):
                return self._is_in(self._decode(response))  # of bytes that are no text a window may say other things
            # Some decoders give up all bytes after half a character, so the window must begin with a whole one.
            if count >= len(response) or (len(text) >= enough and not text.startswith(INCOMPLETE)):
                return False
            count *= 2

    def end(self, response: Sequence[int]) -> int | None:
        """After how many tokens a response that was not sampled comes to a stop string; None: it does not."""
        lengths = np.flatnonzero(self.suspects(np.array(response, dtype=np.int64))) + 1
        return next((length for length in lengths.tolist() if self.reached(response[:length])), None)

    def _is_in(self, text: str) -> bool:
        return any(stop in text for stop in self._stop)


class Watch:
    """What an engine knows of stop strings: the tokenizer. One for all laws, so that tables are made once."""

    def __init__(self, decode: Decode | None):
        self._decode = decode
        self._stops: dict[tuple[str, ...], Stops] = {}

    def of(self, stop: tuple[str, ...]) -> Stops | None:
        """For a law's stop strings; None where it has none."""
        if not stop:
            return None
        if self._decode is None:
            raise ValueError(f"the sampling law has stop strings {stop}, but the engine was made without `decode`")
        if stop not in self._stops:
            self._stops[stop] = Stops(self._decode, stop)
        return self._stops[stop]
