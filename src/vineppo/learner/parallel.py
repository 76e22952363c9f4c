"""One module on several processes: replicated (DDP) or sharded (FSDP2), as accelerate was told at the launch.

Gradients must come out as the *sum* over processes, because every process divides its losses by the sizes of the whole
minibatch; DDP and FSDP2 take the mean. So losses are multiplied by the number of processes before the backward pass.

FSDP2 is torch's own `fully_shard`, one unit a layer: accelerate's wrapper of it wants an optimizer beside every model,
which a frozen reference does not have, and GPUs, without which nothing of this could be tested everywhere.
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.parallel import DistributedDataParallel
from transformers import PreTrainedModel

from vineppo.learner.shares import Share
from vineppo.processes import Processes


def parallel(module: nn.Module, model: PreTrainedModel, processes: Processes, *, dtype: torch.dtype) -> nn.Module:
    """What to call instead of `module`, whose layers are those of `model`; the same parameters, in the same order."""
    if processes.count == 1:
        return module
    if processes.sharded:
        return sharded(module, model, processes, dtype=dtype)
    if not any(parameter.requires_grad for parameter in module.parameters()):
        return module
    from accelerate import Accelerator, DistributedDataParallelKwargs

    # Nothing of a language model's buffers changes; to send them around at every pass would cost and synchronise.
    # Gradients live in what is sent, rather than a second time beside it.
    options = DistributedDataParallelKwargs(broadcast_buffers=False, gradient_as_bucket_view=True)
    on_cpu = processes.device == "cpu"
    with warnings.catch_warnings(action="ignore", category=FutureWarning):  # of torch, for an option accelerate lacks
        return Accelerator(cpu=on_cpu, mixed_precision="no", kwargs_handlers=[options]).prepare_model(module)


def sharded(module: nn.Module, model: PreTrainedModel, processes: Processes, *, dtype: torch.dtype) -> nn.Module:
    """Shard in place: each layer is whole only while it computes. Weights travel in `dtype`, gradients in float32."""
    from accelerate import FullyShardedDataParallelPlugin

    mesh = init_device_mesh(torch.device(processes.device).type, (processes.count,))
    precision = MixedPrecisionPolicy(param_dtype=dtype, reduce_dtype=torch.float32)
    reshard = bool(FullyShardedDataParallelPlugin(fsdp_version=2).reshard_after_forward)
    names = set(model._no_split_modules or ())
    for layer in module.modules():
        if type(layer).__name__ in names:
            fully_shard(layer, mesh=mesh, mp_policy=precision, reshard_after_forward=reshard)
    fully_shard(module, mesh=mesh, mp_policy=precision)
    return module


def bare(module: nn.Module) -> nn.Module:
    """The module itself, under whose names its weights are saved, without what makes it parallel."""
    return module.module if isinstance(module, DistributedDataParallel) else module


def settle(module: nn.Module) -> None:
    """After passes without gradients, give back what they left whole.

    Until then a module's parameters are not those that learn, and an optimizer made of them trains part of it.
    """
    for part in module.modules():
        if isinstance(part, FSDPModule):
            part.reshard()


def accumulating(module: nn.Module, share: Share) -> AbstractContextManager[None]:
    """Around a forward and a backward pass: replicas add up their gradients once, after a minibatch's last pass.

    Shards do so after every pass, because keeping them apart would need room for whole gradients.
    """
    if isinstance(module, DistributedDataParallel) and not share.last:
        return module.no_sync()
    return nullcontext()


def backward(loss: Tensor, share: Share, processes: Processes) -> None:
    """Add the gradient of this process's part of the loss to the sum over all processes."""
    (loss * (share.weight * processes.count)).backward()


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor that may be sharded. All processes must ask for it."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def like(given: Tensor, own: Tensor) -> Tensor:
    """This process's part of a whole tensor, placed as `own` is."""
    if isinstance(own, DTensor):
        return distribute_tensor(given.to(own.device, own.dtype), own.device_mesh, own.placements)
    return given


@torch.no_grad()
def load_whole(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Put whole tensors into a module that may be sharded. Its names must be exactly those of `state`."""
    own = module.state_dict()
    if own.keys() != state.keys():
        raise KeyError(f"weights do not fit: {sorted(own.keys() ^ state.keys())} are in only one of both")
    for name, tensor in own.items():
        tensor.copy_(like(state[name], tensor))


class WholeTensors(Mapping[str, Tensor]):
    """A module's state, each tensor made whole when it is asked for, so that never more than one is.

    All processes must go through it in the same order.
    """

    def __init__(self, state: Mapping[str, Tensor]):
        self._state = state

    def __getitem__(self, name: str) -> Tensor:
        return whole(self._state[name].detach())

    def __iter__(self) -> Iterator[str]:
        return iter(self._state)

    def __len__(self) -> int:
        return len(self._state)


def on_main(state: Mapping[str, Tensor], processes: Processes) -> dict[str, Tensor]:
    """The tensors on the CPU of the main process, for its files; nothing on the others, which help to make them."""
    kept: dict[str, Tensor] = {}
    for name, tensor in state.items():  # made whole here, one after the other
        if processes.is_main:
            kept[name] = tensor.detach().cpu().contiguous()
    return kept


def whole_tree(tree: Any, *, keep: bool) -> Any:
    """A tree of dicts and lists with every sharded tensor in it made whole, on the CPU.

    None in its place if not `keep`: for the processes that only help.
    """
    match tree:
        case dict():
            return {key: whole_tree(value, keep=keep) for key, value in tree.items()}
        case list():
            return [whole_tree(value, keep=keep) for value in tree]
        case DTensor():
            gathered = whole(tree)
            return gathered.cpu() if keep else None
        case _:
            return tree
