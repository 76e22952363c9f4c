"""Steps tile the response exactly: every segmenter, every kind of tokenizer, every string and every sampled noise."""

from itertools import accumulate, pairwise
from math import log
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_responses import response

from tokenizers_of_all_kinds import CORPUS, KINDS, spoken
from vineppo.steps import Delimiter, Lines, Math, Tokens, Uncertain, Whole
from vineppo.steps.math import math_starts

SEGMENTERS = {
    "lines": Lines(),
    "lines, answer apart": Lines(answer_prefix=""),
    "math": Math(),
    "math, tiny": Math(shortest=1, longest=1),
    "math, no long rule": Math(longest=None),
    "delimiter": Delimiter(),
    "delimiter, a letter": Delimiter("a"),
    "tokens": Tokens(3),
    "uncertain": Uncertain(),
    "uncertain, each": Uncertain(threshold=1.0, every=1),
    "whole": Whole(),
}
FRAGMENTS = [
    *CORPUS,
    "$",
    "$$",
    "\\[",
    "\\]",
    "\\begin{align*}",
    "\\end{align*}",
    "[asy]",
    "\n",
    ". A",
    ",",
    " and ",
    "=",
]
texts = st.text(max_size=80) | st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=9), max_size=12).map("".join)


def check(speaker, ids: list[int], logprobs: list[float]):
    """With every segmenter: making an example takes longer than cutting it up."""
    pieces, own = speaker.pieces(ids), response(ids, speaker.decode(ids), logprobs)
    for name, segmenter in SEGMENTERS.items():
        bounds = segmenter(own, pieces)
        assert bounds[0] == 0, name
        assert bounds[-1] == len(ids), name
        assert all(start < stop for start, stop in pairwise(bounds)), name


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=200)
@given(text=texts, seed=st.integers(0, 2**32 - 1))
def test_steps_tile_any_text(kind, text, seed):
    speaker = spoken(kind)
    ids = [*speaker.encode(text), speaker.end]
    chances = Random(seed).choices([0.1, 0.89, 0.9, 1.0], k=len(ids))  # hypothesis would take longer over each
    check(speaker, ids, [log(chance) for chance in chances])


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=200)
@given(data=st.data())
def test_steps_tile_any_sampled_tokens(kind, data):
    speaker = spoken(kind)
    ids = data.draw(st.lists(st.integers(0, len(speaker.tokenizer) - 1), min_size=1, max_size=40))
    check(speaker, ids, [log(0.5)] * len(ids))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", CORPUS)
def test_a_token_belongs_to_the_step_in_which_its_first_character_lies(kind, text):
    speaker = spoken(kind)
    ids = speaker.encode(text)
    pieces = speaker.pieces(ids)
    decoded = "".join(pieces)
    by_character = math_starts(decoded)
    bounds = Math()(response(ids, decoded), pieces)
    ends = [0, *accumulate(len(piece) for piece in pieces)]
    assert len(bounds) > 1
    for at in bounds[1:-1]:
        first_token_of_step = next(token for token in range(at, len(pieces)) if pieces[token])
        last_token_before = max(token for token in range(at) if pieces[token])
        start_of_last, start = ends[last_token_before], ends[first_token_of_step]
        assert any(start_of_last < offset <= start for offset in by_character)
