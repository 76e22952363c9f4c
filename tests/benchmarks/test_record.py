"""Results shown, and written into a Markdown file that holds other things too."""

from datetime import date
from pathlib import Path

import pytest

from rollout_speed.names import Contender, Model, Place, Setting, Size, Variant
from rollout_speed.record import record, with_section
from rollout_speed.results import Book, Entry, Measurement, Roofs, Table, Work, open_book
from rollout_speed.tables import speed_grid

ROOFS = Roofs(bandwidth=100.0, speed=1000.0, device="two cores")
SETTING = Setting(threads=1, rows=64)


def measurement(*, tokens: list[int], seconds: list[float]) -> Measurement:
    return Measurement(
        tokens=tokens,
        seconds=seconds,
        peak_bytes=3 * 2**20,
        floor=Work(bytes=50, operations=100),
        shared_bytes=1,
        separate_bytes=2,
        versions={"torch": "1.2"},
    )


def table() -> Table:
    ours = Entry(date=date(2026, 1, 2), setting=SETTING, measurement=measurement(tokens=[100, 100], seconds=[4.0, 2.0]))
    theirs = Entry(date=date(2026, 1, 2), setting=SETTING, measurement=measurement(tokens=[100], seconds=[8.0]))
    failed = Entry(date=date(2026, 1, 2), failure="no such library")
    return Table(
        model=Model.TINY,
        variant=Variant.FIXED,
        place=Place(device="cpu", dtype="float32"),
        size=Size(trajectories=1, length=5, states=1, rollouts=1, new_tokens=100),
        parameters=800_000,
        roofs=ROOFS,
        entries={Contender.OURS: ours, Contender.GENERATE: theirs, Contender.VLLM: failed},
    )


def test_the_best_repeat_counts():
    rows = {row[0]: row for row in speed_grid(table()).rows}
    # 100 tokens in 2 s against 100 in 8 s. The floor: 50 bytes at 100 a second, half a second for 100 tokens.
    assert rows["vineppo embedded engine"][2:5] == ["50", "2: 25 to 50", "1.00x"]
    assert rows["transformers.generate"][2:5] == ["12", "1", "4.00x"]
    assert rows["vineppo embedded engine"][6] == "25.0%"
    assert rows["floor"][2] == "200"
    assert rows["vLLM, eager"][1] == "did not run: no such library"


def test_roofs_of_several_parts_are_the_highest():
    busy = Roofs(bandwidth=120.0, speed=900.0, device="two cores")
    assert busy.raised(ROOFS) == Roofs(bandwidth=120.0, speed=1000.0, device="two cores")
    assert busy.raised(None) == busy
    assert busy.raised(Roofs(bandwidth=1e9, speed=1e9, device="another")) == busy


def test_kept_and_read_again(tmp_path: Path):
    book = Book(tables={"one": table()})
    book.save(tmp_path / "deep" / "book.json")
    assert open_book(tmp_path / "deep" / "book.json") == book
    assert open_book(tmp_path / "none.json") == Book()


def test_a_section_is_replaced_and_its_neighbours_stay(tmp_path: Path):
    path = tmp_path / "RESULTS.md"
    path.write_text("# Results\n\n## Judge\n\nfast\n")
    record(Book(tables={"one": table()}), path)
    first = path.read_text()
    record(Book(tables={"one": table()}), path)
    assert path.read_text() == first
    assert first.count("## Rollouts on cpu") == 1
    assert "## Judge\n\nfast\n" in first
    assert "| transformers.generate | 64 rows, 1 thread | 12 | 1 | 4.00x | 3 MiB | 6.2% |" in first
    assert "2026-01-02; two cores; torch 1.2." in first


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("# R\n", "# R\n\n## B\n\nnew\n"),
        ("# R\n\n## B\n\nold\n", "# R\n\n## B\n\nnew\n"),
        ("# R\n\n## A\n\na\n\n## B\n\nold\n\n### x\n\n## C\n\nc\n", "# R\n\n## A\n\na\n\n## B\n\nnew\n\n## C\n\nc\n"),
    ],
)
def test_with_section(before: str, after: str):
    assert with_section(before, "B", "new") == after
