"""transformers' continuous batching: paged keys and values, prefixes shared by page, requests that come and go.

On a CPU it has no attention kernel for packed sequences: all requests of a step attend to all pages under one mask, so
its cost grows with the square of the requests side by side, and few of them are best. `paged|eager` is slower than sdpa
there, and compiling recompiles for ever new shapes (0.8 k tokens/s in the second pass, 3.4 k without). It needs psutil
on a CPU, to learn how much memory there is.
"""

from collections.abc import Callable
from inspect import signature
from math import ceil
from typing import Any

from transformers import ContinuousBatchingConfig, GenerationConfig, PreTrainedModel
from transformers.generation.continuous_batching import ContinuousBatchingManager
from transformers.generation.continuous_batching.requests import GenerationOutput
from transformers.utils.import_utils import is_psutil_available

from rollout_speed.workload import Workload

PAGE = {"cpu": 16, "cuda": 256}
"""Tokens of a page. 8 to 32 differ by less than a tenth on a CPU; 256 is the library's default."""
PAGE_SETTING = "page_size" if "page_size" in signature(ContinuousBatchingConfig).parameters else "block_size"
"""Its name since transformers 5.19, and before."""
PREFILL_TOKENS = {"cpu": 256, "cuda": 8192}
"""The most tokens of one forward pass."""


def sampler(model: PreTrainedModel, workload: Workload, *, rows: int) -> Callable[[Workload, int], list[int]]:
    """See `ours.sampler`. The manager is kept; the pages it caches are forgotten after each run."""
    device = model.device.type
    if device == "cpu" and not is_psutil_available():
        raise RuntimeError("continuous batching asks psutil how much memory there is: pip install psutil")
    pages = rows * ceil(workload.longest / PAGE[device] + 1)
    batching: Any = model  # its mixin is typed by a protocol that models do not declare
    manager: ContinuousBatchingManager = batching.init_continuous_batching(
        GenerationConfig(
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            max_new_tokens=workload.max_new_tokens,
            eos_token_id=list(workload.end_ids) or -1,
            pad_token_id=0,
            num_return_sequences=workload.rollouts,
        ),
        ContinuousBatchingConfig(
            **{PAGE_SETTING: PAGE[device]},
            max_requests_per_batch=rows,
            num_blocks=pages,
            max_batch_tokens=max(PREFILL_TOKENS[device], rows),
            seed=0,
        ),
    )
    if device == "cuda":
        manager.warmup()
    manager.start()

    def sample(part: Workload, seed: int) -> list[int]:
        prompts = [list(prefix) for prefix in part.prefixes]
        places = {name: place for place, name in enumerate(manager.add_requests(prompts))}
        lengths: list[list[int]] = [[] for _ in prompts]
        for _ in range(part.total_rollouts):
            output = _next_finished(manager)
            parent, _, _ = output.request_id.partition("__child#")
            lengths[places[parent]].append(len(output.generated_tokens))
        if hasattr(manager, "pause"):  # transformers 5.17 cannot: its later runs find their prefixes, which flatters it
            with manager.pause():
                _forget_pages(manager)
        return [length for group in lengths for length in group]

    return sample


def _forget_pages(manager: ContinuousBatchingManager) -> None:
    """The next run must not find this one's prefixes."""
    assert manager.batch_processor is not None, "it has just sampled"
    manager.batch_processor.cache.evict_cached_blocks()


def _next_finished(manager: ContinuousBatchingManager) -> GenerationOutput:
    """Raises RuntimeError where the manager's thread has died, which it would not say by itself."""
    while True:
        output = manager.get_result(timeout=1)
        if output is None and not manager.is_running():
            raise RuntimeError(f"continuous batching stopped: {manager.background_thread_status.fatal_error}")
        if output is not None and output.error is not None:
            raise RuntimeError(f"continuous batching failed: {output.error}")
        if output is not None and output.is_finished():
            return output
