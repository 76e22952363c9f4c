"""Sampling shared out among the processes of a run: each has an engine on its own device and takes its own questions.

A continuation depends on its seed alone, so who samples it does not matter for what comes out, only for how fast: all
that branches off one prompt goes to one process, whose engine holds that prompt's keys and values.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from vineppo.processes import Processes
from vineppo.seams import Engine, Progress
from vineppo.types import Completion, Request, Sampling

if TYPE_CHECKING:
    from torch import Tensor

Prefix = tuple[int, ...]


class ShardedEngine:
    """Every process hands in the same requests and gets all completions."""

    def __init__(self, engine: Engine, processes: Processes):
        self._engine = engine
        self._processes = processes
        self._homes: dict[Prefix, int] = {}
        """Who holds a prompt whose trajectories will be branched off."""

    @property
    def own(self) -> Engine:
        """This process's."""
        return self._engine

    @property
    def policy_version(self) -> int:
        """Of the weights that sample now."""
        return self._engine.policy_version

    def load_weights(self, state: "Mapping[str, Tensor]", *, policy_version: int) -> None:
        """Into this process's engine; all must be given the same."""
        self._homes.clear()
        self._engine.load_weights(state, policy_version=policy_version)

    def sleep(self) -> None:
        """This process's engine."""
        self._engine.sleep()

    def sample(
        self, requests: Sequence[Request], sampling: Sampling, *, progress: Progress | None = None
    ) -> list[tuple[Completion, ...]]:
        """All requests, each by one process. `progress` tells of this process's share."""
        owners = self._owners(requests)
        own = [request for request, owner in zip(requests, owners, strict=True) if owner == self._processes.rank]
        sampled = self._engine.sample(own, sampling, progress=progress) if own else []
        shares = [iter(share) for share in self._processes.gather(sampled)]
        return [next(shares[owner]) for owner in owners]

    def _owners(self, requests: Sequence[Request]) -> list[int]:
        """Whose each request is: its prompt's holder, else the one with the least to do."""
        loads: dict[int, int] = defaultdict(int)
        lengths = sorted({len(prompt) for prompt in self._homes}, reverse=True)
        owners: list[int] = []
        for request in requests:
            prompts = (request.prefix[:length] for length in lengths)
            home = next((self._homes[prompt] for prompt in prompts if prompt in self._homes), None)
            owner = min(range(self._processes.count), key=loads.__getitem__) if home is None else home
            if request.branches:
                self._homes[request.prefix] = owner
            loads[owner] += request.count
            owners.append(owner)
        return owners
