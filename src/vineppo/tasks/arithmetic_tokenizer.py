"""A Hugging Face tokenizer for arithmetic: one token a number, a sign, a register's name, a line break.

It is an ordinary fast tokenizer, saved with the policy, so `AutoTokenizer.from_pretrained` reads it back and nothing
else in the project knows that it is special. Texts over its alphabet round-trip exactly.
"""

from collections.abc import Sequence

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

SIGNS = ("+", "-", "*", "=", "?", "\n", "####")
END, PAD, UNKNOWN = "<end>", "<pad>", "<unk>"


def build_tokenizer(modulus: int, signs: Sequence[str] = SIGNS) -> PreTrainedTokenizerFast:
    """Tokens for 0 .. modulus - 1 and the signs. A number outside becomes its digits."""
    longest_first = sorted(map(str, range(modulus)), key=len, reverse=True)
    known_number = "(?:" + "|".join(longest_first) + r")(?!\d)"
    return word_level([*signs, *map(str, range(modulus))], rf"{known_number}|####|[\s\S]")


def word_level(words: Sequence[str], pieces: str) -> PreTrainedTokenizerFast:
    """A token a word. `pieces` is the pattern that a text is cut by, and must leave nothing of it out."""
    vocabulary = {word: i for i, word in enumerate((PAD, END, UNKNOWN, *words))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(pieces), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        unk_token=UNKNOWN,
        clean_up_tokenization_spaces=False,
    )
