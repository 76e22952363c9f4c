"""What every contender is asked to sample: rollouts from states of trajectories. Nothing heavy is imported here."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

TokenIds = tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Workload:
    """Trajectories, some states of each, and the number of rollouts from each state."""

    trajectories: tuple[TokenIds, ...]
    """Token ids, prompt and response."""
    states: tuple[tuple[int, ...], ...]
    """For each trajectory the lengths of the prefixes that rollouts start from."""
    rollouts: int
    """K, from each state."""
    max_new_tokens: int
    end_ids: TokenIds
    """Tokens that end a rollout; with none, every rollout has exactly `max_new_tokens` tokens."""

    @property
    def prefixes(self) -> list[TokenIds]:
        """One for each state."""
        return [
            tokens[:length]
            for tokens, lengths in zip(self.trajectories, self.states, strict=True)
            for length in lengths
        ]

    @property
    def total_rollouts(self) -> int:
        """Of all states."""
        return self.rollouts * sum(map(len, self.states))

    @property
    def longest(self) -> int:
        """The most tokens any prefix and its rollout may have together."""
        return max(map(max, self.states)) + self.max_new_tokens

    def first(self, trajectories: int) -> "Workload":
        """Its first trajectories alone."""
        return replace(self, trajectories=self.trajectories[:trajectories], states=self.states[:trajectories])

    def check(self, lengths: Sequence[int]) -> None:
        """Raises ValueError unless these decoded lengths are what was asked for."""
        if len(lengths) != self.total_rollouts:
            raise ValueError(f"{len(lengths)} rollouts came back, {self.total_rollouts} were asked for")
        if not self.end_ids and set(lengths) != {self.max_new_tokens}:
            raise ValueError(f"rollouts of {sorted(set(lengths))} tokens, all must have {self.max_new_tokens}")
        if not all(1 <= length <= self.max_new_tokens for length in lengths):
            raise ValueError(f"rollouts of up to {max(lengths)} tokens, at most {self.max_new_tokens} were asked for")

    def write(self, path: Path) -> None:
        """As JSON."""
        path.write_text(json.dumps(asdict(self)))


def read_workload(path: Path) -> Workload:
    """What `write` wrote."""
    data = json.loads(path.read_text())
    return Workload(
        trajectories=tuple(map(tuple, data["trajectories"])),
        states=tuple(map(tuple, data["states"])),
        rollouts=data["rollouts"],
        max_new_tokens=data["max_new_tokens"],
        end_ids=tuple(data["end_ids"]),
    )
