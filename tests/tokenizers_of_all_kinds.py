"""Small real tokenizers of the kinds policies have, built here: nothing is downloaded."""

from functools import cache

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from vineppo.steps import Pieces

CORPUS = [
    "We have $x^2 + 1 = 10.$ Therefore, $x = 3.$\n\nThe answer is $\\boxed{3}$.",
    "First, 12 * 3 = 36 apples.\nThen 36 - 7 = 29 apples.\n#### 29",
    "\\[\\frac{1}{2} + \\frac{1}{3} = \\frac{5}{6}.\\]Hence the sum is five sixths.\n\n\nDone, naïve café.",
    "  indented   text\twith tabs\r\nand other line ends",
]
END = "<|end|>"


def wrap(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END)


def byte_level() -> Tokenizer:
    """As GPT-2, Qwen, Llama 3: bytes, so a character may span several tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=[END], initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def unigram() -> Tokenizer:
    """As T5 and SentencePiece's default: Unigram over words that begin with a block."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=200, special_tokens=[END, "<unk>"], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def byte_fallback() -> Tokenizer:
    """As Llama 2 and Mistral: SentencePiece BPE; characters outside the vocabulary are spelt in bytes."""
    pieces = ["<unk>", END, *(f"<0x{byte:02X}>" for byte in range(256)), "▁"]
    pieces += sorted({character for line in CORPUS for character in line if character.isalnum() and character < "\x7f"})
    merges = [("▁", "T"), ("h", "e"), ("▁T", "he"), ("i", "n"), ("▁", "x"), ("a", "n")]
    pieces += ["".join(pair) for pair in merges]
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(
        models.BPE(vocab=vocabulary, merges=merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    )
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens([AddedToken(END, special=True)])
    return tokenizer


def words() -> Tokenizer:
    """Whole words; what is unknown is one token, and decoding joins with blanks."""
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.train_from_iterator(CORPUS, trainers.WordLevelTrainer(special_tokens=[END, "<unk>"], show_progress=False))
    return tokenizer


def word_pieces() -> Tokenizer:
    """As BERT: the decoder also moves punctuation to the word before it."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(cleanup=True)
    trainer = trainers.WordPieceTrainer(vocab_size=200, special_tokens=[END, "<unk>"], show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


KINDS = {
    "byte-level": byte_level,
    "unigram": unigram,
    "byte-fallback": byte_fallback,
    "words": words,
    "word-pieces": word_pieces,
}


class Spoken:
    """A tokenizer as a policy speaks it."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast):
        self.tokenizer = tokenizer
        self.pieces = Pieces(self.decode)
        self.end: int = tokenizer.eos_token_id

    def encode(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False).input_ids

    def decode(self, token_ids) -> str:
        return self.tokenizer.decode(list(token_ids), skip_special_tokens=True)


@cache
def spoken(kind: str) -> Spoken:
    return Spoken(wrap(KINDS[kind]()))
