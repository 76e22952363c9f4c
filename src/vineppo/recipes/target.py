"""What is analysed: a checkpoint of a run, which brings its config and its value network, or a policy folder."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vineppo.checkpoint import CRITIC, checkpoints, run_of, verify_checkpoint
from vineppo.config.load import load_config
from vineppo.config.schema import Config
from vineppo.errors import UserError
from vineppo.places import nearest


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """A policy, its task and its sampling law."""

    name: str
    """For people."""
    config: Config
    """`policy.path` is the folder to analyse."""
    iteration: int | None
    """Of the checkpoint; None for a policy folder."""
    critic: Path | None
    """The value network's weights, where there are some."""
    home: Path
    """Where the analysis is written unless another place is named."""


def find_target(path: Path | None, overrides: Sequence[str], *, policy: str | None, checkpoint: int | None) -> Target:
    """From the words of the command line: a run directory or one of its checkpoints, or a config file (None: defaults).

    Raises UserError where nothing can be analysed.
    """
    if path is not None and not path.exists() and path.suffix not in (".yaml", ".yml"):
        raise UserError(
            f"{path} is not there{nearest(path)}; name a run directory, or a policy folder with --policy DIR"
        )
    if path is not None and path.is_dir():
        if policy is not None or any(word.startswith(("policy=", "policy.path=")) for word in overrides):
            raise UserError(f"{path} is a directory and brings its own policy; leave out either it or the other policy")
        run, iteration = _run_and_iteration(path, checkpoint)
        return _of_run(run, overrides, iteration)
    if checkpoint is not None:
        raise UserError(f"--checkpoint is {checkpoint}, but no run directory is named; put it first")
    named = [] if policy is None else [_policy_path(policy)]
    config = load_config(path, [*overrides, *named])
    name = Path(config.policy.path).name.replace(":", "-")
    return Target(name=name, config=config, iteration=None, critic=None, home=Path("runs/analysis") / name)


def _run_and_iteration(folder: Path, checkpoint: int | None) -> tuple[Path, int | None]:
    """A run directory is named as it is, or by one of its checkpoints."""
    if (folder / "config.yaml").exists():
        return folder, checkpoint
    run = run_of(folder)
    if (run / "config.yaml").exists() and folder.name.isdigit():
        if checkpoint not in (None, int(folder.name)):
            raise UserError(f"--checkpoint is {checkpoint}, but {folder} is another one; leave out one of them")
        return run, int(folder.name)
    if (folder / "config.json").exists():
        raise UserError(f"{folder} is a policy folder, no run; name it with --policy {folder}")
    raise UserError(f"{folder} holds no run (no config.yaml); name a run directory, or a policy with --policy DIR")


def _of_run(run: Path, overrides: Sequence[str], iteration: int | None) -> Target:
    """Its newest checkpoint, or the one of an iteration; where all were deleted, the trained policy."""
    found = {int(folder.name): folder for folder in checkpoints(run / "checkpoints")}
    if iteration is not None and iteration not in found:
        there = ", ".join(map(str, found)) or "none"
        raise UserError(f"--checkpoint is {iteration}, but {run} has no such checkpoint; there are: {there}")
    folder = found.get(max(found, default=0) if iteration is None else iteration)
    if folder is None and not (run / "policy").is_dir():
        raise UserError(f"{run} has neither a checkpoint nor a trained policy yet; let it run for an iteration")
    if folder is not None:
        verify_checkpoint(folder)
    policy = run / "policy" if folder is None else folder / "policy"
    critic = None if folder is None else folder / CRITIC
    return Target(
        name=run.resolve().name,
        config=load_config(run / "config.yaml", [*overrides, _policy_path(str(policy))]),
        iteration=None if folder is None else int(folder.name),
        critic=critic if critic is not None and critic.exists() else None,
        home=run / "analysis" / ("policy" if folder is None else folder.name),
    )


def _policy_path(folder: str) -> str:
    # JSON text is YAML text: a folder named 007 or `a: b` stays what it is.
    return f"policy.path={json.dumps(folder, ensure_ascii=False)}"
