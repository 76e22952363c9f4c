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
UNKNOWN, NO, PERHAPS = range(3)


class Stops:
    """The stop strings of one law, watched for in the tokens of one tokenizer."""

    def __init__(self, decode: Decode, stop: Sequence[str]):
        self._decode, self._stop = decode, tuple(stop)
        self._span = max(map(len, stop)) + MARGIN
        self._last = {text[-1] for text in stop}
        if not all(map(str.isascii, self._last)):
            self._last.add(INCOMPLETE)  # their last character may be spelt in several tokens
        self._kinds = np.zeros(0, dtype=np.int8)

    def suspects(self, tokens: Int[np.ndarray, " B"]) -> Bool[np.ndarray, " B"]:
        """Which of these tokens may be the last of a stop string."""
        missing = int(tokens.max(initial=-1)) + 1 - len(self._kinds)
        if missing > 0:
            self._kinds = np.pad(self._kinds, (0, missing + len(self._kinds)))
        kinds = self._kinds[tokens]
        if not kinds.all():
            for token in np.unique(tokens[kinds == UNKNOWN]).tolist():
                # Twice, because some decoders write the first token of a text otherwise, and some join with blanks.
                self._kinds[token] = NO if self._last.isdisjoint(self._decode([token, token])) else PERHAPS
            kinds = self._kinds[tokens]
        return kinds == PERHAPS

    def reached(self, response: Sequence[int]) -> bool:
        """Whether the text of a response, which held no stop string before its last token, holds one now."""
        count = self._span
        while not self._is_clear(response[-count - 1 : -1]) and count < len(response):
            count *= 2
        # Of bytes that are no text a window may say other things than the whole, which is asked only here.
        return self._holds(response[-count - 1 :]) and self._holds(response)

    def end(self, response: Sequence[int]) -> int | None:
        """After how many tokens a response that was not sampled comes to a stop string; None: it does not."""
        lengths = np.flatnonzero(self.suspects(np.array(response, dtype=np.int64))) + 1
        return next((length for length in lengths.tolist() if self.reached(response[:length])), None)

    def _is_clear(self, window: Sequence[int]) -> bool:
        """Whether it is long enough and begins with a whole character: some decoders give up all bytes after half a
        one."""
        text = self._decode(window)
        return len(text) >= self._span and not text.startswith(INCOMPLETE)

    def _holds(self, token_ids: Sequence[int]) -> bool:
        text = self._decode(token_ids)
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
