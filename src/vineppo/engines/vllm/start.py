"""Starting vLLM for a policy: what it is told, and in which cases it is not even tried.

What was measured, and why each setting is what it is: docs/vllm.md.
"""

import gc
import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch
from transformers import PreTrainedModel

from vineppo.engines.agreement import skeleton
from vineppo.engines.stops import Decode
from vineppo.engines.torch.memory import default_memory, token_bytes
from vineppo.engines.vllm.heads import Widening, find_widening
from vineppo.errors import UserError

if TYPE_CHECKING:
    from vineppo.engines.vllm.engine import VllmEngine

PAGE_CPU = 32
"""Tokens of a page. The least that vLLM's kernels take, and a quarter of its default, with which few prefixes of
rollouts are found again."""
STEP_TOKENS_CPU = 4096
"""Of prompts, prefilled in one step."""
MEMORY_CPU = 2**30
"""Bytes for keys and values, at most, where nothing is said: vLLM touches all of them at the start."""
ENVIRONMENT = {
    # One process: further ones would compete for its cores or share its GPU, and weights would have to travel.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    # Runner V2, the default where Triton is, takes other logits processors than `law` has.
    "VLLM_USE_V2_MODEL_RUNNER": "0",
    "VLLM_LOGGING_LEVEL": "ERROR",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What can be chosen; see `vineppo.engines.vllm.settings`."""

    rows: int
    dtype: str
    context: int
    gpu_memory_share: float
    memory_bytes: int | None
    eager: bool | None
    tensor_parallel: int
    sleep: bool


def start_vllm(
    model: PreTrainedModel, *, end_ids: tuple[int, ...], settings: Settings, decode: Decode | None = None
) -> "VllmEngine":
    """An engine with the model's weights. Raises UserError where vLLM is missing or does not take the model.

    decode: token ids of a response to its text, for stop strings.
    """
    if find_spec("vllm") is None:
        raise UserError("engine is vllm, which is not installed; pip install 'vineppo[vllm]', or take engine=torch")
    if torch.distributed.is_initialized() and torch.distributed.get_world_size() > 1:
        raise UserError(
            f"engine is vllm and {torch.distributed.get_world_size()} processes train together, which vLLM inside one "
            "of them does not survive; take engine=torch, or train in one process"
        )
    gc.collect()  # a vLLM that goes later would take along what the new one needs
    for name, value in ENVIRONMENT.items():  # before the import, which reads them
        os.environ.setdefault(name, value)
    from vllm import LLM  # pyright: ignore[reportMissingImports]
    from vllm.platforms import current_platform  # pyright: ignore[reportMissingImports]

    from vineppo.engines.vllm.engine import Model, VllmEngine

    on_cpu = bool(current_platform.is_cpu())
    widening = find_widening(model.config, _head_sizes_cpu()) if on_cpu else None
    dtype = str(model.dtype).removeprefix("torch.") if settings.dtype == "auto" else settings.dtype
    if widening is not None:
        widening.check(dtype)
    special = _cpu(model, settings, widening) if on_cpu else _gpu(settings)
    with TemporaryDirectory() as folder:
        _describe(model, widening, Path(folder))
        try:
            llm = LLM(**_common(folder, dtype, settings), **special)
        except (ValueError, RuntimeError, NotImplementedError) as error:
            raise UserError(
                f"engine vllm cannot be started for {type(model).__name__} ({' '.join(str(error).split())[:300]}); "
                "take engine=torch, or change the settings of engine it complains of"
            ) from error
    return VllmEngine(
        llm,
        model.state_dict(),
        Model(
            skeleton=skeleton(model),
            end_ids=end_ids,
            decode=decode,
            context=settings.context,
            widening=widening,
            in_process=settings.tensor_parallel == 1,
            sleeps=settings.sleep,
            low_precision=dtype != "float32" or model.dtype != torch.float32,
        ),
    )


def _common(folder: str, dtype: str, settings: Settings) -> dict[str, Any]:
    """For vLLM, wherever it runs."""
    return {
        "model": folder,
        "load_format": "dummy",  # the weights come from the policy in memory
        "skip_tokenizer_init": True,
        "dtype": dtype,
        "seed": 0,  # never drawn from: each request has its own
        "max_model_len": settings.context,
        "max_num_seqs": settings.rows,
        "tensor_parallel_size": settings.tensor_parallel,
        "enable_prefix_caching": True,
        "async_scheduling": False,  # `law` must see the tokens written so far
        "logprobs_mode": "processed_logprobs",  # those of the law that was sampled
        "logits_processors": ["vineppo.engines.vllm.law:LeavingLaw"],
        "worker_extension_cls": "vineppo.engines.vllm.worker.WeightUpdates",
    }


def _gpu(settings: Settings) -> dict[str, Any]:
    special: dict[str, Any] = {
        "gpu_memory_utilization": settings.gpu_memory_share,
        "enforce_eager": bool(settings.eager),
        "enable_sleep_mode": settings.sleep,
    }
    return special if settings.memory_bytes is None else special | {"kv_cache_memory_bytes": settings.memory_bytes}


def _cpu(model: PreTrainedModel, settings: Settings, widening: Widening | None) -> dict[str, Any]:
    memory = settings.memory_bytes
    if memory is None:
        wider = 1.0 if widening is None else widening.width / widening.size
        pages = -(-settings.context // PAGE_CPU) * settings.rows
        memory = min(int(pages * PAGE_CPU * token_bytes(model) * wider), MEMORY_CPU, default_memory(model.device))
    return {
        "kv_cache_memory_bytes": memory,
        "block_size": PAGE_CPU,
        "enforce_eager": settings.eager is not False,
        # A prompt with a seed, prefilled in two steps, ends vLLM on the CPU.
        "enable_chunked_prefill": False,
        "max_num_batched_tokens": max(STEP_TOKENS_CPU, settings.context, settings.rows),
    }


def _head_sizes_cpu() -> list[int]:
    """That vLLM's attention takes there."""
    from vllm.v1.attention.backends.cpu_attn import CPUAttentionBackend  # pyright: ignore[reportMissingImports]

    return CPUAttentionBackend.get_supported_head_sizes()


def _describe(model: PreTrainedModel, widening: Widening | None, folder: Path) -> None:
    """A folder with the model's config and nothing else, for vLLM to read."""
    config = type(model.config).from_dict(model.config.to_dict())
    config.update({"architectures": [type(model).__name__]} | ({} if widening is None else widening.config(config)))
    config.save_pretrained(folder)
