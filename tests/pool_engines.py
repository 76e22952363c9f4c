"""The embedded engine in a pool's replicas. A file of its own, so that their processes can import it."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from tiny_models import tiny_model
from vineppo.engines.torch.engine import TorchEngine
from vineppo.seams import Engine

END = 1


def decode(token_ids: Sequence[int]) -> str:
    """Token ids as numbers."""
    return " ".join(map(str, token_ids))


def make_tiny(weights: Mapping[str, Tensor]) -> Engine:
    """The embedded engine around a tiny random Llama."""
    model = tiny_model("llama")
    model.load_state_dict(weights)
    return TorchEngine(model, end_ids=(END,), context=64, rows=32, memory_bytes=1 << 28, decode=decode)
