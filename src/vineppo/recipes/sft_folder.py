"""The folder that supervised finetuning fills: while it runs its record and checkpoints, in the end the policy.

sft.yaml          the settings
sft.jsonl         a line each time the loss was reported: see `Line`
checkpoints/N/    all that going on after update N needs; gone when the policy is written
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from vineppo.checkpoint import checkpoints, prune_checkpoints, verify_checkpoint, write_checkpoint
from vineppo.config.changes import leaves
from vineppo.config.load import dump_config, load_config
from vineppo.config.schema import SftConfig
from vineppo.disk import append_line, write_atomically
from vineppo.errors import UserError
from vineppo.output_folder import check_empty, fill_folder

FREE = ("output", "device", "policy.device", "micro_batch", "pack_tokens", "gradient_checkpointing", "evaluate_every")
FREE_TOO = ("held_out", "checkpoint_every")
"""Settings that do not decide what is learned."""
STATE, POLICY = "state.pt", "policy"


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """What is known after an update."""

    update: int
    loss: float | None
    """Mean over response tokens since the line before, nats; None before the first update."""
    held_out_loss: float | None
    """Of the held-out demonstrations; None where it was not measured."""
    tokens: int
    """Prompt and response tokens learned from so far."""
    seconds: float
    """Since the beginning, times before interruptions included."""


class SftFolder:
    """Paths and small files."""

    def __init__(self, root: Path):
        self.root = root
        self.config_file, self.lines_file = root / "sft.yaml", root / "sft.jsonl"
        self.checkpoints = root / "checkpoints"

    def open(self, config: SftConfig, *, resume: bool) -> None:
        """Begin anew, or make sure that what is there can go on. Raises UserError where neither can be."""
        if not (resume and self.config_file.exists()):
            check_empty(self.root, "output")
            return
        old, new = (leaves(each.model_dump()) for each in (load_config(self.config_file, [], SftConfig), config))
        differing = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
        if refused := [key for key in differing if key not in (*FREE, *FREE_TOO)]:
            words = "; ".join(f"{key} was {old.get(key)!r} and is now {new.get(key)!r}" for key in refused)
            raise UserError(
                f"output {self.root} holds a finetuning with other settings: {words}; give the old ones to go on, or "
                "another output"
            )

    @property
    def finished(self) -> bool:
        """Whether the policy is written."""
        return self.config_file.exists() and (self.root / "config.json").exists() and not self.checkpoints.exists()

    def begin(self, config: SftConfig) -> None:
        """Say what is made here, as soon as all was found in order."""
        if not self.config_file.exists():
            write_atomically(self.config_file, dump_config(config))

    def add(self, line: Line) -> None:
        """To the record."""
        append_line(self.lines_file, json.dumps(asdict(line)))

    def newest(self) -> Path | None:
        """The checkpoint to go on from, verified; None: begin anew."""
        found = checkpoints(self.checkpoints)
        if not found:
            self.lines_file.unlink(missing_ok=True)
            return None
        verify_checkpoint(found[-1])
        return found[-1]

    def save(self, update: int, save_policy: Callable[[Path], None], state: dict[str, Any]) -> None:
        """One checkpoint, in the place of the one before."""

        def fill(folder: Path) -> None:
            save_policy(folder / POLICY)
            torch.save(state, folder / STATE)

        write_checkpoint(self.checkpoints, update, fill)
        prune_checkpoints(self.checkpoints, keep=1, keep_every=0)

    def state(self, checkpoint: Path) -> dict[str, Any]:
        """What `save` was given; lines made after it are forgotten."""
        state = torch.load(checkpoint / STATE, map_location="cpu", weights_only=True)
        lines = self.lines_file.read_text(encoding="utf-8").splitlines() if self.lines_file.exists() else []
        kept = [line for line in lines if json.loads(line)["update"] <= int(checkpoint.name)]
        write_atomically(self.lines_file, "".join(line + "\n" for line in kept))
        return state

    def finish(self, save_policy: Callable[[Path], None]) -> None:
        """The policy itself, and nothing that is not needed any more."""
        fill_folder(self.root, save_policy)
        shutil.rmtree(self.checkpoints, ignore_errors=True)
