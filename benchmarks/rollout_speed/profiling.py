"""Where our engine's time goes: by phase (phases.py), and by operator (torch.profiler)."""

import time

from torch.autograd import DeviceType  # pyright: ignore[reportPrivateImportUsage]
from torch.profiler import ProfilerActivity
from torch.profiler import profile as torch_profile

from rollout_speed.contenders import ours
from rollout_speed.jobs import TakeProfile
from rollout_speed.measure import WARM_UP_TRAJECTORIES, load_model
from rollout_speed.names import Stage
from rollout_speed.phases import PhaseClock
from rollout_speed.results import Operator, Profile
from rollout_speed.workload import read_workload

MOST_OPERATORS = 15


def take_profile(job: TakeProfile) -> Profile:
    """Of the workload's first trajectories, after a warm-up."""
    stage = Stage(folder=job.stage)
    workload = read_workload(stage.workload).first(job.trajectories)
    model = load_model(stage, job.place)
    sample = ours.sampler(model, workload, rows=job.setting.rows)
    sample(workload.first(WARM_UP_TRAJECTORIES), 0)
    clock = PhaseClock(model)
    with clock.attached():
        sample(workload, 1)
    cuda = job.place.device == "cuda"
    began = time.perf_counter()
    with torch_profile(activities=[ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * cuda) as watched:
        sample(workload, 2)
        wall = time.perf_counter() - began
    # On a GPU its kernels count, and the operators that launched them are left out: their time is the same time.
    rows = [row for row in watched.key_averages() if (row.device_type == DeviceType.CUDA) == cuda]
    seconds = {row.key: (row.self_device_time_total if cuda else row.self_cpu_time_total) * 1e-6 for row in rows}
    longest = sorted(rows, key=lambda row: seconds[row.key], reverse=True)[:MOST_OPERATORS]
    return Profile(
        phases=dict(sorted(clock.seconds.items(), key=lambda item: -item[1])),
        operators=[Operator(name=row.key, calls=row.count, seconds=seconds[row.key]) for row in longest],
        operators_total=sum(seconds.values()),
        operators_wall=wall,
    )
