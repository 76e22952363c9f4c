"""Steps with their values and advantages as a column of TRL's table of completions."""

from itertools import pairwise
from statistics import fmean

from vineppo.steps import TokenTexts
from vineppo.types import Credit, Scored


def step_values(scored: Scored, credit: Credit, token_texts: TokenTexts) -> str:
    """A line a step: its advantage in rewards, the value before it where that was measured, its text.

    +0.33 (0.67) 12*7=34
    """
    pieces = token_texts(scored.trajectory.response_ids)
    values = {state.position: state.value for state in credit.values}
    lines = []
    for start, stop in pairwise(scored.bounds):
        value = f" ({values[start]:.2f})" if start in values else ""
        text = one_line("".join(pieces[start:stop]))
        lines.append(f"{fmean(credit.advantages[start:stop]):+.2f}{value} {text}")
    return "\n".join(lines)


def one_line(text: str) -> str:
    """Without line breaks."""
    return " ".join(text.split())
