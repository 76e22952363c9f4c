"""Steps: where lines begin, and how text finds its way back to tokens."""

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from vineppo.steps import Lines, Whole, line_starts, token_bounds, token_texts
from vineppo.tasks.arithmetic_tokenizer import build_tokenizer
from vineppo.types import Finish, Question, Trajectory

GSM8K = "Natalia sold 48/2 = 24 clips in May.\nShe sold 48+24 = 72 altogether.\n#### 72"


def trajectory(text: str, length: int) -> Trajectory:
    return Trajectory(
        question=Question(id="q", prompt="?", answer=""),
        prompt_ids=(1,),
        response_ids=(2,) * length,
        logprobs=(0.0,) * length,
        text=text,
        finish=Finish.TERMINATED,
        policy_version=0,
    )


def bounds_of(pieces: Sequence[str], segment: Lines | Whole | None = None) -> tuple[int, ...]:
    return (segment or Lines())(trajectory("".join(pieces), len(pieces)), pieces)


def cut(pieces: Sequence[str], segment: Lines | Whole | None = None) -> list[str]:
    return ["".join(pieces[start:stop]) for start, stop in pairwise(bounds_of(pieces, segment))]


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        (GSM8K, [GSM8K.partition("\n")[0] + "\n", "She sold 48+24 = 72 altogether.\n#### 72"]),
        ("a\nb\n", ["a\n", "b\n"]),
        ("a\n\n \nb", ["a\n\n \n", "b"]),
        ("\n \na\nb", ["\n \na\n", "b"]),
        ("one line", ["one line"]),
        ("#### 5", ["#### 5"]),
        ("\n#### 5", ["\n#### 5"]),
        ("#### 5\nand more", ["#### 5\n", "and more"]),
        ("a\n  #### 5", ["a\n  #### 5"]),
        ("a\n#### 5\n#### 6\n", ["a\n#### 5\n#### 6\n"]),
        ("a\nsee #### 5", ["a\n", "see #### 5"]),
        ("a\r\nb", ["a\r\n", "b"]),
        (" \n\n", [" \n\n"]),
    ],
)
def test_lines_by_hand(text: str, steps: list[str]):
    assert cut(list(text)) == steps


def test_without_an_answer_prefix_the_answer_is_a_step_of_its_own():
    assert cut(list("a\n####5"), Lines(answer_prefix="")) == ["a\n", "####5"]


def test_another_answer_prefix_may_be_named():
    assert cut(list("a\nAnswer: 5\n#### 5"), Lines(answer_prefix="Answer:")) == ["a\nAnswer: 5\n", "#### 5"]


def test_whole_is_one_step():
    assert bounds_of(["a\n", "b\n", "c"], Whole()) == (0, 3)


def test_line_starts_are_character_offsets():
    assert line_starts("ab\n\ncd\n#### 1\nef", "####") == [4, 14]


def test_a_boundary_inside_a_token_waits_for_the_next_token():
    assert bounds_of(["a", "\nb", "c\n", "d"]) == (0, 2, 3, 4)


def test_boundaries_inside_one_token_merge():
    assert bounds_of(["a\n", "b\nc\nd", "e"]) == (0, 1, 2, 3)


def test_a_boundary_inside_the_last_token_is_none():
    assert bounds_of(["a", "b\nc"]) == (0, 2)


def test_tokens_that_begin_a_split_character_belong_to_its_step():
    assert bounds_of(["a\n", "", "", "😀", "\n"]) == (0, 1, 5)


@pytest.mark.parametrize("ending", [["b"], ["b\n"], ["b\n", "\n"]])
def test_the_end_token_belongs_to_the_last_step(ending: list[str]):
    assert bounds_of(["a\n", *ending, ""])[-2:] == (1, 2 + len(ending))


def test_a_response_of_only_the_end_token_is_one_step():
    assert bounds_of([""]) == (0, 1)


def test_an_empty_response_has_no_step():
    assert token_bounds([], []) == (0,)


lines_and_noise = st.text(alphabet="ab #\n\r\té😀", max_size=40)


@given(st.lists(st.one_of(lines_and_noise, st.text(max_size=5)), min_size=1, max_size=30), st.sampled_from(["", "#"]))
def test_steps_tile_any_response(pieces: list[str], answer_prefix: str):
    bounds = bounds_of(pieces, Lines(answer_prefix=answer_prefix))
    assert bounds[0] == 0
    assert bounds[-1] == len(pieces)
    assert all(before < after for before, after in pairwise(bounds))


@given(st.text(alphabet="ab #\n", max_size=40))
def test_each_step_holds_one_line_that_is_not_blank(text: str):
    assume(text.strip())
    for step in cut(list(text), Lines(answer_prefix="")):
        assert sum(bool(line.strip()) for line in step.split("\n")) == 1


