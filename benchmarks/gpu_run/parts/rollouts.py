"""Rollouts from shared prefixes: ours, `generate`, continuous batching and vLLM, beside each other and the floor.

What benchmarks/rollouts.py measures at leisure, in one process for all but vLLM.
"""

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from transformers import PreTrainedModel

from gpu_run.assignment import Assignment
from gpu_run.results import Cell, Sheet, failure
from rollout_speed import memory
from rollout_speed.contenders import continuous, generate, ours
from rollout_speed.floor import floor
from rollout_speed.jobs import Measure, Prepare
from rollout_speed.launch import ChildFailed, run
from rollout_speed.measure import Sample, model_shape
from rollout_speed.models import make_model
from rollout_speed.names import Contender, Model, Setting, Size, Variant
from rollout_speed.prepare import random_workload
from rollout_speed.results import Measurement, Roofs
from rollout_speed.roofs import measure_roofs
from rollout_speed.workload import Workload

TITLE, ROOFS = "Rollouts of exactly so many tokens, from states of trajectories", "Roofs, measured"
SIZE = {
    "cuda": Size(trajectories=48, length=150, states=10, rollouts=9, new_tokens=64),
    "cpu": Size(trajectories=3, length=32, states=2, rollouts=3, new_tokens=8),
}
ROWS = {
    "cuda": {
        Contender.OURS: (4320,),
        Contender.OURS_PLAIN: (4320,),
        Contender.GENERATE: (540, 2160),
        Contender.CONTINUOUS: (1080, 270),
    },
    "cpu": {Contender.OURS: (18,), Contender.GENERATE: (18,), Contender.CONTINUOUS: (9,)},
}
"""Rows side by side that are tried, with as many trajectories as fill them: nobody decodes a few rows left over."""
REHEARSALS = {Contender.OURS: 3}
"""On a GPU: memory grows, passes warm up, then they are recorded. In training that is once, too. Others have one."""
MIB = 2**20


@dataclass(frozen=True, kw_only=True, slots=True)
class Pass:
    """One sampling of a part of the workload."""

    workload: Workload
    lengths: list[int]
    seconds: float
    peak_bytes: int

    @property
    def rate(self) -> float:
        """Decoded tokens per second."""
        return sum(self.lengths) / self.seconds


SHARES = {Contender.OURS: 4, Contender.OURS_PLAIN: 1, Contender.CONTINUOUS: 2, Contender.VLLM: 4}
"""Of the time, by the first contender of a round."""


def measure(assignment: Assignment, sheet: Sheet) -> None:
    """Ours and `generate` of all sizes first: their ratio is what matters most."""
    deadline = time.monotonic() + assignment.left - 2
    roofs = measure_roofs(assignment.place)
    sheet.put(ROOFS, {"device": roofs.device, "GB/s copied": roofs.bandwidth / 1e9, "Tflop/s": roofs.speed / 1e12})
    rounds = [(Contender.OURS, Contender.GENERATE), (Contender.CONTINUOUS,)]
    if assignment.on_gpu:
        rounds.insert(1, (Contender.OURS_PLAIN,))
    if assignment.vllm_python is not None:
        rounds.append((Contender.VLLM,))
    todo = [(size, contenders) for contenders in rounds for size in assignment.sizes]
    for place, (size, contenders) in enumerate(todo):
        to_come = sum(SHARES[first] for _, (first, *_) in todo[place:])
        seconds = (deadline - time.monotonic()) * SHARES[contenders[0]] / to_come
        if contenders == (Contender.VLLM,):
            ask_vllm(assignment, size, sheet, roofs, seconds=seconds)
        else:
            compare(assignment, size, contenders, sheet, roofs, seconds=seconds)
    if assignment.vllm_python is None:
        sheet.note(TITLE, "vLLM: not run, it is not installed.")


def compare(
    assignment: Assignment,
    size: Model,
    contenders: tuple[Contender, ...],
    sheet: Sheet,
    roofs: Roofs,
    *,
    seconds: float,
) -> None:
    """With one model, one after the other."""
    model = make_model(size, assignment.place)
    workload = random_workload(model, Variant.FIXED, SIZE[assignment.device])
    deadline = time.monotonic() + seconds
    for place, contender in enumerate(contenders):
        left = (deadline - time.monotonic()) / (len(contenders) - place)
        try:
            best, rows = best_pass(contender, model, workload, assignment, seconds=left)
        except Exception as error:  # out of memory, or a library's own trouble: the other contenders still run
            sheet.put(TITLE, {"model": size, "contender": contender.label, "outcome": failure(error)}, keys=2)
        else:
            sheet.put(TITLE, row(size, contender, rows, best, model_floor(model, best, roofs)), keys=2)
        release(assignment)
    put_ratios(sheet, size)


