"""What `explain` writes for other programs: every number as plain JSONL, and TRL's stepwise supervision.

steps.jsonl      one solution a line: prompt, answer, response, outcome, reward and its steps, each with text, position,
                 tokens, the value before and after it with 95 % intervals, advantage, label, and two rollouts
stepwise.jsonl   one solution a line: {"prompt": text, "completions": [text of each step], "labels": [bool of each]}

TRL's PRMTrainer puts its own separator behind every completion and the label on it, so the texts of steps come without
the white space around them, and steps of nothing else are left out. A row ends before the first step whose value after
was not measured (credit.max_states), since it has no label. Prompts are as the policy sees them, chat template
included; stepwise.jsonl leaves out the BOS that TRL puts in front.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vineppo.disk import append_line
from vineppo.explain.labels import step_labels
from vineppo.report.credit_map import values_after
from vineppo.report.run_data import LoggedTrajectory

STEPS, STEPWISE = "steps.jsonl", "stepwise.jsonl"


def with_labels(record: dict[str, Any], threshold: float) -> dict[str, Any]:
    """A record of a solution, with what lies after each of its steps."""
    after = values_after(LoggedTrajectory.model_validate({"iteration": 0, **record}))
    measured = [step["interval"] is not None or step["num_rollouts"] > 0 for step in record["steps"]]
    values = [value if known else None for (value, _), known in zip(after, [*measured[1:], True], strict=True)]
    labels = step_labels(values, threshold)
    steps = [
        {**step, "value_after": value, "interval_after": interval, "label": label}
        for step, value, (_, interval), label in zip(record["steps"], values, after, labels, strict=True)
    ]
    return {**record, "steps": steps}


def stepwise_row(record: dict[str, Any], front: str) -> dict[str, Any]:
    """TRL's row of a labelled record. front: what the tokenizer puts in front of any text, as TRL will, too."""
    labelled = []
    for step in record["steps"]:
        if step["label"] is None:
            break
        labelled.append((step["text"].strip(), step["label"]))
    told = [(text, label) for text, label in labelled if text]
    return {
        "prompt": record["prompt"].removeprefix(front),
        "completions": [text for text, _ in told],
        "labels": [label for _, label in told],
    }


def append_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """As lines, on the disk when this returns."""
    if rows:
        append_line(path, "\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
