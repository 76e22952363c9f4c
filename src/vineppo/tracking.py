"""Experiment trackers besides metrics.jsonl. One small adapter each; their packages come with vineppo[trackers]."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Protocol

from vineppo.errors import UserError
from vineppo.metrics import Metrics

TrackerName = Literal["none", "tensorboard", "wandb", "trackio"]


class Tracker(Protocol):
    """Somewhere metrics go."""

    def log(self, metrics: Metrics, iteration: int) -> None:
        """One iteration's metrics."""
        ...

    def close(self) -> None:
        """Flush."""
        ...


def build_tracker(name: TrackerName, run_dir: Path, config: dict[str, Any]) -> Tracker | None:
    """The tracker of that name, or None. Raises UserError when its package is not installed."""
    builders: dict[str, Callable[[Path, dict[str, Any]], Tracker]] = {
        "tensorboard": _TensorBoard,
        "wandb": _wandb,
        "trackio": _trackio,
    }
    if name == "none":
        return None
    try:
        return builders[name](run_dir, config)
    except ImportError as error:
        raise UserError(
            f"run.tracker is {name!r}, whose package is not installed; run: pip install 'vineppo[trackers]'"
        ) from error


class _TensorBoard:
    def __init__(self, run_dir: Path, config: dict[str, Any]):
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(run_dir / "tensorboard")
        self._writer.add_text("config", str(config))

    def log(self, metrics: Metrics, iteration: int) -> None:
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, iteration)

    def close(self) -> None:
        self._writer.close()


class _WandbLike:
    """wandb and trackio share one interface."""

    def __init__(self, module: Any, run_dir: Path, config: dict[str, Any]):
        self._module = module
        module.init(project="vineppo", name=run_dir.name, config=config)

    def log(self, metrics: Metrics, iteration: int) -> None:
        self._module.log(metrics, step=iteration)

    def close(self) -> None:
        self._module.finish()


def _wandb(run_dir: Path, config: dict[str, Any]) -> Tracker:
    import wandb  # pyright: ignore[reportMissingImports]

    return _WandbLike(wandb, run_dir, config)


def _trackio(run_dir: Path, config: dict[str, Any]) -> Tracker:
    import trackio  # pyright: ignore[reportMissingImports]

    return _WandbLike(trackio, run_dir, config)
