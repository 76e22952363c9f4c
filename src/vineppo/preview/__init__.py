"""How a file of solutions would be cut into steps: the segmenter of a config, before anything is trained."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vineppo.config.schema import Config
from vineppo.errors import UserError
from vineppo.preview.cut import Cut, cut_characters
from vineppo.preview.show import show
from vineppo.preview.solutions import read_solutions
from vineppo.stops import before_stop

SHOWN = 5
"""Solutions shown when no limit is given."""


def preview(config: Config, file: Path, *, column: str | None, use_policy: bool, limit: int | None) -> None:
    """Print the steps of the solutions in a file, in characters or in the tokens of `config.policy`, and statistics.

    `limit` takes only the first so many solutions; none counts all and shows a few.
    """
    if config.steps.needs_logprobs and not use_policy:
        raise UserError(
            f"steps is {config.steps.called}, which cuts where a policy was uncertain, but no policy is given; "
            "add --policy DIR, or take other steps, e.g. steps=math"
        )
    read = read_solutions(file, config.task, column=column, limit=limit)
    solutions = [replace(own, text=before_stop(own.text, config.sampling.stop)) for own in read]
    if use_policy:
        from vineppo.preview.policy import cut_tokens  # torch takes seconds

        cuts = cut_tokens(config, solutions)
    else:
        segment = config.steps.build()
        cuts = [cut_characters(segment, solution.text) for solution in solutions]
    shown = SHOWN if limit is None else limit
    show(cuts, unit="token" if use_policy else "character", shown=shown, notes=notes(config, cuts, shown, use_policy))


def notes(config: Config, cuts: Sequence[Cut], shown: int, use_policy: bool) -> list[str]:
    """What the reader should know of the figures."""
    lines = []
    if shown < len(cuts):
        lines.append(f"The first {shown} are shown, all {len(cuts):,} are counted; --limit N takes the first N.")
    if config.steps.needs_tokens and not use_policy:
        lines.append("Every character is taken for a token; --policy DIR cuts by the tokens of a policy.")
    if config.steps.needs_logprobs:
        lines.append(
            f"Probabilities are the policy's at temperature {config.sampling.temperature:g}, without top-p and top-k."
        )
    return ["", *lines] if lines else []
