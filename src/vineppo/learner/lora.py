"""Low-rank adapters (Hu et al., arXiv 2106.09685) through peft: W + (alpha / rank) B A, of which only A and B learn.

The frozen weights are those of the starting policy, so the reference needs no copy: it is the policy with B A left out.
Whoever takes the policy away (engine, checkpoint, user) gets the sum, under the names of the plain model.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from vineppo.errors import UserError
from vineppo.learner.parallel import like, whole
from vineppo.settings.learner import LoraConfig

if TYPE_CHECKING:
    import peft
    from peft.tuners.lora import Linear

ADAPTER = "default"
ADAPTER_FILE, PEFT_PREFIX = "adapter_model.safetensors", "base_model.model."
"""As peft writes them."""
BASE = ".base_layer"
"""Stands in the names of weights that have an adapter beside them."""


def add_adapters(model: PreTrainedModel, settings: LoraConfig, *, seed: int) -> "peft.LoraConfig":
    """Freeze the model and put an adapter, of product 0 and drawn from `seed`, beside each target. In place.

    Returns peft's description of what was added. Raises UserError where peft is missing or a target does not fit.
    """
    try:
        import peft
    except ImportError as error:
        raise UserError("learner.lora needs peft, which is not installed; run: pip install 'vineppo[lora]'") from error
    wanted = peft.LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=0.0,
        target_modules=default_targets(model) if settings.targets is None else settings.targets,
        task_type="CAUSAL_LM",
        base_model_name_or_path=model.name_or_path,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            peft.inject_adapter_in_model(wanted, model, ADAPTER)
        except ValueError as error:
            raise UserError(
                f"learner.lora.targets is {settings.targets}, among them what is no linear layer of this model "
                f"({' '.join(str(error).split())[:160]}); name the last parts of its layers, e.g. "
                "[q_proj, v_proj], or null for all linear ones"
            ) from error
    for parameter in adapter_weights(model).values():
        parameter.data = parameter.data.float()  # what learns is kept in float32, beside whatever is frozen
    model.eval()
    _check_targets(model)
    return wanted


def default_targets(model: PreTrainedModel) -> str | list[str]:
    """All linear layers but the output embedding; of a mixture of experts those of its attention."""
    if not any(name.split(".")[-1] == "experts" for name, _ in model.named_modules()):
        return "all-linear"
    # What chooses experts, and they themselves, are no linear layers; peft takes dense layers of their names for them.
    return [
        name
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Linear) and any("attn" in part or "attention" in part for part in name.split("."))
    ]


@contextmanager
def adapters_off(module: nn.Module) -> Iterator[None]:
    """The frozen policy, within the block."""
    for layer in adapted_layers(module).values():
        layer.set_scale(ADAPTER, 0)
    try:
        yield
    finally:
        for layer in adapted_layers(module).values():
            layer.set_scale(ADAPTER, 1)


def adapted_layers(module: nn.Module) -> "dict[str, Linear]":
    """By name, the linear layers with an adapter beside them."""
    from peft.tuners.lora import Linear

    return {name: layer for name, layer in module.named_modules() if isinstance(layer, Linear)}


class MergedWeights(Mapping[str, Tensor]):
    """The sums W + (alpha / rank) B A under the plain model's names, each made when it is asked for.

    With sharded weights, all processes must go through it in the same order.
    """

    def __init__(self, model: PreTrainedModel):
        self._state = {name: tensor for name, tensor in model.state_dict().items() if not _is_adapter(name)}
        self._names = {name.replace(f"{BASE}.", "."): name for name in self._state}
        self._layers = adapted_layers(model)

    def __getitem__(self, name: str) -> Tensor:
        own = self._names[name]
        weight = whole(self._state[own].detach())
        layer = self._layers.get(own.removesuffix(f"{BASE}.weight"))
        if layer is None:
            return weight
        with torch.no_grad():
            return (weight.float() + whole(layer.get_delta_weight(ADAPTER)).float()).to(weight.dtype)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def adapter_weights(model: PreTrainedModel) -> dict[str, Tensor]:
    """A and B alone, under the names that peft gives them in its files; perhaps sharded."""
    return {f"{PEFT_PREFIX}{_file_name(name)}": p for name, p in model.named_parameters() if _is_adapter(name)}


def write_adapter(folder: Path, weights: Mapping[str, Tensor], added: "peft.LoraConfig") -> None:
    """A folder that `peft.PeftModel.from_pretrained` reads. `weights` are whole."""
    folder.mkdir(exist_ok=True)
    added.save_pretrained(str(folder))
    save_file(dict(weights), folder / ADAPTER_FILE)


@torch.no_grad()
def read_adapter(folder: Path, model: PreTrainedModel) -> None:
    """Take A and B from what `write_adapter` wrote."""
    saved = load_file(folder / ADAPTER_FILE)
    for name, parameter in adapter_weights(model).items():
        parameter.copy_(like(saved[name], parameter))


def _check_targets(model: PreTrainedModel) -> None:
    """Refuse what is not an inner linear layer: its sum with an adapter would not be this model any more."""
    from peft.tuners.lora import Linear, LoraLayer

    for name, layer in model.named_modules():
        if isinstance(layer, LoraLayer) and (not isinstance(layer, Linear) or layer is model.get_output_embeddings()):
            embedding = layer is model.get_output_embeddings() or isinstance(layer.get_base_layer(), nn.Embedding)
            kind = "an embedding" if embedding else "no linear layer (a router, or experts)"
            raise UserError(
                f"learner.lora.targets names {name}, which is {kind}; leave it out: only linear layers within the "
                "model have adapters"
            )


def _is_adapter(name: str) -> bool:
    return ".lora_" in name


def _file_name(name: str) -> str:
    return name.replace(f".{ADAPTER}.", ".")
