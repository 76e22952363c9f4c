"""One call of `sample`, spread over replicas that may die: what waits, what is outstanding, what is answered. Pure.

Three rules.
(1) Pieces shrink: a replica takes half of what waits for it at a time, so engines get large batches first, and the end
    comes for all at about the same time (guided self-scheduling). Who has nothing left takes from who has most.
(2) What a dead replica had taken waits again, and is answered by whoever takes it next: a continuation depends on its
    seed alone, so nobody can tell from the answers that there was a death.
(3) A job that was lost once is handed out on its own from then on, as the loss may have been a neighbour's fault. One
    that is lost `ATTEMPTS` times more kills whoever takes it, and the wave ends with an error.
"""

from collections import Counter, deque
from collections.abc import Sequence

from vineppo.engines.ray_pool.jobs import Job
from vineppo.engines.ray_pool.shares import share
from vineppo.errors import UserError
from vineppo.types import Completion, Request

Group = tuple[Completion, ...]

ATTEMPTS = 3
SMALLEST = 256
"""Continuations of one piece, at least: a smaller one would leave an engine half empty."""


class Wave:
    """Hands out jobs and takes answers. Every request is answered exactly once, or `lose` raises UserError."""

    def __init__(self, requests: Sequence[Request], jobs: Sequence[Job], replicas: int, *, smallest: int = SMALLEST):
        self._requests = requests
        self._queues = share(jobs, replicas)
        self._taken: dict[int, list[Job]] = {}
        self._advanced: dict[int, int] = {}
        self._groups: dict[int, Group] = {}
        self._lost: Counter[Job] = Counter()
        self._smallest = smallest
        self.holders: dict[int, int] = {}
        """By request, the replica that answered it and has not died since."""
        self.died: set[int] = set()
        """Replicas that died at some time."""

    @property
    def finished(self) -> bool:
        """Whether every request is answered."""
        return len(self._groups) == len(self._requests)

    @property
    def sequences(self) -> int:
        """Asked for."""
        return sum(request.count for request in self._requests)

    @property
    def sequences_done(self) -> int:
        """Answered, or finished by a replica that is still at others of its piece."""
        return sum(map(len, self._groups.values())) + sum(self._advanced.values())

    @property
    def groups(self) -> list[Group]:
        """The answers, in the order of the requests, once finished."""
        return [self._groups[index] for index in range(len(self._requests))]

    def take(self, replica: int) -> list[Job]:
        """The next piece for a replica that has nothing to do; empty where nothing waits."""
        assert replica not in self._taken, f"replica {replica} has not answered yet"
        own = self._queues[replica]
        piece = self._cut(own or max(self._queues, key=lambda queue: sum(job.tokens for job in queue)))
        if piece:
            self._taken[replica], self._advanced[replica] = piece, 0
        return piece

    def advance(self, replica: int, sequences: int) -> None:
        """So many continuations of its piece are finished."""
        if replica in self._taken:
            self._advanced[replica] = min(sequences, sum(job.sequences for job in self._taken[replica]))

    def answer(self, replica: int, groups: Sequence[Group]) -> None:
        """The replica's piece, group after group."""
        piece = self._taken.pop(replica)
        self._advanced.pop(replica)
        indices = [index for job in piece for index in job.requests]
        for index, group in zip(indices, groups, strict=True):
            wanted = self._requests[index].count
            assert len(group) == wanted, f"replica {replica} gave {len(group)} of {wanted} continuations"
            assert index not in self._groups, f"request {index} was answered before"
            self._groups[index] = group
            self.holders[index] = replica

    def lose(self, replica: int) -> None:
        """The replica died, and its piece waits again. Raises UserError where that is hopeless."""
        self.died.add(replica)
        self.holders = {index: holder for index, holder in self.holders.items() if holder != replica}
        piece = self._taken.pop(replica, [])
        self._advanced.pop(replica, None)
        for job in piece:
            self._lost[job] += 1
            if self._lost[job] > ATTEMPTS:
                raise UserError(self._accusation(job))
        self._queues[replica].extendleft(reversed(piece))

    def _cut(self, queue: deque[Job]) -> list[Job]:
        """Remove from the front: a lost job on its own, else half of what waits."""
        if not queue:
            return []
        enough = max(sum(job.sequences for job in queue) / 2, self._smallest)
        piece = [queue.popleft()]
        sequences = piece[0].sequences
        while queue and sequences < enough and not (self._lost[piece[0]] or self._lost[queue[0]]):
            piece.append(queue.popleft())
            sequences += piece[-1].sequences
        return piece

    def _accusation(self, job: Job) -> str:
        lengths = [len(self._requests[index].prefix) for index in job.requests]
        return (
            f"engine.pool: every replica died that was given {job.sequences} continuations of prefixes of "
            f"{min(lengths)} to {max(lengths)} tokens, {self._lost[job]} times, the last {ATTEMPTS} with nothing else "
            "to do; most likely they need more memory than there is: lower engine.rows or sampling.max_new_tokens, "
            "give the replicas a larger machine, or drop such questions"
        )
