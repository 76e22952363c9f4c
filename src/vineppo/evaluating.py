"""`vineppo eval`: how good a policy is on the test questions, what its responses came to, and the responses to read."""

import json
from pathlib import Path

from vineppo.config.schema import Config
from vineppo.disk import write_atomically
from vineppo.output_folder import check_empty, free_folder
from vineppo.recipes.evaluation import Evaluated
from vineppo.recipes.warnings import cause_of
from vineppo.trainer import answer_test
from vineppo.types import Outcome

RESPONSES = "responses.jsonl"


def evaluate_and_tell(config: Config, out: Path | None) -> Path:
    """Measure, print, and write the responses into `out` (None: a new folder in runs/). Returns their file."""
    folder = free_folder("evaluation") if out is None else out
    check_empty(folder, "--out")
    found = answer_test(config)
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in found.records)
    # What a reward function told may hold half characters, which JSON has escapes for.
    write_atomically(folder / RESPONSES, text.encode("utf-8", "backslashreplace").decode())
    for line in told(found, config):
        print(line)
    print(f"responses {folder / RESPONSES}")
    return folder / RESPONSES


def told(found: Evaluated, config: Config) -> list[str]:
    """In words."""
    low, high = found.interval
    if "eval/reward" in found.metrics:
        value = f"mean reward {found.metrics['eval/reward']:.4f} (95 % interval {low:.4f} to {high:.4f})"
    else:
        value = f"accuracy {found.metrics['eval/accuracy']:.2%} (95 % interval {low:.2%} to {high:.2%})"
    responses = sum(found.outcomes.values())
    asked = f"{found.questions} questions, {responses} responses"
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in found.outcomes.items())
    lines = [f"{value} on {asked}", f"outcomes {outcomes}"]
    outcome, count = next(iter(found.outcomes.items()))
    if 2 * count > responses and outcome not in (Outcome.CORRECT, Outcome.WRONG, Outcome.SCORED):
        why = cause_of(outcome, config.task, limit=config.sampling.max_new_tokens)
        lines.append(f"warning: {count} of {responses} responses {why}")
    return lines
