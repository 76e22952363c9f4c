"""Numbered checkpoints, written whole or not at all.

A checkpoint is a folder. It is filled under a temporary name, every file is flushed to the disk and listed with its
digest in manifest.json, and one rename makes it appear. So a folder with a final name is complete, whenever the process
was killed; a folder that was damaged later is recognised by its digests.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

from vineppo.disk import PARTIAL, write_folder
from vineppo.errors import UserError

MANIFEST = "manifest.json"
BETWEEN = "between"
"""An empty file in a checkpoint that goes when the next is there."""
CRITIC = "critic.safetensors"
"""The value network's weights, where a run has one."""


def write_checkpoint(root: Path, iteration: int, fill: Callable[[Path], None], *, regular: bool = True) -> Path:
    """`fill` writes the files into the folder it is given. Replaces a checkpoint of the same iteration.

    One that is not regular is not flushed: it outlives the process, but perhaps not the machine. Raises UserError where
    the disk is full.
    """
    final = root / f"{iteration:06d}"

    def fill_and_list(partial: Path) -> None:
        fill(partial)
        if not regular:
            (partial / BETWEEN).touch()
        files = sorted(path for path in partial.rglob("*") if path.is_file())
        manifest = {str(path.relative_to(partial)): _digest(path) for path in files}
        (partial / MANIFEST).write_text(json.dumps(manifest, indent=1))

    write_folder(final, fill_and_list, durable=regular)
    return final


def checkpoints(root: Path) -> list[Path]:
    """Complete checkpoints, oldest first."""
    found = (path for path in root.glob("[0-9]*") if path.is_dir() and path.name.isdigit())
    return sorted(found, key=lambda path: int(path.name))


def run_of(folder: Path) -> Path:
    """The run that a checkpoint is of; of any other folder itself, made absolute."""
    whole = folder.resolve()
    return whole.parents[1] if whole.parent.name == "checkpoints" else whole


def verify_checkpoint(folder: Path) -> None:
    """Raise UserError when a file is missing or is not what was written."""
    older = [other for other in checkpoints(folder.parent) if int(other.name) < int(folder.name)]
    remedy = (
        f"delete {folder} to resume from the checkpoint before it, {older[-1].name}"
        if older
        else f"there is none before it: delete {folder} to start from the beginning (checkpoint.keep=2 keeps a spare)"
    )
    try:
        manifest = dict(json.loads((folder / MANIFEST).read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"checkpoint {folder} has no readable {MANIFEST}; {remedy}") from error
    for name, digest in manifest.items():
        path = folder / name
        if not path.is_file():
            raise UserError(f"checkpoint {folder} lacks {name}; {remedy}")
        if _digest(path) != digest:
            raise UserError(f"checkpoint {folder} is damaged: {name} is not what was written; {remedy}")


def prune_checkpoints(root: Path, *, keep: int, keep_every: int) -> None:
    """Delete all but the newest `keep` and those whose iteration is a multiple of `keep_every` (0: none).

    Those written between regular ones go too, once they are not the newest.
    """
    found = checkpoints(root)
    regular = [folder for folder in found if not (folder / BETWEEN).exists()]
    for folder in (*regular[:-keep], *(folder for folder in found[:-1] if folder not in regular)):
        if not (keep_every and int(folder.name) % keep_every == 0):
            shutil.rmtree(folder)
    for leftover in root.glob(f"*{PARTIAL}"):
        shutil.rmtree(leftover)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
