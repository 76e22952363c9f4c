"""An engine that is several: N replicas of any engine, as actors on a Ray cluster.

    requests -> jobs           what shares a trunk stays together                            jobs.py
    jobs     -> replicas       to where the trunk is held, else to who has least to do       homes.py shares.py
    pieces   -> answers        shrinking pieces; what a dead replica had taken is repeated   wave.py serve.py
    replicas                   started, given weights, watched, replaced                     crew.py replica.py

A continuation depends on its seed alone, so neither the number of replicas nor their deaths show in the answers (but
for rounding, as with any change of the batch).
"""

import weakref
from collections.abc import Sequence

from vineppo.engines.ray_pool.cluster import Lease, check_room
from vineppo.engines.ray_pool.crew import RayCrew
from vineppo.engines.ray_pool.homes import Homes
from vineppo.engines.ray_pool.jobs import make_jobs
from vineppo.engines.ray_pool.replica import MakeEngine, Weights
from vineppo.engines.ray_pool.serve import serve
from vineppo.engines.ray_pool.wave import SMALLEST, Group, Wave
from vineppo.seams import Progress
from vineppo.types import Request, Sampling


class RayPool:
    """Samples with several processes. Close it when done; the interpreter's end closes it too."""

    def __init__(
        self,
        make: MakeEngine,
        weights: Weights,
        *,
        replicas: int,
        address: str | None = None,
        timeout: float = 600.0,
        cpus: float = 1.0,
        gpus: float = 0.0,
        smallest: int = SMALLEST,
    ):
        """make: makes an engine in a replica's process, from these first weights. address: of a Ray cluster; None: one
        on this machine. timeout: seconds that a replica may give no sign of progress. cpus, gpus: of each replica.
        smallest: continuations handed out together, at least.

        Returns once all have started. Raises UserError where they cannot, with what an engine itself complains of.
        """
        lease = Lease(address)
        check_room(replicas, cpus=cpus, gpus=gpus)
        self._crew = RayCrew(make, replicas=replicas, timeout=timeout, cpus=cpus, gpus=gpus)
        self.close = weakref.finalize(self, end, self._crew, lease)
        """Ends all processes. May be called more than once."""
        self._replicas, self._smallest = replicas, smallest
        self._homes = Homes()
        self._policy_version = 0
        try:
            self._crew.broadcast(weights, 0)
            self._crew.settle()
        except BaseException:
            self.close()
            raise

    @property
    def policy_version(self) -> int:
        """Of the weights that sample now."""
        return self._policy_version

    @property
    def memory_bytes(self) -> int | None:
        """The least that a replica may hold."""
        return self._crew.memory_bytes

    @property
    def processes(self) -> dict[int, int]:
        """By replica, the id of its process; those that are being started have none."""
        return self._crew.processes

    @property
    def deaths(self) -> int:
        """How often a replica was replaced."""
        return self._crew.deaths

    def load_weights(self, state: Weights, *, policy_version: int) -> None:
        """Hand the weights to all replicas, which drop what they hold. They travel once to each machine."""
        self._homes.clear()
        self._crew.broadcast(state, policy_version)
        self._policy_version = policy_version

    def sleep(self) -> None:
        """Nothing: replicas have processors and GPUs of their own, which the learner does not wait for."""

    def sample(
        self, requests: Sequence[Request], sampling: Sampling, *, progress: Progress | None = None
    ) -> list[Group]:
        """Sample all requests. Raises UserError where a replica is silent for too long, or requests kill replicas."""
        self._crew.gather()
        jobs = make_jobs(requests, sampling, self._homes)
        wave = Wave(requests, jobs, self._replicas, smallest=self._smallest)
        try:
            serve(wave, self._crew, requests, sampling, progress=progress)
        except BaseException:
            self._crew.abandon()
            self._homes.clear()
            raise
        groups = wave.groups
        self._check_versions(groups)
        self._remember(wave, requests, groups)
        return groups

    def _check_versions(self, groups: Sequence[Group]) -> None:
        versions = {completion.policy_version for group in groups for completion in group}
        if versions - {self._policy_version}:
            raise RuntimeError(f"replicas sampled with policy versions {versions}, not with {self._policy_version}")

    def _remember(self, wave: Wave, requests: Sequence[Request], groups: Sequence[Group]) -> None:
        """Who holds the trajectories that rollouts will branch off."""
        for replica in wave.died:
            self._homes.forget(replica)
        for index, replica in wave.holders.items():
            if requests[index].branches:
                for completion in groups[index]:
                    self._homes.add(requests[index].prefix + completion.token_ids[:-1], replica)


def end(crew: RayCrew, lease: Lease) -> None:
    """All processes, and the cluster where nobody else uses it."""
    crew.close()
    lease.give_back()
