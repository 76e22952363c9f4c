"""What happens to the weights inside vLLM's worker, which may be another process."""

from collections.abc import Callable, Iterable
from typing import Any

from safetensors.torch import load_file
from torch import Tensor
from vllm.model_executor.layers.utils import (  # pyright: ignore[reportMissingImports]
    dispatch_cpu_unquantized_gemm,
)
from vllm.model_executor.layers.vocab_parallel_embedding import (  # pyright: ignore[reportMissingImports]
    ParallelLMHead,
    VocabParallelEmbedding,
)


class WeightUpdates:
    """Methods that vLLM adds to its worker (`worker_extension_cls`)."""

    # The worker's own. Only declared: vLLM refuses an extension that has what the worker has.
    model_runner: Any
    reload_weights: Callable[..., None]

    def take_weights(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """In place, from named tensors in Hugging Face's layout."""
        self.reload_weights(weights_iterator=weights, is_checkpoint_format=True)
        repack_tied_head(self.model_runner.model)

    def take_weights_from(self, path: str) -> None:
        """The same from a safetensors file."""
        self.take_weights(load_file(path).items())


def repack_tied_head(model: Any) -> None:
    """On the CPU vLLM multiplies by copies packed at the start. It renews them with the weights, except that of an
    output layer tied to the embedding, which would go on speaking for the old policy."""
    modules = list(model.modules())
    heads = [module for module in modules if isinstance(module, ParallelLMHead)]
    inputs = [m for m in modules if isinstance(m, VocabParallelEmbedding) and not isinstance(m, ParallelLMHead)]
    if model.config.tie_word_embeddings and len(heads) == len(inputs) == 1 and inputs[0].weight.device.type == "cpu":
        heads[0].weight = inputs[0].weight
        dispatch_cpu_unquantized_gemm(heads[0], remove_weight=False)
