"""Loading and making policies: a Hugging Face causal language model and its tokenizer."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import torch
from jinja2 import TemplateError
from torch import Tensor, nn
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils.logging import disable_progress_bar

from vineppo.config.schema import Architecture
from vineppo.errors import UserError
from vineppo.types import Prompt

BUNDLED = "bundled:"

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
"""By the names of `policy.dtype`."""

# transformers draws a bar for every load and save, which would tear ours apart.
disable_progress_bar()


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """A model and the tokenizer it was trained with."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase

    @property
    def end_ids(self) -> tuple[int, ...]:
        """Tokens that end a response: the generation config's, else the tokenizer's."""
        generation = self.model.generation_config
        configured = None if generation is None else generation.eos_token_id
        match self.tokenizer.eos_token_id if configured is None else configured:
            case int(single):
                return (single,)
            case list(several):
                return tuple(int(token) for token in several)
            case _:
                return ()

    @property
    def context(self) -> int:
        """The most tokens, prompt and response together, that the model can hold."""
        return self.model.config.get_text_config().max_position_embeddings

    def encode(self, prompt: Prompt) -> tuple[int, ...]:
        """A prompt's token ids."""
        return encode_prompt(self.tokenizer, prompt)

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of token ids, special tokens left out."""
        return decode_tokens(self.tokenizer, token_ids)

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.model.device

    def copy(self, dtype: torch.dtype, device: str) -> "Policy":
        """A model of its own, in another precision, elsewhere."""
        model = cast(copy.deepcopy(self.model), dtype)
        nn.Module.to(model, pick_device(device))
        return Policy(model=model, tokenizer=self.tokenizer)

    def save(self, folder: Path, weights: Mapping[str, Tensor] | None = None) -> None:
        """An ordinary Hugging Face folder: safetensors, config, tokenizer. `weights`: instead of the model's own."""
        # What is tied to another weight is not written: reading ties it again.
        tied = self.model.all_tied_weights_keys
        state = None if weights is None else {name: own for name, own in weights.items() if name not in tied}
        self.model.save_pretrained(folder, safe_serialization=True, state_dict=state)
        self.tokenizer.save_pretrained(folder)


def encode_prompt(tokenizer: PreTrainedTokenizerBase, prompt: Prompt) -> tuple[int, ...]:
    """A prompt's token ids: text with the special tokens put in front, messages by the chat template."""
    if isinstance(prompt, str):
        return tuple(tokenizer(prompt).input_ids)
    messages = [{"role": message.role, "content": message.content} for message in prompt]
    try:
        text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    except (ValueError, TemplateError) as error:
        raise UserError(
            f"policy.path: the chat template of {tokenizer.name_or_path} does not take this prompt of "
            f"messages ({' '.join(str(error).split())[:160]}); take a chat model, or give prompts as text"
        ) from error
    assert isinstance(text, str), "one conversation gives one text"
    return tuple(tokenizer(text, add_special_tokens=False).input_ids)


def decode_tokens(tokenizer: PreTrainedTokenizerBase, token_ids: Sequence[int]) -> str:
    """The text of token ids, special tokens left out."""
    text = tokenizer.decode(list(token_ids), skip_special_tokens=True)
    assert isinstance(text, str), "one list of ids decodes to one text"
    return text


def cast(model: PreTrainedModel, dtype: torch.dtype) -> PreTrainedModel:
    """Change the precision of all weights, in place."""
    nn.Module.to(model, dtype=dtype)
    return model


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
    name = path.removeprefix(BUNDLED)
    folders = {folder.name: folder for folder in (resources.files("vineppo") / "assets").iterdir()}
    if name not in folders:
        known = ", ".join(f"{BUNDLED}{name}" for name in sorted(folders))
        raise UserError(f"policy.path is {path!r}, but only {known} come with the package")
    return str(folders[name])


def load_policy(path: str, *, device: str = "auto", dtype: torch.dtype = torch.float32) -> Policy:
    """Read a Hugging Face folder or Hub name, in `dtype`. Dropout is off: sampler and learner see one policy."""
    tokenizer = load_tokenizer(path)
    try:
        model = AutoModelForCausalLM.from_pretrained(resolve_path(path), dtype=dtype)
    except (OSError, ValueError, KeyError) as error:
        raise _unreadable(path, error) from error
    return _placed(model, tokenizer, device)


def load_tokenizer(path: str) -> PreTrainedTokenizerBase:
    """A policy's tokenizer alone."""
    try:
        return AutoTokenizer.from_pretrained(resolve_path(path))
    except (OSError, ValueError, KeyError) as error:
        raise _unreadable(path, error) from error


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
        eos_token_id=_token_id(tokenizer.eos_token_id),
        pad_token_id=_token_id(tokenizer.pad_token_id),
    )
    torch.manual_seed(seed)
    model = LlamaForCausalLM(config)
    return _placed(model, tokenizer, device)


def _unreadable(path: str, error: Exception) -> UserError:
    return UserError(
        f"policy.path is {path!r}, which cannot be read as a Hugging Face model with tokenizer "
        f"({str(error).splitlines()[0]}); give a folder with config.json, model.safetensors and tokenizer.json, "
        "or a Hub name"
    )


def _placed(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, device: str) -> Policy:
    nn.Module.to(model, pick_device(device))
    return Policy(model=model.eval(), tokenizer=tokenizer)


def _token_id(token_id: object) -> int:
    assert isinstance(token_id, int), "our own tokenizers have one id for each special token"
    return token_id
