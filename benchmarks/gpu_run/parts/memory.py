"""The memory forecast beside the peak that was measured, phase by phase: weights whole and adapters."""

import gc
import random
from collections.abc import Callable
from pathlib import Path

import torch

from gpu_run.assignment import Assignment
from gpu_run.launch import ROOT
from gpu_run.results import Sheet, failure
from gpu_run.staged import staged_model
from rollout_speed import memory
from vineppo.config.load import load_config
from vineppo.config.memory.forecast import forecast_memory
from vineppo.config.schema import Config
from vineppo.learner.learner import Learner
from vineppo.policy import load_policy
from vineppo.recipes.build import build_workshop
from vineppo.settings.memory import MemoryForecast, Phase, Place
from vineppo.settings.model_shape import find_shape
from vineppo.types import Request, Sample, Sampling

TITLE = "Peak memory, forecast and measured"
PROMPT, RESPONSE = {"cuda": 100, "cpu": 10}, {"cuda": 412, "cpu": 54}
KINDS = {"whole": (), "LoRA": ("learner.lora.rank=16",)}
COUNT, ROWS = {"cuda": 16, "cpu": 4}, {"cuda": 8, "cpu": 2}
GIB = 2**30
ENGINE_GIB = {"cuda": 0.25, "cpu": 0.05}
"""Set, not a share of what is free, so that it can be forecast."""


def measure(assignment: Assignment, sheet: Sheet) -> None:
    """Every kind of every size."""
    if not assignment.on_gpu:
        sheet.note(TITLE, "On a CPU: resident memory, libraries' buffers and all. Such models are too small for it.")
    for size in assignment.sizes:
        folder = staged_model(assignment, size)
        release(assignment)
        for kind, words in KINDS.items():
            try:
                one_case(assignment, sheet, (size, kind), settings(assignment, folder, words))
            except Exception as error:  # out of memory, or peft missing: the other cases still count
                sheet.put(TITLE, {"model": size, "learns": kind, "during": "all", "outcome": failure(error)}, keys=3)
            release(assignment)


def settings(assignment: Assignment, folder: Path, words: tuple[str, ...]) -> Config:
    """GRPO, with a KL to a copy of the starting policy."""
    device = assignment.device
    return load_config(
        ROOT / "configs/arithmetic.yaml",
        [
            f"policy.path={folder}",
            f"policy.device={device}",
            f"policy.dtype={assignment.place.dtype}",
            "credit=grpo",
            f"sampling.max_new_tokens={RESPONSE[device]}",
            f"engine.memory_gib={ENGINE_GIB[device]}",
            "engine.rows=64",
            f"learner.minibatch={COUNT[device]}",
            f"learner.micro_batch={ROWS[device]}",
            "learner.epochs=1",
            "learner.kl_coefficient=1e-4",
            *words,
        ],
    )


def one_case(assignment: Assignment, sheet: Sheet, name: tuple[str, str], config: Config) -> None:
    """Build what a run builds; AdamW's moments come with the first update, then sample and update as a run does."""
    device = assignment.device
    shape = find_shape(config.policy.path)
    if isinstance(shape, str):
        raise ValueError(f"no forecast for {config.policy.path}: {shape}")
    forecast = forecast_memory(config, shape, Place(gpu=assignment.on_gpu), prompt=PROMPT[device])
    memory.reset_peak(device)
    before = memory.held(device)
    policy = load_policy(config.policy.path, device=device)
    shop = build_workshop(config)
    engine = config.engine.build(shop.sampled(policy))
    frozen, trained = shop.frozen(policy), shop.trained(policy)
    reference = shop.reference(frozen, trained)
    learner = Learner(trained.scorer, reference, config.learner, updates=2)

    def peak_of(work: Callable[[], object]) -> int:
        memory.reset_peak(device)
        work()
        return memory.peak(device) - before

    prompts = random_prompts(shape.vocabulary, PROMPT[device], count=COUNT[device])
    samples = random_samples(prompts, shape.vocabulary, RESPONSE[device])
    learner.update(samples, seed=0)
    requests = [Request(prefix=prompt, count=1, seed=0) for prompt in prompts]
    peak = peak_of(lambda: engine.sample(requests, Sampling(max_new_tokens=config.sampling.max_new_tokens)))
    put(sheet, name, forecast, ("sample",), peak)
    peak = peak_of(lambda: learner.update(samples, seed=1))
    put(sheet, name, forecast, ("score", "backward", "step"), peak)


def put(sheet: Sheet, name: tuple[str, str], forecast: MemoryForecast, phases: tuple[Phase, ...], peak: int) -> None:
    """One row."""
    foreseen = max(map(forecast.during, phases))
    size, kind = name
    row = {
        "model": size,
        "learns": kind,
        "during": " and ".join(phases) if len(phases) == 1 else "update",
        "forecast GiB": foreseen / GIB,
        "measured GiB": peak / GIB,
        "measured / forecast": peak / foreseen,
        "outcome": "measured",
    }
    sheet.put(TITLE, row, keys=3)


def random_prompts(vocabulary: int, length: int, *, count: int) -> list[tuple[int, ...]]:
    """Of random tokens."""
    rng = random.Random(0)
    return [tuple(rng.randrange(vocabulary) for _ in range(length)) for _ in range(count)]


def random_samples(prompts: list[tuple[int, ...]], vocabulary: int, length: int) -> list[Sample]:
    """Of the longest response each, so that every micro-batch is the longest."""
    rng = random.Random(1)
    return [
        Sample(
            token_ids=prompt + tuple(rng.randrange(vocabulary) for _ in range(length)),
            prompt_length=len(prompt),
            logprobs=(0.0,) * length,
            advantages=tuple(rng.gauss(0, 1) for _ in range(length)),
        )
        for prompt in prompts
    ]


def release(assignment: Assignment) -> None:
    """All of the last case."""
    gc.collect()
    if assignment.on_gpu:
        torch.cuda.empty_cache()
