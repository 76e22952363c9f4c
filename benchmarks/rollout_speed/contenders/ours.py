"""The embedded engine of this library."""

from collections.abc import Callable, Sequence

from transformers import PreTrainedModel

from rollout_speed.workload import Workload
from vineppo.engines.torch.engine import TorchEngine
from vineppo.engines.torch.recordings import choose_capture
from vineppo.rng import derive_seed
from vineppo.types import Request, Sampling


def make_engine(
    model: PreTrainedModel, *, end_ids: Sequence[int], rows: int, compiled: bool | None = None
) -> TorchEngine:
    """The one place that knows the engine's constructor. compiled: `engine.compile`."""
    capture = choose_capture(model.device, compiled)
    context = model.config.get_text_config().max_position_embeddings
    return TorchEngine(model, end_ids=end_ids, context=context, rows=rows, capture=capture)


def sampler(
    model: PreTrainedModel, workload: Workload, *, rows: int, compiled: bool | None = None
) -> Callable[[Workload, int], list[int]]:
    """A function that samples (part of) the workload from a seed and gives each rollout's decoded tokens.

    The trajectories' keys and values are not held from before, as they are in training: like every contender, the
    engine meets the prefixes for the first time.
    """
    engine = make_engine(model, end_ids=workload.end_ids, rows=rows, compiled=compiled)

    def sample(part: Workload, seed: int) -> list[int]:
        engine.load_weights({}, policy_version=seed)
        requests = [
            Request(prefix=prefix, count=part.rollouts, seed=derive_seed(seed, index))
            for index, prefix in enumerate(part.prefixes)
        ]
        groups = engine.sample(requests, Sampling(temperature=1.0, max_new_tokens=part.max_new_tokens))
        return [len(completion.token_ids) for group in groups for completion in group]

    return sample
