"""The text of each token, for every kind of tokenizer and whatever a policy writes."""

import random
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenizers_of_all_kinds import CORPUS, KINDS, spoken
from vineppo.steps import Pieces, token_texts
from vineppo.stops import before_stop

kinds = pytest.mark.parametrize("kind", KINDS)


@kinds
@given(data=st.data())
def test_pieces_join_to_the_response_whatever_is_sampled(kind, data):
    speaker = spoken(kind)
    ids = data.draw(st.lists(st.integers(0, len(speaker.tokenizer) - 1), max_size=40))
    pieces = speaker.pieces(ids)
    assert len(pieces) == len(ids)
    assert "".join(pieces) == speaker.decode(ids)


@kinds
@given(text=st.text(max_size=60))
def test_pieces_join_to_any_text(kind, text):
    speaker = spoken(kind)
    ids = [*speaker.encode(text), speaker.end]
    assert "".join(speaker.pieces(ids)) == speaker.decode(ids)


@kinds
@pytest.mark.parametrize("text", CORPUS)
def test_every_token_of_an_ordinary_text_has_its_own_piece(kind, text):
    speaker = spoken(kind)
    ids = speaker.encode(text)
    pieces = speaker.pieces(ids)
    decoded = [speaker.decode(ids[:end]) for end in range(len(ids) + 1)]
    if "\N{REPLACEMENT CHARACTER}" not in "".join(decoded):
        assert pieces == [now[len(before) :] for before, now in pairwise(decoded)]


@pytest.mark.parametrize("kind", ["byte-level", "byte-fallback"])
def test_a_character_of_several_tokens_belongs_to_the_last(kind):
    speaker = spoken(kind)
    before, emoji, after = speaker.encode("an"), speaker.encode("🌿"), speaker.encode("he")
    emoji = emoji[-4:]  # without SentencePiece's leading block
    pieces = speaker.pieces([*before, *emoji, *after[-1:]])
    assert pieces[len(before) : -1] == ["", "", "", "🌿"]


def test_sentencepiece_drops_the_first_blank_and_no_other():
    speaker = spoken("unigram")
    ids = speaker.encode("The The The")
    the = [piece for piece in speaker.pieces(ids) if piece]
    assert "".join(the) == "The The The"
    assert not the[0].startswith(" ")


def test_special_tokens_have_no_text():
    speaker = spoken("byte-level")
    ids = [speaker.end, *speaker.encode("apples"), speaker.end]
    pieces = speaker.pieces(ids)
    assert (pieces[0], pieces[-1]) == ("", "")


def test_bytes_that_are_no_text_belong_to_a_token_near_them():
    speaker = spoken("byte-level")
    stray = speaker.encode("🌿")[-1:]  # a continuation byte without its lead
    ids = [*speaker.encode("x"), *stray, *speaker.encode("y"), *speaker.encode("z")]
    assert speaker.pieces(ids) == ["x", "", "\N{REPLACEMENT CHARACTER}y", "z"]


def test_empty():
    assert spoken("byte-level").pieces([]) == []


def test_the_function_is_the_class_used_once():
    speaker = spoken("unigram")
    ids = speaker.encode(CORPUS[0])
    assert token_texts(speaker.decode, ids) == Pieces(speaker.decode)(ids)


def decoded_tokens(speaker, ids) -> int:
    """How many tokens are decoded for one response: a measure that does not depend on the machine."""
    count = 0

    def decode(token_ids) -> str:
        nonlocal count
        count += len(token_ids)
        return speaker.decode(token_ids)

    Pieces(decode)(ids)
    return count


@kinds
@pytest.mark.parametrize("what", ["text", "noise", "one token", "end tokens", "one byte"])
def test_the_cost_grows_no_faster_than_the_response(kind, what):
    speaker = spoken(kind)
    vocabulary = len(speaker.tokenizer)
    rng = random.Random(0)

    def response(length: int) -> list[int]:
        match what:
            case "text":
                return (speaker.encode(CORPUS[0]) * length)[:length]
            case "noise":
                return [rng.randrange(vocabulary) for _ in range(length)]
            case "one token":
                return [vocabulary - 1] * length
            case "end tokens":
                return [speaker.end] * length
            case _:
                return [speaker.encode("🌿")[-1]] * length

    short, long = (decoded_tokens(speaker, response(length)) for length in (500, 4000))
    assert long <= 8 * 1.5 * short + 2000


def test_a_thousand_tokens_take_milliseconds():
    speaker = spoken("byte-level")
    ids = (speaker.encode("\n".join(CORPUS)) * 20)[:1024]
    speaker.pieces(ids)
    best = min(_seconds(lambda: speaker.pieces(ids)) for _ in range(5))
    assert best < 0.05  # a tenth of that on an idle core


def _seconds(call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


@pytest.mark.parametrize("kind", KINDS)
def test_a_stop_string_has_no_piece(kind: str):
    speaker = spoken(kind)
    ids = speaker.encode("First, 12 * 3 = 36 apples. Then 36")
    stop = speaker.decode(ids)[-9:]
    pieces = Pieces(speaker.decode, stop=[stop])(ids)
    assert len(pieces) == len(ids)
    assert "".join(pieces) == speaker.decode(ids)[:-9] == before_stop(speaker.decode(ids), [stop])
