"""Which replica gets which jobs. Pure.

A job whose trunk a replica holds goes there. The others go, the largest first, to whoever has least to do by then
(Graham's rule: the last to finish needs at most 4/3 of the shortest time possible). What turns out uneven all the same
is evened out while it is worked on: whoever has nothing left takes from the others (`vineppo.engines.ray_pool.wave`).
"""

from collections import deque
from collections.abc import Sequence

from vineppo.engines.ray_pool.jobs import Job


def share(jobs: Sequence[Job], replicas: int) -> list[deque[Job]]:
    """One queue a replica, the largest jobs first: small ones are left to fill the end."""
    queues: list[deque[Job]] = [deque() for _ in range(replicas)]
    load = [0] * replicas
    largest_first = sorted(jobs, key=lambda job: -job.tokens)
    for job in [job for job in largest_first if job.home is not None]:
        queues[job.home or 0].append(job)
        load[job.home or 0] += job.tokens
    for job in [job for job in largest_first if job.home is None]:
        least = min(range(replicas), key=load.__getitem__)
        queues[least].append(job)
        load[least] += job.tokens
    return queues
