"""Results as rows of text, which rich and Markdown then show alike."""

from collections.abc import Sequence
from dataclasses import dataclass

from rollout_speed.names import Contender, Variant
from rollout_speed.results import Book, Entry, Measurement, Profile, Roofs, Table

MIB = 2**20


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """A table to show."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    text_columns: int = 1
    """The first so many hold words, the others numbers."""
    notes: Sequence[str] = ()


def grids(book: Book) -> list[Grid]:
    """Everything in the book."""
    return [grid for table in book.tables.values() for grid in table_grids(table)]


def table_grids(table: Table) -> list[Grid]:
    """What there is of one workload."""
    shown = []
    if table.entries:
        shown.append(speed_grid(table))
    if table.memory:
        shown.append(memory_grid(table))
    if table.profile is not None:
        shown.extend(profile_grids(table, table.profile))
    return shown


def speed_grid(table: Table) -> Grid:
    """Contenders side by side, and the floor."""
    ours = table.entries.get(Contender.OURS)
    our_rate = max(ours.measurement.rates) if ours and ours.measurement else None
    rows = [_speed_row(contender, entry, our_rate, table.roofs) for contender, entry in table.entries.items()]
    if table.roofs and ours and ours.measurement:
        rows.append(_floor_row(ours.measurement, our_rate, table.roofs))
    return Grid(
        title=describe(table),
        header=("", "setting", "tokens/s", "repeats", "ours is", "memory", "of the floor"),
        rows=rows,
        text_columns=2,
        notes=[*([_roofs_note(table.roofs)] if table.roofs else []), *_tried_notes(table)],
    )


def describe(table: Table) -> str:
    """The workload in one line."""
    size, place = table.size, table.place
    ends = f"exactly {size.new_tokens}" if table.variant == Variant.FIXED else f"up to {size.new_tokens}"
    return (
        f"{table.model}:{table.variant}, {table.parameters / 1e6:.2f} M parameters, {place.dtype} on {place.device}: "
        f"{size.trajectories} trajectories, {size.states} states each, {size.rollouts} rollouts of {ends} tokens"
    )


def _speed_row(contender: Contender, entry: Entry, our_rate: float | None, roofs: Roofs | None) -> list[str]:
    measured = entry.measurement
    if measured is None:
        return [contender.label, f"did not run: {entry.failure}", "", "", "", "", ""]
    rates = measured.rates
    return [
        contender.label,
        str(entry.setting),
        f"{max(rates):,.0f}",
        f"{len(rates)}: {min(rates):,.0f} to {max(rates):,.0f}" if len(rates) > 1 else "1",
        f"{our_rate / max(rates):.2f}x" if our_rate else "",
        f"{measured.peak_bytes / MIB:,.0f} MiB",
        f"{measured.share_of_floor(roofs):.1%}" if roofs else "",
    ]


def _floor_row(ours: Measurement, our_rate: float | None, roofs: Roofs) -> list[str]:
    rate = ours.tokens[-1] / roofs.seconds(ours.floor)
    binds = "memory" if ours.floor.bytes / roofs.bandwidth > ours.floor.operations / roofs.speed else "arithmetic"
    work = f"{ours.floor.bytes / 1e9:.1f} GB, {ours.floor.operations / 1e12:.2f} T operations: {binds} binds"
    return ["floor", work, f"{rate:,.0f}", "", f"{(our_rate or 0) / rate:.2f}x", "", "100%"]


def _roofs_note(roofs: Roofs) -> str:
    return (
        f"Roofs measured on {roofs.device}: {roofs.bandwidth / 1e9:.1f} GB/s copied, "
        f"{roofs.speed / 1e9:,.0f} G operations/s in a matrix product."
    )


def _tried_notes(table: Table) -> list[str]:
    """What each contender tried: tokens per second on a few trajectories."""
    return [
        f"Tried by {contender.label}: " + "; ".join(f"{name} {rate:,.0f}" for name, rate in entry.tried.items()) + "."
        for contender, entry in table.entries.items()
        if entry.tried
    ]


def memory_grid(table: Table) -> Grid:
    """How memory grows with K."""
    by_k = sorted({k for measured in table.memory.values() for k in measured})
    rows = [[str(k), *_memory_cells(table, k)] for k in by_k]
    titles = [f"{contender.label}, measured" for contender in table.memory]
    return Grid(
        title=f"Memory beyond weights, {table.model}, {table.place.dtype} on {table.place.device}: "
        f"8 trajectories, {table.size.states} states each, K rollouts of {table.size.new_tokens} tokens side by side",
        header=("K", "trunks + branches, counted", "rollouts x whole length, counted", *titles),
        rows=rows,
    )


def _memory_cells(table: Table, k: int) -> list[str]:
    measured = [by_k[k] for by_k in table.memory.values() if k in by_k]
    counted = [measured[0].shared_bytes, measured[0].separate_bytes]
    return [f"{size / MIB:,.1f} MiB" for size in (*counted, *(m.peak_bytes for m in measured))]


def profile_grids(table: Table, profile: Profile) -> list[Grid]:
    """By phase and by operator."""
    wall = sum(profile.phases.values())
    phases = [[name, f"{seconds:.2f} s", f"{seconds / wall:.1%}"] for name, seconds in profile.phases.items()]
    operators = [
        [
            operator.name,
            f"{operator.calls:,}",
            f"{operator.seconds:.2f} s",
            f"{operator.seconds / profile.operators_wall:.1%}",
        ]
        for operator in profile.operators
    ]
    outside = profile.operators_wall - profile.operators_total
    rest = "the GPU waits" if table.place.device == "cuda" else "Python, between operators"
    operators.append([rest, "", f"{outside:.2f} s", f"{outside / profile.operators_wall:.1%}"])
    workload = f"{table.model}:{table.variant}, {table.place.dtype} on {table.place.device}"
    return [
        Grid(title=f"Our engine by phase, {workload}", header=("phase", "time", "share"), rows=phases),
        Grid(
            title=f"Our engine by operator, {workload}",
            header=("operator", "calls", "time in itself", "share"),
            rows=operators,
        ),
    ]