def best_pass(
    contender: Contender, model: PreTrainedModel, workload: Workload, assignment: Assignment, *, seconds: float
) -> tuple[Pass, int]:
    """With the rows that are fastest, of those there is time for."""
    began, passes = time.monotonic(), dict[int, Pass]()
    rehearsals = REHEARSALS.get(contender, 1) if assignment.on_gpu else 0
    for rows in ROWS[assignment.device][contender]:
        sample = make_sampler(contender)(model, workload, rows=rows)
        part = workload.first(-(-rows // each_trajectory(workload)))
        sample(workload.first(1), 0)
        for seed in range(rehearsals):
            sample(part, 2 + seed)
        passes[rows] = one_pass(sample, part, 1, assignment)
        if time.monotonic() - began > seconds / 2:
            break
    rows = max(passes, key=lambda rows: passes[rows].rate)
    return passes[rows], rows


def each_trajectory(workload: Workload) -> int:
    """Rollouts of one."""
    return len(workload.states[0]) * workload.rollouts


def make_sampler(contender: Contender) -> Callable[..., Sample]:
    """From a model, the workload and rows to a function that samples."""
    match contender:
        case Contender.OURS:
            return ours.sampler
        case Contender.OURS_PLAIN:
            return partial(ours.sampler, compiled=False)
        case Contender.GENERATE:
            return generate.sampler
        case Contender.CONTINUOUS:
            return continuous.sampler
        case Contender.VLLM | Contender.VLLM_COMPILED:
            raise ValueError("vLLM has an environment, and so a process, of its own")


def one_pass(sample: Sample, workload: Workload, seed: int, assignment: Assignment) -> Pass:
    """Timed, and checked to be what was asked for."""
    memory.reset_peak(assignment.device)
    before, began = memory.held(assignment.device), time.perf_counter()
    lengths = sample(workload, seed)
    if assignment.on_gpu:
        torch.cuda.synchronize()
    seconds = time.perf_counter() - began
    workload.check(lengths)
    peak = memory.peak(assignment.device) - before
    return Pass(workload=workload, lengths=lengths, seconds=seconds, peak_bytes=peak)


def model_floor(model: PreTrainedModel, found: Pass, roofs: Roofs) -> float:
    """The seconds that no engine can go below, over those taken."""
    shape = model_shape(model.config.get_text_config(), value_bytes=model.dtype.itemsize)
    return roofs.seconds(floor(shape, found.workload, found.lengths)) / found.seconds


def row(size: Model, contender: Contender, rows: int, best: Pass, share: float) -> dict[str, Cell]:
    """For the table."""
    return {
        "model": size,
        "contender": contender.label,
        "rows": rows,
        "rollouts": len(best.lengths),
        "tokens/s": best.rate,
        "ours is": None,
        "peak MiB": best.peak_bytes / MIB,
        "of the floor": share,
        "outcome": "measured",
    }


def put_ratios(sheet: Sheet, size: Model) -> None:
    """Our speed over theirs."""
    rows = {str(own["contender"]): own for own in sheet.rows(TITLE) if own["model"] == size}
    rate = rows.get(Contender.OURS.label, {}).get("tokens/s")
    for own in rows.values():
        theirs = own.get("tokens/s")
        if isinstance(rate, float) and isinstance(theirs, float):
            sheet.put(TITLE, {**own, "ours is": rate / theirs}, keys=2)


def release(assignment: Assignment) -> None:
    """What the last contender held."""
    gc.collect()
    if assignment.on_gpu:
        torch.cuda.empty_cache()


def ask_vllm(assignment: Assignment, size: Model, sheet: Sheet, roofs: Roofs, *, seconds: float) -> None:
    """In its own interpreter, as benchmarks/rollouts.py asks it."""
    contender, place = Contender.VLLM, assignment.place
    missing = {"model": size, "contender": contender.label}
    assert assignment.vllm_python is not None, "it was not asked for otherwise"
    stage, began = assignment.work / "stages" / size, time.monotonic()
    setting = Setting(threads=torch.get_num_threads(), rows=SIZE[assignment.device].trajectories * 16)
    prepare = Prepare(stage=stage, model=size, variant=Variant.FIXED, size=SIZE[assignment.device], place=place)
    job = Measure(
        stage=stage,
        contender=contender,
        place=place,
        setting=setting,
        trajectories=SIZE[assignment.device].trajectories,
        repeats=1,
        seconds=seconds,
    )
    log = assignment.work / "vllm.log"
    try:
        from rollout_speed.prepare import prepare as do_prepare

        do_prepare(prepare)
        release(assignment)
        left = max(1.0, seconds - (time.monotonic() - began))
        output = run(job, python=assignment.vllm_python, threads=setting.threads, log=log, seconds=left)
    except ChildFailed as error:
        sheet.put(TITLE, {**missing, "outcome": f"failed: {error}"}, keys=2)
        return
    put_measurement(sheet, missing, setting, output, roofs)
    put_ratios(sheet, size)


def put_measurement(sheet: Sheet, start: dict[str, Cell], setting: Setting, output: bytes, roofs: Roofs) -> None:
    """What the other interpreter sent."""
    from pydantic import TypeAdapter

    found = TypeAdapter(Measurement).validate_json(output)
    sheet.put(
        TITLE,
        {
            **start,
            "rows": setting.rows,
            "rollouts": None,
            "tokens/s": max(found.rates),
            "ours is": None,
            "peak MiB": found.peak_bytes / MIB,
            "of the floor": found.share_of_floor(roofs),
            "outcome": "measured",
        },
        keys=2,
    )