@given(st.lists(st.text(alphabet="ab#\n", min_size=1, max_size=6), min_size=1, max_size=12))
def test_tokens_share_a_step_when_their_first_characters_do(pieces: list[str]):
    by_character, by_token = bounds_of(list("".join(pieces))), bounds_of(pieces)
    offsets = [0, *accumulate(map(len, pieces))][:-1]
    for token, (before, first) in enumerate(pairwise(offsets), start=1):
        assert (token in by_token) == any(before < bound <= first for bound in by_character[1:-1])


# --- token texts -------------------------------------------------------------------------------------------------


def decoder_of(tokenizer: Tokenizer) -> Callable[[Sequence[int]], str]:
    return lambda ids: tokenizer.decode(list(ids), skip_special_tokens=True)


def byte_level() -> Tokenizer:
    """One token a byte, but one for the last byte of 你 together with the first byte of 好."""
    mapped = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str("你好")[0][0]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [*alphabet, mapped[2:4]]
    tokenizer = Tokenizer(models.BPE({word: i for i, word in enumerate(words)}, [(mapped[2], mapped[3])]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<end>"])
    return tokenizer


def byte_fallback() -> Tokenizer:
    """As Llama's: blanks are written ▁ and dropped at the start of a text, unknown characters become bytes."""
    words = ["<unk>", "▁", "▁a", "b", "\n", *(f"<0x{byte:02X}>" for byte in range(256))]
    model = models.BPE({word: i for i, word in enumerate(words)}, [], unk_token="<unk>", byte_fallback=True)
    tokenizer = Tokenizer(model)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens(["<s>"])
    return tokenizer


BYTES, FALLBACK = byte_level(), byte_fallback()
ARITHMETIC = build_tokenizer(50)


def test_arithmetic_tokens_are_their_own_text():
    ids = [*ARITHMETIC("12*7=34\n####34").input_ids, ARITHMETIC.eos_token_id]
    pieces = token_texts(decoder_of(ARITHMETIC.backend_tokenizer), ids)
    assert pieces == ["12", "*", "7", "=", "34", "\n", "####", "34", ""]


def test_a_character_spread_over_tokens_belongs_to_the_last_of_them():
    ids = BYTES.encode("a😀b").ids
    assert token_texts(decoder_of(BYTES), ids) == ["a", "", "", "", "😀", "b"]


def test_a_token_that_ends_one_character_and_begins_the_next_waits_for_it():
    ids = BYTES.encode("你好\n").ids
    assert token_texts(decoder_of(BYTES), ids) == ["", "", "", "", "你好", "\n"]


def test_special_tokens_have_no_text_even_within_a_character():
    ids = BYTES.encode("é!").ids
    end = BYTES.token_to_id("<end>")
    assert token_texts(decoder_of(BYTES), [end, ids[0], end, *ids[1:], end]) == ["", "", "", "é", "!", ""]


def test_a_response_cut_within_a_character_keeps_what_the_decoder_makes_of_it():
    ids = BYTES.encode("a😀").ids[:-1]
    first, *rest = token_texts(decoder_of(BYTES), ids)
    assert (first, len(rest), "".join(rest)) == ("a", 3, "\N{REPLACEMENT CHARACTER}")


def test_blanks_that_a_tokenizer_drops_at_the_start_of_a_text_are_kept_within():
    a, b = FALLBACK.token_to_id("▁a"), FALLBACK.token_to_id("b")
    assert token_texts(decoder_of(FALLBACK), [a, b, a, a]) == ["a", "b", " a", " a"]


def test_no_tokens_have_no_texts():
    assert token_texts(decoder_of(BYTES), []) == []


@pytest.mark.parametrize("tokenizer", [BYTES, FALLBACK, ARITHMETIC.backend_tokenizer], ids=["bytes", "llama", "sums"])
@given(data=st.data())
def test_one_piece_a_token_and_they_join_to_the_decoded_whole(tokenizer: Tokenizer, data: st.DataObject):
    ids = data.draw(st.lists(st.integers(0, tokenizer.get_vocab_size() - 1), max_size=20))
    decode = decoder_of(tokenizer)
    pieces = token_texts(decode, ids)
    assert len(pieces) == len(ids)
    assert "".join(pieces) == decode(ids)


@given(st.text(max_size=12))
def test_pieces_of_encoded_text_join_to_the_text(text: str):
    assert "".join(token_texts(decoder_of(BYTES), BYTES.encode(text).ids)) == text


def test_steps_of_bytes_begin_where_their_line_does():
    pieces = token_texts(decoder_of(BYTES), [*BYTES.encode("甲\n😀乙\n#### 7").ids, BYTES.token_to_id("<end>")])
    assert bounds_of(pieces) == (0, 4, len(pieces))
