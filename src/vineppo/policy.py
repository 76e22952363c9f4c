"""Loading and making policies: a Hugging Face causal language model and its tokenizer."""

import copy
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
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

from vineppo.chat import decode_tokens, encode_prompt, end_tokens
from vineppo.errors import UserError, one_line
from vineppo.hub import asked_once
from vineppo.policy_place import check_policy, remedy_of_model
from vineppo.settings.model_shape import resolve_bundled
from vineppo.settings.sections import Architecture
from vineppo.types import Prompt

CONTEXT_NAMES = ("max_position_embeddings", "max_sequence_length", "max_seq_len", "seq_length", "context_length")
"""What config.json calls the most tokens that a model can hold."""

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
"""By the names of `policy.dtype`."""

# transformers draws a bar for every load and save, which would tear ours apart.
disable_progress_bar()


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """A model and the tokenizer it was trained with."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase

    template_kwargs: Mapping[str, object] = field(default_factory=dict)
    """For its chat template."""

    @property
    def end_ids(self) -> tuple[int, ...]:
        """Tokens that end a response: the generation config's, the tokenizer's, and the chat template's end of turn."""
        generation = self.model.generation_config
        return end_tokens(
            self.tokenizer,
            None if generation is None else generation.eos_token_id,
            vocabulary=vocabulary_size(self.model),
        )

    @property
    def end_names(self) -> str:
        """The same for people."""
        return ", ".join(map(repr, self.tokenizer.convert_ids_to_tokens(list(self.end_ids)))) or "none"

    @property
    def context(self) -> int:
        """The most tokens, prompt and response together, that the model can hold."""
        config = self.model.config.get_text_config()
        known = (getattr(config, name, None) for name in CONTEXT_NAMES)
        found = next((value for value in known if isinstance(value, int) and value > 0), None)
        if found is None:
            raise UserError(
                f"policy.path: the config of {type(self.model).__name__} tells no context length (none of "
                f"{', '.join(CONTEXT_NAMES)}); write max_position_embeddings into its config.json"
            )
        return found

    def encode(self, prompt: Prompt) -> tuple[int, ...]:
        """A prompt's token ids."""
        return encode_prompt(self.tokenizer, prompt, self.template_kwargs)

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of token ids without those that end or pad."""
        return decode_tokens(self.tokenizer, token_ids, self.end_ids)

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.model.device

    def copy(self, dtype: torch.dtype, device: str) -> "Policy":
        """A model of its own, in another precision, elsewhere."""
        model = cast(copy.deepcopy(self.model), dtype)
        nn.Module.to(model, pick_device(device))
        return replace(self, model=model)

    def save(self, folder: Path, weights: Mapping[str, Tensor] | None = None) -> None:
        """An ordinary Hugging Face folder: safetensors, config, tokenizer. `weights`: instead of the model's own."""
        # What is tied to another weight is not written: reading ties it again.
        tied = self.model.all_tied_weights_keys
        state = None if weights is None else {name: own for name, own in weights.items() if name not in tied}
        self.model.save_pretrained(folder, safe_serialization=True, state_dict=state)
        self.tokenizer.save_pretrained(folder)


def try_saving(policy: Policy) -> None:
    """Save all but the weights, for a moment. Raises UserError where that fails, before work could be lost by it."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            policy.model.save_pretrained(folder, safe_serialization=True, state_dict={})
            policy.tokenizer.save_pretrained(folder)
        except (ValueError, TypeError, AttributeError, NotImplementedError) as error:
            reason = " ".join(str(error).split())[:300]
            raise UserError(
                f"policy.path {policy.model.name_or_path}: the model cannot be saved again ({reason}); correct its "
                "generation_config.json or config.json, e.g. set do_sample to true where there is a temperature"
            ) from error


def vocabulary_size(model: PreTrainedModel) -> int:
    """Token ids that the model has: rows of its input embedding."""
    weight = model.get_input_embeddings().weight
    assert isinstance(weight, Tensor), "an embedding has a weight"
    return weight.shape[0]


def cast(model: PreTrainedModel, dtype: torch.dtype) -> PreTrainedModel:
    """Change the precision of all weights, in place. Buffers stay as they are, as where transformers loads a model in a
    precision: rotary frequencies that were rounded would turn far positions by other angles than the trainer's."""
    for parameter in model.parameters():
        if parameter.is_floating_point():
            parameter.data = parameter.data.to(dtype)
    return model


def pick_device(device: str) -> torch.device:
    """`auto` is cuda when there is one."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.zeros((), device=device).device
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"policy.device is {device!r}, which torch cannot use here; try auto or cpu") from error


def load_policy(
    path: str,
    *,
    device: str = "auto",
    dtype: torch.dtype = torch.float32,
    template_kwargs: Mapping[str, object] | None = None,
) -> Policy:
    """Read a Hugging Face folder or Hub name, in `dtype`. Dropout is off: sampler and learner see one policy."""
    tokenizer = load_tokenizer(path)
    with _readable(path) as place:
        model = AutoModelForCausalLM.from_pretrained(place, dtype=dtype)
    return _placed(model, tokenizer, device, template_kwargs)


def load_tokenizer(path: str) -> PreTrainedTokenizerBase:
    """A policy's tokenizer alone."""
    with _readable(path) as place:
        return AutoTokenizer.from_pretrained(place)


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


@contextmanager
def _readable(path: str) -> Iterator[str]:
    """What transformers is given of a place that may hold a policy. Raises UserError where it cannot read it."""
    check_policy(path)
    place = resolve_bundled(path)
    try:
        with nullcontext() if Path(place).is_dir() else asked_once():
            yield place
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"policy.path is '{path}', of which transformers makes no language model with tokenizer; "
            f"{remedy_of_model(place) or f'it says: {one_line(error)}'}"
        ) from error


def _placed(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    device: str,
    template_kwargs: Mapping[str, object] | None = None,
) -> Policy:
    nn.Module.to(model, pick_device(device))
    return Policy(model=model.eval(), tokenizer=tokenizer, template_kwargs=template_kwargs or {})


def _token_id(token_id: object) -> int:
    assert isinstance(token_id, int), "our own tokenizers have one id for each special token"
    return token_id
