"""The run directory: everything one run leaves behind.

config.yaml           resolved
provenance.json       versions, git revision, start
metrics.jsonl         a line an iteration (names: vineppo.metrics.CATALOGUE); line 0 is the starting policy
trajectories/N.jsonl  some trajectories of iteration N with their steps, values and advantages
checkpoints/N/        all that resuming needs
policy/               the trained model as a Hugging Face folder
summary.json          the run in a few numbers
report.html           the run to look at
"""

import json
import os
import platform
import subprocess
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from vineppo.checkpoint import checkpoints, write_atomically
from vineppo.config.load import dump_config, load_config
from vineppo.config.schema import Config
from vineppo.errors import UserError
from vineppo.lock import DirectoryLock, Lock, NoLock
from vineppo.metrics import Metrics, check_names
from vineppo.processes import Processes

PROVENANCE = "provenance.json"

FREE_TO_CHANGE = (
    "run",
    "checkpoint",
    "engine",
    "analysis",
    "processes",
    "policy.device",
    "learner.gradient_checkpointing",
    "learner.reference_offload",
)
"""Settings that a resumed run may change: they do not decide what is learned."""


class RunDir:
    """Paths and small files of one run."""

    def __init__(self, root: Path):
        self.root = root
        self.config_file = root / "config.yaml"
        self.metrics_file = root / "metrics.jsonl"
        self.checkpoints = root / "checkpoints"
        self.policy = root / "policy"
        self.summary_file = root / "summary.json"

    def clear_failed_start(self) -> None:
        """Forget a run that ended before its first iteration was done: it left nothing that could be continued."""
        if not self.config_file.exists() or checkpoints(self.checkpoints):
            return
        if not any(metrics["iteration"] > 0 for metrics in self.read_metrics()):
            for file in (self.metrics_file, self.root / PROVENANCE, self.config_file):
                file.unlink(missing_ok=True)

    def check(self, config: Config, *, resume: bool) -> None:
        """Raise UserError when a run of this config cannot live here. Changes nothing."""
        self._check_writable()
        if self.config_file.exists():
            if not resume:
                raise UserError(
                    f"run.dir {self.root} already holds a run; add --resume to continue it, or give another run.dir"
                )
            self._check_same(config)
        elif self.metrics_file.exists():
            raise UserError(f"run.dir {self.root} has metrics but no config.yaml; give another run.dir")

    def open(self, config: Config) -> None:
        """Make the directory ready. What a run being resumed was started with stays as it is."""
        if not self.config_file.exists():
            self.root.mkdir(parents=True, exist_ok=True)
            write_atomically(self.root / PROVENANCE, json.dumps(provenance(), indent=1))
            write_atomically(self.config_file, dump_config(config))

    def append_metrics(self, metrics: Metrics) -> None:
        """One line, on the disk when this returns."""
        with self.metrics_file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(check_names(metrics)) + "\n")

    def read_metrics(self) -> list[Metrics]:
        """All lines; a last line that a crash cut short is left out."""
        if not self.metrics_file.exists():
            return []
        lines = self.metrics_file.read_text(encoding="utf-8").split("\n")[:-1]
        return [json.loads(line) for line in lines]

    def rewind_metrics(self, iteration: int) -> None:
        """Forget lines after `iteration`: they will be made again."""
        kept = [metrics for metrics in self.read_metrics() if metrics["iteration"] <= iteration]
        write_atomically(self.metrics_file, "".join(json.dumps(metrics) + "\n" for metrics in kept))

    def write_trajectories(self, iteration: int, records: list[dict[str, Any]]) -> None:
        """One file an iteration, for people and the report."""
        folder = self.root / "trajectories"
        folder.mkdir(exist_ok=True)
        write_atomically(
            folder / f"{iteration:06d}.jsonl", "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records)
        )

    def write_summary(self, summary: dict[str, Any]) -> None:
        """The run in a few numbers."""
        write_atomically(self.summary_file, json.dumps(summary, indent=1))

    def _check_writable(self) -> None:
        nearest = next(folder for folder in (self.root, *self.root.absolute().parents) if os.path.exists(folder))
        try:
            with tempfile.TemporaryFile(dir=nearest):
                pass
        except OSError as error:
            raise UserError(
                f"run.dir {self.root} cannot be written ({error.strerror}); give another run.dir or its permissions"
            ) from error

    def _check_same(self, config: Config) -> None:
        before = leaves(load_config(self.config_file, []).model_dump())
        now = leaves(config.model_dump())
        changed = [
            f"{key} was {before.get(key)!r} and is now {now.get(key)!r}"
            for key in sorted(before.keys() | now.keys())
            if before.get(key) != now.get(key) and not key.startswith(FREE_TO_CHANGE)
        ]
        if changed:
            raise UserError(
                f"run.dir {self.root} holds a run of another config: {'; '.join(changed)}; "
                "give another run.dir, or the old settings to resume"
            )


def lock_run_dir(root: Path, processes: Processes) -> Lock:
    """Held by the main process, the only one that writes. All raise UserError where another run holds it."""
    lock, refusal = NoLock(), ""
    if processes.is_main:
        try:
            lock = DirectoryLock(root, setting="run.dir")
        except UserError as error:
            refusal = str(error)
    if refusal := processes.from_main(refusal):
        raise UserError(refusal)
    return lock


def provenance() -> dict[str, str]:
    """Where and with what a run was started."""
    packages = ("vineppo", "torch", "transformers", "numpy")
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{name: version(name) for name in packages},
        "git_revision": _git_revision(),
    }


def _git_revision() -> str:
    """Of the working directory, marked when it has changes; empty outside a repository."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--match="]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def leaves(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted keys of a tree to its values."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= leaves(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
