"""A GGUF file, as llama.cpp reads it, into an ordinary Hugging Face folder that can be trained.

transformers expands the file's weights to float32, but what it makes of it refuses to be saved, because its config
remembers how the weights were stored. So they are copied into a fresh model of the same class. What was rounded away
when the file was made stays lost.
"""

import copy
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from vineppo.errors import UserError
from vineppo.output_folder import check_empty, fill_folder
from vineppo.places import nearest
from vineppo.policy import Policy, try_saving
from vineppo.tasks.words import one_line

if TYPE_CHECKING:
    from gguf import GGUFReader

MAGIC = b"GGUF"
LOSSLESS = ("F32", "F16", "BF16")


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """What a file says of itself."""

    file: str
    name: str
    licence: str
    """Empty where the file names none."""
    kinds: tuple[tuple[str, float, int], ...]
    """Each way its weights are stored: name, bits a weight, and how many weights; the most first."""

    @property
    def rounded(self) -> bool:
        """Whether weights were rounded to few bits."""
        return any(kind not in LOSSLESS for kind, _, _ in self.kinds)


def import_gguf(file: Path, out: Path) -> None:
    """Read `file`, write the folder `out`, and say what it is."""
    check_empty(out, "--out")
    origin = read_origin(file)
    tokenizer, expanded = read(file)
    policy = Policy(model=renewed(expanded), tokenizer=tokenizer)
    try_saving(policy)
    fill_folder(out, lambda folder: write_model(folder, policy, card(origin)))
    print(card(origin))
    print(f"policy written to {out}; it is float32, {policy.model.num_parameters():,} weights. Look at it with")
    print(f"  vineppo doctor policy.path={out}")


def read_origin(file: Path) -> Origin:
    """Name, licence and precision, before anything expensive. Raises UserError for what is no GGUF file."""
    reader = open_gguf(file)
    weights: Counter[tuple[str, float]] = Counter()
    for tensor in reader.tensors:
        bits = 8 * tensor.n_bytes / tensor.n_elements
        weights[(tensor.tensor_type.name, bits)] += int(tensor.n_elements)
    return Origin(
        file=file.name,
        name=text_field(reader, "general.name") or file.stem,
        licence=text_field(reader, "general.license"),
        kinds=tuple((kind, bits, count) for (kind, bits), count in weights.most_common()),
    )


def open_gguf(file: Path) -> "GGUFReader":
    """The file's reader."""
    try:
        from gguf import GGUFReader
    except ImportError as error:
        raise UserError("import-gguf needs the package gguf; run: pip install 'vineppo[gguf]'") from error
    try:
        with file.open("rb") as opened:
            magic = opened.read(len(MAGIC))
        if magic != MAGIC:
            raise UserError(f"{file} is no GGUF file (it begins with {magic!r}); name one, e.g. model.Q4_1.gguf")
        return GGUFReader(file)
    except OSError as error:
        raise UserError(
            f"{file} cannot be read ({error.strerror or error}){nearest(file)}; name a GGUF file"
        ) from error
    except (ValueError, IndexError, KeyError) as error:
        raise UserError(f"{file} is damaged or cut off ({one_line(error)}); fetch it again") from error


def text_field(reader: "GGUFReader", key: str) -> str:
    """A text of the file's metadata; empty where there is none."""
    field = reader.get_field(key)
    value = None if field is None else field.contents()
    return value if isinstance(value, str) else ""


def read(file: Path) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    """Tokenizer and model, the weights expanded to float32."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(file.parent), gguf_file=file.name)
        model = AutoModelForCausalLM.from_pretrained(str(file.parent), gguf_file=file.name, dtype=torch.float32)
    except (OSError, ValueError, KeyError, AttributeError, NotImplementedError) as error:
        raise UserError(
            f"{file} holds a model or tokenizer that transformers cannot make of a GGUF file ({one_line(error)}); take "
            "the model's Hugging Face folder, if there is one"
        ) from error
    return tokenizer, model


def renewed(expanded: PreTrainedModel) -> PreTrainedModel:
    """The same weights in a model of the same class that knows nothing of how they were stored."""
    config = copy.deepcopy(expanded.config)
    config.__dict__.pop("quantization_config", None)
    fresh = type(expanded)(config)
    fresh.load_state_dict(expanded.state_dict())
    fresh.generation_config = expanded.generation_config
    return fresh.eval()


def write_model(folder: Path, policy: Policy, readme: str) -> None:
    """With its card."""
    policy.save(folder)
    (folder / "README.md").write_text(readme, encoding="utf-8")


def card(origin: Origin) -> str:
    """The folder's README."""
    stored = ", ".join(f"{count:,} in {kind} ({bits:.3g} bits each)" for kind, bits, count in origin.kinds)
    licence = origin.licence or "not named in the file: ask whoever made it"
    lost = (
        "They were rounded to few bits, which cannot be undone: this is not the original model, and a little worse. "
        "Figures measured with it hold for it alone."
        if origin.rounded
        else "Nothing was rounded."
    )
    return f"# {origin.name}\n\nMade of {origin.file}. Licence: {licence}.\n\nWeights: {stored}. {lost}\n"
