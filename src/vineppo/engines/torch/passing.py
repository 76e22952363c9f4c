"""What a forward pass holds beside weights and keys and values, measured on one."""

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import DynamicCache, PreTrainedModel

TOKENS = 16
"""Of the pass that is measured: enough that what there is once, whatever the length, weighs little."""


class Living(TorchDispatchMode):
    """Within it, every stretch of memory that was made and still lives is known, and how much lived at once."""

    def __init__(self):
        super().__init__()
        self._living: dict[int, tuple[StorageWeakRef, int]] = {}
        self._at_most = 0
        """What is gone may still be counted."""
        self.peak = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Called for every operation."""
        made = func(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, list | tuple) else (made,):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                self._living[storage._cdata] = (StorageWeakRef(storage), storage.nbytes())
                self._at_most += storage.nbytes()
        if self._at_most > self.peak:  # looking at all of them at every operation would be slow
            self.peak = max(self.peak, self.held)
        return made

    @property
    def held(self) -> int:
        """Bytes that live now."""
        self._living = {key: own for key, own in self._living.items() if not own[0].expired()}
        self._at_most = sum(size for _, size in self._living.values())
        return self._at_most


@torch.inference_mode()
def activation_bytes(model: PreTrainedModel) -> int:
    """Bytes that a token takes while it passes through the model, at the worst moment, besides its keys and values."""
    token_ids, cache = torch.zeros((1, TOKENS), dtype=torch.long, device=model.device), DynamicCache()
    with Living() as living:
        model.base_model(input_ids=token_ids, past_key_values=cache, use_cache=True)
        kept = living.held
    return max(0, living.peak - kept) // TOKENS
