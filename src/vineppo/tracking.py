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
"""In the run directory: which run of the tracker's this one is, so that a resumed run goes on in it."""
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
    """wandb and trackio share one interface. What was told is not told twice: a run that goes on makes the iterations
    after its checkpoint again, to the same numbers."""

    def __init__(self, module: Any, told: "_Told", **identity: Any):
        self._module, self._told = module, told
        module.init(project="vineppo", **identity)
        told.keep()

    def log(self, metrics: Metrics, iteration: int) -> None:
        if iteration > self._told.iteration:
            self._module.log(metrics, step=iteration)
            self._told.iteration = iteration
            self._told.keep()

    def close(self) -> None:
        self._module.finish()


class _Told:
    """Which run of a tracker's this one is, and the last iteration it was told, in the run directory."""

    def __init__(self, name: TrackerName, run_dir: Path, *, again: bool):
        self._file, self._tracker = run_dir / IDENTITY, name
        known = json.loads(self._file.read_text(encoding="utf-8")) if again and self._file.exists() else {}
        self.goes_on = known.get("tracker") == name
        self.run: str = known["run"] if self.goes_on else uuid.uuid4().hex[:12]
        self.iteration: int = known["told"] if self.goes_on else -1

    def keep(self) -> None:
        """Write it down."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self._file, json.dumps({"tracker": self._tracker, "run": self.run, "told": self.iteration}))


def _wandb(run_dir: Path, config: dict[str, Any], done: int | None) -> Tracker:
    import wandb  # pyright: ignore[reportMissingImports]

    told = _Told("wandb", run_dir, again=done is not None)
    return _WandbLike(wandb, told, id=told.run, name=run_dir.name, config=config, resume="allow")


def _trackio(run_dir: Path, config: dict[str, Any], done: int | None) -> Tracker:
    import trackio  # pyright: ignore[reportMissingImports]

    told = _Told("trackio", run_dir, again=done is not None)
    # trackio knows a run by its name, and another run's directory may be called the same.
    name = f"{run_dir.name}-{told.run}"
    return _WandbLike(trackio, told, name=name, config=config, resume="allow" if told.goes_on else "never")
