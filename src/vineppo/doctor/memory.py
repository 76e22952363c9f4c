"""Will the run fit? The forecast of `vineppo.config.memory`, with the prompts as they are, beside what there is."""

import psutil
import torch

from vineppo.config.memory.forecast import forecast_memory
from vineppo.config.memory.show import render_memory
from vineppo.config.schema import Config
from vineppo.doctor.finding import Finding, Verdict
from vineppo.launch import find_launch
from vineppo.settings.memory import Place, in_words
from vineppo.settings.model_shape import find_shape

SPARE = 0.1
"""Of the memory: fragmentation, and what else runs."""


def check_memory(config: Config, *, prompt: int, device: torch.device) -> tuple[Finding, list[str]]:
    """The verdict, and the table behind it. prompt: tokens of the longest one."""
    shape = find_shape(config.policy.path)
    if isinstance(shape, str):
        return Finding(check="memory", verdict=Verdict.NOT_RUN, found=f"no forecast: {shape}"), []
    launch, there, gpu = find_launch(), device_memory(device), device.type != "cpu"
    place = Place(processes=launch.count, sharded=launch.sharded, gpu=gpu, gpu_bytes=there if gpu else None)
    forecast = forecast_memory(config, shape, place, prompt=prompt)
    return judge_memory(forecast.peak, there, forecast.longest, str(device)), render_memory(forecast)


def judge_memory(needed: int, there: int, longest: int, device: str) -> Finding:
    """Bytes beside bytes."""
    found = f"{in_words(needed)} needed with a sample of {longest:,} tokens, {in_words(there)} on {device}"
    remedy = (
        "lower learner.micro_batch, learner.logprob_chunk, engine.memory_gib or sampling.max_new_tokens, or see "
        "docs/scaling.md: bfloat16, learner.gradient_checkpointing, learner.lora, several GPUs"
    )
    if needed > there:
        return Finding(check="memory", verdict=Verdict.FAIL, found=found, remedy=f"{remedy}, or take a larger device")
    if needed > (1 - SPARE) * there:
        return Finding(check="memory", verdict=Verdict.WARN, found=f"{found}: tight", remedy=remedy)
    return Finding(check="memory", verdict=Verdict.OK, found=found)


def device_memory(device: torch.device) -> int:
    """All of it, in bytes."""
    if device.type == "cuda":
        _, total = torch.cuda.mem_get_info(device)
        return total
    return psutil.virtual_memory().total
