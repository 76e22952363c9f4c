"""Credit without training: which step of a solution made it succeed or fail?

Works with any policy, any question with a known answer, and solutions sampled or given.
"""

import time
from pathlib import Path

from vineppo.chat import prompt_reader, special_prefix
from vineppo.config.load import dump_config
from vineppo.config.schema import Config
from vineppo.errors import UserError
from vineppo.explain.export import STEPS, STEPWISE, append_rows, stepwise_row, with_labels
from vineppo.explain.measure import Measured, build_explainer
from vineppo.explain.show import show
from vineppo.explain.source import Wanted, batches, gather
from vineppo.lock import LOCK, DirectoryLock
from vineppo.output_folder import free_folder
from vineppo.policy import DTYPES, load_policy
from vineppo.progress import Display
from vineppo.report.explanation_page import Explanation
from vineppo.report.html import write_explanation
from vineppo.report.run_data import LoggedTrajectory
from vineppo.run_dir import provenance

PAGE = "explanation.html"
LOOK = 64
"""Rollouts from a state, at least, where the command line does not say: half of a 95 % interval is then about 0.12."""
BATCH = 16
"""Questions measured together."""
IN_TERMINAL, ON_PAGE = 5, 100
"""Solutions shown; all are written to the files."""


def explain(
    config: Config, wanted: Wanted, *, count: int | None, threshold: float = 0.0, out: Path | None = None
) -> Path:
    """Measure, print the heat map, and write the page and both exports into `out` (None: a new folder in runs/).

    `count` solutions are sampled for each question; None takes given ones, and samples where there are none. A step's
    label is whether the value after it exceeds `threshold`. Returns the page.
    """
    if count is not None and count < 1:
        raise UserError(f"--solutions is {count}, but must be a whole number >= 1")
    out = free_folder("explanation") if out is None else check_folder(out)
    lock = DirectoryLock(out, setting="--out")
    try:
        return _explain(config, wanted, count=count, threshold=threshold, out=out)
    finally:
        lock.release()


def _explain(config: Config, wanted: Wanted, *, count: int | None, threshold: float, out: Path) -> Path:
    task, items = gather(wanted, config.task)
    policy = load_policy(
        config.policy.path,
        device=config.policy.device,
        dtype=DTYPES[config.policy.dtype],
        template_kwargs=config.policy.chat_template_kwargs,
    )
    measure = build_explainer(config, policy, task, items, count=count)
    front = prompt_reader(policy.tokenizer)(special_prefix(policy.tokenizer))
    started, parts = time.monotonic(), list[Measured]()
    with Display(len(items), unit="question") as display:
        for batch in batches(items, BATCH):
            parts.append(measured := measure(batch, display))
            records = [with_labels(record, threshold) for record in measured.records]
            append_rows(out / STEPS, records)
            append_rows(out / STEPWISE, [stepwise_row(record, front) for record in records])
            display.advance(min(len(parts) * BATCH, len(items)))
    explanation = Explanation(
        policy=config.policy.path,
        config=config.model_dump(),
        config_text=dump_config(config),
        provenance=provenance(),
        trajectories=tuple(
            LoggedTrajectory.model_validate({"iteration": 0, **record})
            for part in parts
            for record in part.records[:ON_PAGE]
        )[:ON_PAGE],
        questions=len(items),
        solutions=sum(len(part.records) for part in parts),
        correct=sum(record["outcome"] == "correct" for part in parts for record in part.records),
        threshold=threshold,
        tokens={
            "solutions": sum(part.solution_tokens for part in parts),
            "rollouts": sum(part.rollout_tokens for part in parts),
        },
        seconds=display.take_seconds(),
        total_seconds=time.monotonic() - started,
    )
    page = write_explanation(explanation, out / PAGE)
    show(explanation.credit_map(), limit=IN_TERMINAL)
    print(f"page {page}  every number {out / STEPS}  process labels {out / STEPWISE}")
    return page


def check_folder(out: Path) -> Path:
    """One that is not there yet, or empty: labels cost time to make, so none are written over."""
    if out.exists() and not out.is_dir():
        raise UserError(f"--out {out} is a file; name a folder")
    if out.is_dir() and any(entry.name != LOCK for entry in out.iterdir()):
        raise UserError(f"--out {out} is not empty; name another folder, or leave --out away for a new one")
    return out
