"""vLLM, in its own virtual environment (`make vllm-venv`), in the setting that was best on this workload.

Pages of 32 tokens, the fewest its CPU kernels take: with the default of 128 hardly any prefix is found again, and it
runs at the speed of no prefix cache. In this process, because its two further ones would compete for the same cores.
No log-probs, no detokenising: both would slow it down.
"""

import os
from collections.abc import Callable
from typing import Any

# Before vllm is imported, which reads them then.
os.environ.update(VLLM_ENABLE_V1_MULTIPROCESSING="0", HF_HUB_OFFLINE="1", VLLM_LOGGING_LEVEL="ERROR")

from vllm import LLM, SamplingParams

from rollout_speed.names import Place, Stage
from rollout_speed.workload import Workload

PAGE = 32


def kept_bytes(workload: Workload, *, rows: int, token_bytes: int) -> int:
    """Memory for keys and values: all rows side by side at their full length, though prefixes are shared."""
    pages = -(-workload.longest // PAGE) + 1
    return rows * pages * PAGE * token_bytes


def sampler(
    stage: Stage, workload: Workload, place: Place, *, rows: int, kept: int, compiled: bool
) -> Callable[[Workload, int], list[int]]:
    """See `ours.sampler`."""
    dtype: Any = place.dtype
    llm = LLM(
        model=str(stage.model),
        dtype=dtype,
        skip_tokenizer_init=True,
        enforce_eager=not compiled,
        max_model_len=-(-workload.longest // PAGE) * PAGE,
        max_num_seqs=rows,
        block_size=PAGE,
        enable_prefix_caching=True,
        kv_cache_memory_bytes=kept,
        seed=0,
    )

    def sample(part: Workload, seed: int) -> list[int]:
        law = SamplingParams(
            n=part.rollouts,
            temperature=1.0,
            max_tokens=part.max_new_tokens,
            ignore_eos=not part.end_ids,
            stop_token_ids=list(part.end_ids) or None,
            detokenize=False,
        )
        prompts: Any = [{"prompt_token_ids": list(prefix)} for prefix in part.prefixes]
        outputs = llm.generate(prompts, law, use_tqdm=False)
        if not llm.reset_prefix_cache():
            raise RuntimeError("vLLM keeps its prefix cache: the next run would find every prefix in it")
        return [len(completion.token_ids) for output in outputs for completion in output.outputs]

    return sample
