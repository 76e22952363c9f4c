"""Which Python, packages and devices there are."""

import os
import platform
from importlib.metadata import PackageNotFoundError, requires, version

import torch
from packaging.requirements import Requirement

from vineppo.config.schema import Config
from vineppo.doctor.finding import Finding, Verdict
from vineppo.errors import UserError
from vineppo.policy import pick_device

SHOWN = ("torch", "transformers", "pydantic", "numpy", "datasets")


def check_versions() -> Finding:
    """Every required package, in a version that pyproject.toml allows."""
    wrong = [problem for text in requires("vineppo") or [] if (problem := unmet(Requirement(text)))]
    there = ", ".join(f"{name} {version(name)}" for name in SHOWN)
    found = f"python {platform.python_version()}, {there}"
    if wrong:
        names = "; ".join(wrong)
        return Finding(check="versions", verdict=Verdict.FAIL, found=f"{found}; {names}", remedy="pip install vineppo")
    return Finding(check="versions", verdict=Verdict.OK, found=found)


def unmet(requirement: Requirement) -> str | None:
    """What is wrong with a requirement; None where it is met, or belongs to an extra that was not asked for."""
    if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
        return None
    try:
        there = version(requirement.name)
    except PackageNotFoundError:
        return f"{requirement.name} is missing"
    if requirement.specifier.contains(there, prereleases=True):
        return None
    return f"{requirement.name} {there} is not {requirement.specifier}"


def check_devices(config: Config) -> Finding:
    """Where the policy will live."""
    try:
        device = pick_device(config.policy.device)
    except UserError as error:
        return Finding(check="devices", verdict=Verdict.FAIL, found=str(error), remedy="set policy.device=auto")
    cores, threads = usable_cores(), torch.get_num_threads()
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    found = f"policy on {device}; {', '.join(gpus) or 'no GPU'}; {cores} processor cores, {threads} threads"
    if threads > cores:
        remedy = f"set OMP_NUM_THREADS={cores}"
        return Finding(check="devices", verdict=Verdict.WARN, found=f"{found}: more threads than cores", remedy=remedy)
    if gpus and device.type == "cpu":
        remedy = "set policy.device=auto"
        return Finding(check="devices", verdict=Verdict.WARN, found=f"{found}: the GPU idles", remedy=remedy)
    return Finding(check="devices", verdict=Verdict.OK, found=found)


def usable_cores() -> int:
    """Those this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
