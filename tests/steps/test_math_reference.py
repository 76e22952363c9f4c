"""Mathematics is cut as the paper's code cuts it: the bounds it gives on solutions of MATH, if they are here."""

import json
from itertools import pairwise
from pathlib import Path

import pytest

from vineppo.steps.math import math_starts

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "math" / "problems.jsonl"


def without_white_space(text: str, bounds: list[int]) -> set[int]:
    """Bounds moved over the white space that follows; those at the ends say nothing."""
    moved = {at + len(text[at:]) - len(text[at:].lstrip()) for at in bounds}
    return {at for at in moved if 0 < at < len(text.rstrip())}


@pytest.mark.skipif(not DATA.is_file(), reason=f"needs the reference bounds {DATA}")
@pytest.mark.parametrize("half", [0, 1], ids=["even rows", "odd rows"])
def test_bounds_agree_with_the_papers_code(half):
    rows = [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()][half::2]
    both = ours = theirs = steps = reference_steps = 0
    for row in rows:
        text, reference = row["solution"], row["reference_step_bounds"]
        bounds = [0, *math_starts(text), len(text)]
        mine, expected = without_white_space(text, bounds), without_white_space(text, reference)
        both, ours, theirs = both + len(mine & expected), ours + len(mine), theirs + len(expected)
        steps, reference_steps = steps + len(bounds) - 1, reference_steps + len(list(pairwise(reference)))
    assert 2 * both / (ours + theirs) >= 0.99
    assert steps == pytest.approx(reference_steps, rel=0.01)
