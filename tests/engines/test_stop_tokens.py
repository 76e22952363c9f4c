"""Stop strings in the tokens of all kinds of tokenizers, against the definition, and what looking for them costs."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenizers_of_all_kinds import KINDS, spoken
from vineppo.engines.stops import Stops, Watch
from vineppo.stops import INCOMPLETE

TEXTS = st.text(alphabet="ab:\n .é你😀$", max_size=30)


def defined(decode, token_ids: Sequence[int], stop: Sequence[str]) -> int | None:
    """The first prefix whose text holds one."""
    texts = (decode(token_ids[:length]) for length in range(1, len(token_ids) + 1))
    return next((length for length, text in enumerate(texts, 1) if any(own in text for own in stop)), None)


@given(st.data(), st.sampled_from(sorted(KINDS)))
def test_a_response_ends_where_its_text_first_holds_a_stop_string(data: st.DataObject, kind: str):
    speaker = spoken(kind)
    written = st.one_of(
        TEXTS.map(speaker.encode), st.lists(st.integers(0, len(speaker.tokenizer) - 1), max_size=8).map(list)
    )
    token_ids = [token for part in data.draw(st.lists(written, max_size=6)) for token in part]
    text = speaker.decode(token_ids)
    at = data.draw(st.integers(0, len(text)))
    found = text[at : at + data.draw(st.integers(1, 12))]
    stop = [own for own in (found, data.draw(TEXTS)) if own and INCOMPLETE not in own]
    if stop:
        assert Stops(speaker.decode, stop).end(token_ids) == defined(speaker.decode, token_ids, stop)


def test_by_hand_in_bytes():
    """A stop string that ends inside a token, one over several, one whose last character is spelt in three."""
    speaker = spoken("byte-level")
    newlines = speaker.encode("\n\n\n")
    assert Stops(speaker.decode, ["\n"]).end(newlines) == 1
    ids = speaker.encode("so 29\n\n\nProblem: x")
    colon = next(length for length in range(len(ids)) if speaker.decode(ids[:length]).endswith(":"))
    assert Stops(speaker.decode, ["\n\n\nProblem:"]).end(ids) == colon
    character = speaker.encode("你")
    assert len(character) == 3
    assert Stops(speaker.decode, ["a你"]).end([*speaker.encode("a"), *character]) == 4
    assert Stops(speaker.decode, ["a你"]).end([*speaker.encode("a"), *character[:2]]) is None


def test_only_a_few_last_tokens_are_decoded_and_only_where_the_last_could_end_a_stop_string():
    speaker, asked = spoken("byte-level"), []

    def decode(token_ids: Sequence[int]) -> str:
        asked.append(len(token_ids))
        return speaker.decode(token_ids)

    stops = Stops(decode, ["\n\n\nProblem:"])
    response = speaker.encode("Then 36 - 7 = 29 apples. " * 100)
    assert len(response) > 800
    assert stops.end(response) is None
    assert asked == [2] * len(set(response)), "each token is looked at once"
    asked.clear()
    assert stops.end(response) is None
    assert not asked
    assert stops.end([*response, *speaker.encode("so: that: x:")]) is None
    assert 0 < max(asked) < 40


def test_a_batch_of_tokens_is_looked_up_together_and_new_ones_are_added():
    speaker = spoken("byte-level")
    stops = Stops(speaker.decode, ["x:"])
    a, colon, last = speaker.encode("a")[0], speaker.encode(":")[0], len(speaker.tokenizer) - 1
    assert stops.suspects(np.array([a, colon, a])).tolist() == [False, True, False]
    assert stops.suspects(np.array([last, colon])).tolist() == [":" in speaker.decode([last]), True]
    assert stops.suspects(np.array([], dtype=np.int64)).tolist() == []


def test_an_engine_without_a_decoder_says_so():
    assert Watch(None).of(()) is None
    with pytest.raises(ValueError, match=r"stop strings \('x',\), but the engine was made without `decode`"):
        Watch(None).of(("x",))
    watch = Watch(str)
    assert watch.of(("x",)) is watch.of(("x",))
