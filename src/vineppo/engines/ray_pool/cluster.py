"""The Ray cluster: one that is named, or one on this machine that lives as long as somebody uses it."""

import os
import signal
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from vineppo.errors import UserError

try:
    import ray
except ImportError as error:
    raise UserError(
        "engine.pool.replicas needs Ray, which is not installed; install it with pip install 'vineppo[ray]', "
        "or set engine.pool.replicas=0 for one engine in this process"
    ) from error

_leases: set[int] = set()
"""Pools that use a cluster this module connected to: the last one out turns off the light."""


class Lease:
    """The right to use the cluster; Ray is shut down when all are given back."""

    def __init__(self, address: str | None):
        """address: of a running cluster; None: one on this machine. Raises UserError where none can be reached."""
        if not ray.is_initialized():
            connect(address)
            _leases.add(0)
        _leases.add(id(self))
        self.give_back = weakref.finalize(self, give_back, id(self))
        """May be called more than once; called by itself when nobody holds the lease, and at the interpreter's end."""


def connect(address: str | None) -> None:
    """To a cluster. Ray tells nobody that it is used, and leaves the handling of signals as it was."""
    local = address is None
    try:
        with signals_kept(), environment_for_replicas():
            ray.init(
                address="local" if address is None else address,
                num_cpus=len(os.sched_getaffinity(0)) if local and hasattr(os, "sched_getaffinity") else None,
                include_dashboard=False if local else None,
                configure_logging=False,
                log_to_driver=False,
            )
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise UserError(
            f"engine.pool.address is {address!r}, where no Ray cluster can be reached "
            f"({' '.join(str(error).split())[:200]}); start one with `ray start --head` and give its address, e.g. "
            "auto or 10.0.0.1:6379, or leave engine.pool.address away for one on this machine"
        ) from error


def give_back(lease: int) -> None:
    """The last one shuts down what `connect` connected to."""
    _leases.discard(lease)
    if _leases == {0}:
        _leases.clear()
        ray.shutdown()


@contextmanager
def environment_for_replicas() -> Iterator[None]:
    """What the processes of a cluster that starts now inherit: this process's modules, and no wish to phone home."""
    changed = {"RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": os.pathsep.join(sys.path)}
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def signals_kept() -> Iterator[None]:
    """Ray takes over SIGTERM, to shut down; whoever had it gets it back, nobody does not."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if handler is not signal.SIG_DFL:
            signal.signal(signal.SIGTERM, handler)


def check_room(replicas: int, *, cpus: float, gpus: float) -> None:
    """Raise UserError where the cluster could never hold all replicas at once."""
    there = ray.cluster_resources()
    for name, each in (("CPU", cpus), ("GPU", gpus)):
        if replicas * each > there.get(name, 0) + 1e-9:
            raise UserError(
                f"engine.pool.replicas is {replicas}, each with engine.pool.{name.lower()}s={each:g}, but the cluster "
                f"has {there.get(name, 0):g} {name}s in all; lower one of the two, or enlarge the cluster"
            )
