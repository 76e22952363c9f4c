"""What was measured, as records that are kept in one JSON file. Nothing heavy is imported here."""

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from pydantic import TypeAdapter

from rollout_speed.names import Contender, Model, Place, Setting, Size, Variant


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """What has to be done: see floor.py."""

    bytes: int
    operations: int

    def __add__(self, other: "Work") -> "Work":
        return Work(bytes=self.bytes + other.bytes, operations=self.operations + other.operations)


@dataclass(frozen=True, kw_only=True, slots=True)
class Roofs:
    """What the machine does at best: see roofs.py."""

    bandwidth: float
    """Bytes per second, read plus written."""
    speed: float
    """Operations per second, a multiplication and its addition counted as two."""
    device: str
    """The name of processor or GPU."""

    def raised(self, other: "Roofs | None") -> "Roofs":
        """The higher of each, where the same machine was measured before: a busy neighbour can only lower them."""
        if other is None or other.device != self.device:
            return self
        return Roofs(
            bandwidth=max(self.bandwidth, other.bandwidth), speed=max(self.speed, other.speed), device=self.device
        )

    def seconds(self, work: Work) -> float:
        """The least that this work takes here."""
        return max(work.bytes / self.bandwidth, work.operations / self.speed)


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """What one contender did in one process."""

    tokens: list[int]
    """Decoded in each repeat."""
    seconds: list[float]
    peak_bytes: int
    """The most memory beyond libraries and weights: keys, values, whatever else sampling needs."""
    floor: Work
    """Of the last repeat's rollouts."""
    shared_bytes: int
    """Keys and values of the last repeat's trunks, once each, and branches."""
    separate_bytes: int
    """The same if every rollout had its whole sequence's."""
    versions: dict[str, str]

    @property
    def rates(self) -> list[float]:
        """Decoded tokens per second, of each repeat."""
        return [tokens / seconds for tokens, seconds in zip(self.tokens, self.seconds, strict=True)]

    def share_of_floor(self, roofs: Roofs) -> float:
        """The floor's time over the time taken, of the best repeat: 1 would be all the hardware can do."""
        return roofs.seconds(self.floor) / self.tokens[-1] * max(self.rates)


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """How a contender fared on one workload."""

    date: date
    setting: Setting | None = None
    """The best of those tried."""
    tried: dict[str, float] = field(default_factory=dict)
    """Tokens per second of each setting on a small part of the workload."""
    measurement: Measurement | None = None
    failure: str | None = None
    """Why there is no measurement."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Operator:
    """One of torch's operators."""

    name: str
    calls: int
    seconds: float
    """In itself, not in what it calls."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """Of our engine, one pass for the phases and one for the operators. Watching costs time: look at the shares."""

    phases: dict[str, float]
    """Seconds, all together the pass's wall clock."""
    operators: list[Operator]
    """The longest."""
    operators_total: float
    """Seconds in all operators, those not listed too; the rest of the wall clock is Python, or on a GPU waiting."""
    operators_wall: float


@dataclass(kw_only=True, slots=True)
class Table:
    """One workload, side by side."""

    model: Model
    variant: Variant
    place: Place
    size: Size
    parameters: int
    roofs: Roofs | None = None
    entries: dict[Contender, Entry] = field(default_factory=dict)
    memory: dict[Contender, dict[int, Measurement]] = field(default_factory=dict)
    """By the number of rollouts from each state."""
    profile: Profile | None = None


@dataclass(kw_only=True, slots=True)
class Book:
    """All tables, by name. Measuring a part again replaces that part."""

    tables: dict[str, Table] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """As JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(TypeAdapter(Book).dump_json(self, indent=1))


def open_book(path: Path) -> Book:
    """What `save` wrote, or an empty one."""
    return TypeAdapter(Book).validate_json(path.read_bytes()) if path.exists() else Book()
