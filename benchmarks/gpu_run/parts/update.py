"""How fast the policy update is: tokens per second, and which share of the roof for arithmetic it uses.

Model FLOPs: a forward pass costs 2 operations a weight and token (the output embedding's for response tokens alone) and
4 L H D for each pair of tokens that meet in attention; the backward pass costs twice that. Recomputing is not counted,
as it does not serve the model, so gradient checkpointing lowers the share.
"""

import gc
import random
import time
from argparse import Namespace
from collections.abc import Sequence

import torch

from gpu_run.assignment import Assignment
from gpu_run.results import Cell, Sheet, failure
from rollout_speed import memory
from rollout_speed.floor import Shape
from rollout_speed.measure import model_shape
from rollout_speed.models import make_model
from rollout_speed.names import Model, Place
from rollout_speed.roofs import measure_roofs
from update import make_workload, our_update
from update import measure as measure_update
from vineppo.learner.learner import Learner
from vineppo.learner.logprobs import TokenLogprobs
from vineppo.learner.packs import count_nodes
from vineppo.learner.recompute import enable_recompute
from vineppo.policy import DTYPES
from vineppo.settings.learner import LearnerConfig
from vineppo.types import Sample

TITLE = "One update of the policy: forward, backward and AdamW"
SHARED = "One update of samples that share prefixes: as rows, and in packs of token trees"
PACKED = {
    "cuda": {"questions": 4, "trajectories": 4, "branches": 20, "response": 300},
    "cpu": {"questions": 1, "trajectories": 2, "branches": 4, "response": 30},
}
COUNT, MICRO_BATCH = {"cuda": 64, "cpu": 4}, {"cuda": 8, "cpu": 2}
LARGER = {"cuda": 32, "cpu": 4}
"""Micro-batches: launching the kernels of a small one takes longer than running them."""
PROMPT, RESPONSES = {"cuda": 100, "cpu": 10}, {"cuda": (60, 500), "cpu": (6, 30)}
"""Tokens; responses are evenly spread between the two."""
REPEATS = {"cuda": 3, "cpu": 2}
"""Of which the first does not count."""
GIB = 2**30


def measure(assignment: Assignment, sheet: Sheet) -> None:
    """Small models first; ragged samples are what training has."""
    speed = measure_roofs(assignment.place).speed
    sheet.note(TITLE, f"The roof: {speed / 1e12:.3g} Tflop/s in a large matrix product, in {assignment.place.dtype}.")
    small, large = MICRO_BATCH[assignment.device], LARGER[assignment.device]
    for size in assignment.sizes:
        for ragged, recompute, rows in (
            (True, False, small),
            (True, False, large),
            (True, True, large),
            (False, False, large),
        ):
            samples = "ragged" if ragged else "of one length"
            named = {"model": size, "samples": samples, "rows": rows, "checkpointing": "on" if recompute else "off"}
            try:
                found = one_case(assignment, size, ragged=ragged, recompute=recompute, rows=rows, speed=speed)
            except torch.cuda.OutOfMemoryError as error:
                found = {"outcome": failure(error)}
            sheet.put(TITLE, {**named, **found}, keys=4)
            release(assignment)
        compare_packs(assignment, size, sheet)


def compare_packs(assignment: Assignment, size: Model, sheet: Sheet) -> None:
    """What benchmarks/update.py measures: trajectories of a question and branches that leave them, in one update."""
    device = assignment.device
    asked = Namespace(**PACKED[device], micro_batch=MICRO_BATCH[device], dtype=assignment.place.dtype)
    seconds: dict[str, float] = {}
    for way in ("rows", "packs"):
        row: dict[str, Cell] = {"model": size, "way": way}
        try:
            model = make_model(size, Place(device=device, dtype="float32"))
            work = make_workload(asked, prompt=PROMPT[device], vocabulary=model.config.get_text_config().vocab_size)
            update = our_update(model, asked, packed=way == "packs")
            found = measure_update(update, work, device=device, repeats=REPEATS[device] - 1)
        except torch.cuda.OutOfMemoryError as error:
            sheet.put(SHARED, {**row, "outcome": failure(error)}, keys=2)
        else:
            seconds[way] = found.seconds
            given = sum(len(sample.token_ids) for sample in work.samples)
            row |= {"tokens": given, "distinct": count_nodes(work.samples), "tokens/s": given / found.seconds}
            row |= {"speed-up": seconds.get("rows", found.seconds) / found.seconds, "more GiB": found.bytes / GIB}
            sheet.put(SHARED, {**row, "outcome": "measured"}, keys=2)
        model = update = None
        release(assignment)


def one_case(
    assignment: Assignment, size: Model, *, ragged: bool, recompute: bool, rows: int, speed: float
) -> dict[str, Cell]:
    """Weights in float32, computed in the place's precision, as in training."""
    model = make_model(size, Place(device=assignment.device, dtype="float32"))
    shape = model_shape(model.config.get_text_config(), value_bytes=4)
    if recompute:
        enable_recompute(model)
    dtype = DTYPES[assignment.place.dtype]
    scorer = TokenLogprobs(model, temperature=1.0, chunk=1024, dtype=dtype, recompute=recompute)
    samples = make_samples(assignment, model.config.get_text_config().vocab_size, ragged=ragged)
    count = len(samples)
    settings = LearnerConfig(minibatch=count, micro_batch=rows, epochs=1, kl_coefficient=0)
    learner = Learner(scorer, None, settings, updates=100)
    memory.reset_peak(assignment.device)
    times = []
    for repeat in range(REPEATS[assignment.device]):
        began = time.perf_counter()
        learner.update(samples, seed=repeat)
        if assignment.on_gpu:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    seconds = min(times[1:])
    tokens = sum(len(sample.token_ids) for sample in samples)
    return {
        "tokens": tokens,
        "tokens/s": tokens / seconds,
        "model Tflop": operations(shape, samples) / 1e12,
        "of the roof": operations(shape, samples) / seconds / speed,
        "peak GiB": memory.peak(assignment.device) / GIB,
        "outcome": "measured",
    }


def make_samples(assignment: Assignment, vocabulary: int, *, ragged: bool) -> list[Sample]:
    """As many tokens in all, whether their lengths differ or not."""
    device, rng = assignment.device, random.Random(0)
    shortest, longest = RESPONSES[device]
    count, prompt = COUNT[device], PROMPT[device]
    lengths = [shortest + round((longest - shortest) * place / (count - 1)) for place in range(count)]
    if not ragged:
        lengths = [sum(lengths) // count] * count
    rng.shuffle(lengths)
    return [
        Sample(
            token_ids=tuple(rng.randrange(vocabulary) for _ in range(prompt + length)),
            prompt_length=prompt,
            logprobs=(0.0,) * length,
            advantages=tuple(rng.gauss(0, 1) for _ in range(length)),
        )
        for length in lengths
    ]


def operations(shape: Shape, samples: Sequence[Sample]) -> int:
    """Of forward and backward passes, without padding and recomputing."""
    tokens = sum(len(sample.token_ids) for sample in samples)
    responses = sum(len(sample.advantages) for sample in samples)
    pairs = sum(len(sample.token_ids) * (len(sample.token_ids) + 1) // 2 for sample in samples)
    forward = 2 * shape.layer_weights * tokens + 2 * shape.output_weights * responses + shape.attention * pairs
    return 3 * forward


def release(assignment: Assignment) -> None:
    """The last model and its optimizer."""
    gc.collect()
    if assignment.on_gpu:
        torch.cuda.empty_cache()
