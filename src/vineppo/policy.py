"""Loading and making policies: a Hugging Face causal language model and its tokenizer."""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from vineppo.config.schema import Architecture
from vineppo.errors import UserError

BUNDLED = "bundled:"


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """A model and the tokenizer it was trained with."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase

    @property
    def end_ids(self) -> tuple[int, ...]:
        """Tokens that end a response: the generation config's, else the tokenizer's."""
        configured = self.model.generation_config.eos_token_id if self.model.generation_config else None
        match configured:
            case None:
                return (self.tokenizer.eos_token_id,) if self.tokenizer.eos_token_id is not None else ()
            case int():
                return (configured,)
            case _:
                return tuple(configured)

    @property
    def context(self) -> int:
        """The most tokens, prompt and response together, that the model can hold."""
        return self.model.config.get_text_config().max_position_embeddings

    def save(self, folder: Path) -> None:
        """An ordinary Hugging Face folder: safetensors, config, tokenizer."""
        self.model.save_pretrained(folder, safe_serialization=True)
        self.tokenizer.save_pretrained(folder)


def pick_device(device: str) -> torch.device:
    """`auto` is cuda when there is one."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.zeros((), device=device).device
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"policy.device is {device!r}, which torch cannot use here; try auto or cpu") from error


def resolve_path(path: str) -> str:
    """`bundled:NAME` to the folder inside the package; anything else as it is."""
    if not path.startswith(BUNDLED):
        return path
    folder = resources.files("vineppo") / "assets" / path.removeprefix(BUNDLED)
    if not folder.is_dir():
        raise UserError(f"policy.path is {path!r}, but only bundled:arithmetic comes with the package")
    return str(folder)


def load_policy(path: str, *, dtype: str = "float32", device: str = "auto") -> Policy:
    """Read a Hugging Face folder or Hub name. Dropout is off: the sampler and the learner see one policy."""
    folder = resolve_path(path)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype))
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"policy.path is {path!r}, which cannot be read as a Hugging Face model with tokenizer "
            f"({str(error).splitlines()[0]}); give a folder with config.json, model.safetensors and tokenizer.json, "
            "or a Hub name"
        ) from error
    return Policy(model=model.to(pick_device(device)).eval(), tokenizer=tokenizer)


def new_policy(architecture: Architecture, tokenizer: PreTrainedTokenizerBase, *, seed: int, device: str) -> Policy:
    """A Llama with random weights drawn from `seed`."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=architecture.hidden_size,
        intermediate_size=architecture.intermediate_size,
        num_hidden_layers=architecture.layers,
        num_attention_heads=architecture.heads,
        num_key_value_heads=architecture.heads,
        max_position_embeddings=architecture.context,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(seed)
    model = LlamaForCausalLM(config)
    return Policy(model=model.to(pick_device(device)).eval(), tokenizer=tokenizer)
