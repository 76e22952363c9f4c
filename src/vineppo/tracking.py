"""Experiment trackers besides metrics.jsonl. One small adapter each; their packages come with vineppo[trackers]."""

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Protocol

from vineppo.disk import write_atomically
from vineppo.errors import UserError
from vineppo.metrics import Metrics

TrackerName = Literal["none", "tensorboard", "wandb", "trackio"]
IDENTITY = "tracker.json"
"""Which run of the tracker's this one is, kept in the run directory: a resumed run goes on in it."""
REMEDIES = {
    "wandb": "log in with `wandb login`, set WANDB_MODE=offline, or set run.tracker=none",
    "trackio": "set run.tracker=none, or see what it says",
    "tensorboard": "set run.tracker=none, or see what it says",
}


class Tracker(Protocol):
    """Somewhere metrics go."""

    def log(self, metrics: Metrics, iteration: int) -> None:
        """One iteration's metrics."""
        ...

    def close(self) -> None:
        """Flush."""
        ...


def build_tracker(
    name: TrackerName, run_dir: Path, config: dict[str, Any], *, done: int | None = None
) -> Tracker | None:
    """The tracker of that name, or None. `done`: the iteration that a resumed run goes on after.

    Raises UserError when its package is not installed, or when it does not start.
    """
    builders: dict[str, Callable[[Path, dict[str, Any], int | None], Tracker]] = {
        "tensorboard": _TensorBoard,
        "wandb": _wandb,
        "trackio": _trackio,
    }
    if name == "none":
        return None
    try:
        return builders[name](run_dir, config, done)
    except ImportError as error:
        raise UserError(
            f"run.tracker is {name!r}, whose package is not installed; run: pip install 'vineppo[trackers]'"
        ) from error
    except Exception as error:  # each has its own, and none is worth a traceback: no key, no network, no server
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"run.tracker is {name!r}, which does not start ({reason}); {REMEDIES[name]}") from error


class _TensorBoard:
    def __init__(self, run_dir: Path, config: dict[str, Any], done: int | None):
        from torch.utils.tensorboard import SummaryWriter

        # What was logged after the checkpoint is logged again, and TensorBoard would show both.
        purge = None if done is None else done + 1
        self._writer = SummaryWriter(run_dir / "tensorboard", purge_step=purge)
        self._writer.add_text("config", str(config))

    def log(self, metrics: Metrics, iteration: int) -> None:
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, iteration)

    def close(self) -> None:
        self._writer.close()


class _WandbLike:
    """wandb and trackio share one interface."""

    def __init__(self, module: Any, run_dir: Path, config: dict[str, Any], **identity: str):
        self._module = module
        module.init(project="vineppo", name=run_dir.name, config=config, **identity)

    def log(self, metrics: Metrics, iteration: int) -> None:
        self._module.log(metrics, step=iteration)

    def close(self) -> None:
        self._module.finish()


def _wandb(run_dir: Path, config: dict[str, Any], done: int | None) -> Tracker:
    import wandb  # pyright: ignore[reportMissingImports]

    file = run_dir / IDENTITY
    known = json.loads(file.read_text(encoding="utf-8")) if done is not None and file.exists() else {}
    identity = known.get("wandb", uuid.uuid4().hex[:12])
    tracker = _WandbLike(wandb, run_dir, config, id=identity, resume="allow")
    run_dir.mkdir(parents=True, exist_ok=True)
    write_atomically(file, json.dumps({"wandb": identity}))
    return tracker


def _trackio(run_dir: Path, config: dict[str, Any], done: int | None) -> Tracker:
    import trackio  # pyright: ignore[reportMissingImports]

    # trackio knows a run by its name.
    return _WandbLike(trackio, run_dir, config, resume="never" if done is None else "allow")
