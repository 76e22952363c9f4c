"""The run directory: everything one run leaves behind.

config.yaml           resolved
provenance.json       versions, git revision, start; what a resumed run does otherwise
inputs.json           digests of model and data, to know them again
engine_memory.json    bytes that sampling may hold, by process, or by replica of a pool
metrics.jsonl         a line an iteration (names: vineppo.metrics.CATALOGUE); line 0 is the starting policy
trajectories/N.jsonl  some trajectories of iteration N with their steps, values and advantages
checkpoints/N/        all that resuming needs
policy/               the trained model as a Hugging Face folder
summary.json          the run in a few numbers
report.html           the run to look at
"""

import hashlib
import json
import os
import platform
import subprocess
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vineppo.checkpoint import checkpoints
from vineppo.config.changes import changes
from vineppo.config.load import dump_config, load_config
from vineppo.config.own import own_choices
from vineppo.config.schema import Config
from vineppo.disk import append_line, write_atomically
from vineppo.errors import UserError
from vineppo.lock import DirectoryLock, Lock, NoLock
from vineppo.metrics import Metrics, check_names

if TYPE_CHECKING:
    from vineppo.processes import Processes  # brings torch along

PROVENANCE = "provenance.json"
REPLACEABLE = "reward functions"
"""What a person may mend in a run that goes on; the provenance tells of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MetricsMark:
    """How long metrics.jsonl was, and its digest."""

    length: int
    digest: str


class RunDir:
    """Paths and small files of one run."""

    def __init__(self, root: Path):
        self.root = root
        self.config_file = root / "config.yaml"
        self.metrics_file = root / "metrics.jsonl"
        self.checkpoints = root / "checkpoints"
        self.policy = root / "policy"
        self.summary_file = root / "summary.json"
        self.inputs_file = root / "inputs.json"
        self.engine_file = root / "engine_memory.json"

    @property
    def failed_start(self) -> bool:
        """Whether the run ended before its first iteration was done: it left nothing that could be continued."""
        return (
            self.config_file.exists()
            and not checkpoints(self.checkpoints)
            and not any(metrics["iteration"] > 0 for metrics in self.read_metrics())
        )

    def clear_failed_start(self) -> None:
        """Forget such a run."""
        if self.failed_start:
            for file in (
                self.metrics_file,
                self.root / PROVENANCE,
                self.inputs_file,
                self.engine_file,
                self.config_file,
            ):
                file.unlink(missing_ok=True)

    def check(self, config: Config, *, resume: bool) -> None:
        """Raise UserError when a run of this config cannot live here. Changes nothing."""
        self._check_writable()
        if self.config_file.exists():
            if not resume:
                raise UserError(
                    f"run.dir {self.root} already holds a run; continue it with --resume, or start another one with "
                    "run.dir=ANOTHER"
                )
            self._check_same(config)
        elif self.metrics_file.exists():
            raise UserError(f"run.dir {self.root} has metrics but no config.yaml; give another run.dir")

    def open(self, config: Config) -> None:
        """Make the directory ready. What a run being resumed was started with stays as it is."""
        if not self.config_file.exists():
            self.root.mkdir(parents=True, exist_ok=True)
            write_atomically(self.root / PROVENANCE, json.dumps(provenance() | own_choices(config), indent=1))
            write_atomically(self.config_file, dump_config(config))

    def go_on(self, config: Config, inputs: dict[str, str], iteration: int) -> list[str]:
        """Take down what a resumed run does otherwise from here on, and return it."""
        changed = changes(load_config(self.config_file, []), config, found_again=True)
        told = [change.words for change in changed if change.told]
        before = json.loads(self.inputs_file.read_text(encoding="utf-8")) if self.inputs_file.exists() else {}
        if inputs.get(REPLACEABLE) != before.get(REPLACEABLE, inputs.get(REPLACEABLE)):
            told.append(f"the files of the {REPLACEABLE} are others than before")
            write_atomically(self.inputs_file, json.dumps({**before, **inputs}, indent=1))
        if told:
            found = json.loads((self.root / PROVENANCE).read_text(encoding="utf-8"))
            key = f"changed after iteration {iteration}"
            found[key] = "; ".join([*([found[key]] if key in found else []), *told])
            write_atomically(self.root / PROVENANCE, json.dumps(found, indent=1))
        if changed:
            write_atomically(self.config_file, dump_config(config))
        return told

    def keep_inputs(self, inputs: dict[str, str]) -> None:
        """Digests of what the run learns from, to know it again."""
        if not self.inputs_file.exists():
            write_atomically(self.inputs_file, json.dumps(inputs, indent=1))

    def check_inputs(self, inputs: dict[str, str]) -> None:
        """Raise UserError where the model or the data are not those that the run was started with."""
        if not self.inputs_file.exists():
            return
        before = json.loads(self.inputs_file.read_text(encoding="utf-8"))
        names = [name for name in inputs if name != REPLACEABLE]
        if changed := [name for name in names if inputs[name] != before.get(name, inputs[name])]:
            raise UserError(
                f"run.dir {self.root} holds a run of other {' and '.join(changed)} than are there now (their digests "
                "differ, whatever their paths); put back what the run was started with, or start another run from its "
                f"policy with policy.path={self._newest_policy()} and another run.dir"
            )

    def engine_memory(self) -> list[int] | None:
        """Bytes that each process's engine, or each replica's, was given; None where that was not recorded."""
        return json.loads(self.engine_file.read_text(encoding="utf-8")) if self.engine_file.exists() else None

    def keep_engine_memory(self, memory: list[int]) -> None:
        """So that a resumed run decodes as many rows together."""
        write_atomically(self.engine_file, json.dumps(memory))

    def append_metrics(self, metrics: Metrics) -> None:
        """One line, on the disk when this returns."""
        append_line(self.metrics_file, json.dumps(check_names(metrics)))

    def metrics_mark(self) -> MetricsMark:
        """What there is now, to be known again."""
        data = self.metrics_file.read_bytes() if self.metrics_file.exists() else b""
        return MetricsMark(length=len(data), digest=hashlib.sha256(data).hexdigest())

    def check_metrics(self, mark: MetricsMark) -> None:
        """Raise UserError where lines that a checkpoint knows of are gone or changed."""
        data = self.metrics_file.read_bytes()[: mark.length] if self.metrics_file.exists() else b""
        if len(data) == mark.length and hashlib.sha256(data).hexdigest() == mark.digest:
            return
        what = "is not what it was" if len(data) == mark.length else f"lacks {mark.length - len(data)} of its bytes"
        raise UserError(
            f"{self.metrics_file} {what if data else 'is gone'}, so the run's history before its newest checkpoint is "
            "lost; put it back to resume, or start another run from its policy with "
            f"policy.path={self._newest_policy()} and another run.dir"
        )

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
        text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        # What a reward function told may hold half characters, which JSON has escapes for.
        write_atomically(folder / f"{iteration:06d}.jsonl", text.encode("utf-8", "backslashreplace").decode())

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
        before = load_config(self.config_file, [])
        changed = changes(before, config, found_again=self.inputs_file.exists())
        if refused := [change for change in changed if not change.allowed]:
            raise UserError(
                f"run.dir {self.root} holds a run of another config: {'; '.join(change.words for change in refused)}; "
                "give the old settings to resume, or start another run from its policy with "
                f"policy.path={self._newest_policy()} and another run.dir"
            )

    def _newest_policy(self) -> Path:
        found = checkpoints(self.checkpoints)
        return found[-1] / "policy" if found else self.policy


def lock_run_dir(root: Path, processes: "Processes") -> Lock:
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
