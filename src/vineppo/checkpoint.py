"""Numbered checkpoints, written whole or not at all.

A checkpoint is a folder. It is filled under a temporary name, every file is flushed to the disk and listed with its
digest in manifest.json, and one rename makes it appear. So a folder with a final name is complete, whenever the process
was killed; a folder that was damaged later is recognised by its digests.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from vineppo.errors import UserError

MANIFEST = "manifest.json"
PARTIAL = ".partial"


def write_checkpoint(root: Path, iteration: int, fill: Callable[[Path], None]) -> Path:
    """`fill` writes the files into the folder it is given. Replaces a checkpoint of the same iteration."""
    root.mkdir(parents=True, exist_ok=True)
    partial, final = root / f"{iteration:06d}{PARTIAL}", root / f"{iteration:06d}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    fill(partial)
    files = sorted(path for path in partial.rglob("*") if path.is_file())
    manifest = {str(path.relative_to(partial)): _digest(path) for path in files}
    (partial / MANIFEST).write_text(json.dumps(manifest, indent=1))
    for path in (*files, partial / MANIFEST, partial):
        _flush(path)
    shutil.rmtree(final, ignore_errors=True)
    partial.rename(final)
    _flush(root)
    return final


def checkpoints(root: Path) -> list[Path]:
    """Complete checkpoints, oldest first."""
    found = (path for path in root.glob("[0-9]*") if path.is_dir() and path.name.isdigit())
    return sorted(found, key=lambda path: int(path.name))


def verify_checkpoint(folder: Path) -> None:
    """Raise UserError when a file is missing or is not what was written."""
    remedy = f"delete {folder} to resume from the checkpoint before it"
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
    """Delete all but the newest `keep` and those whose iteration is a multiple of `keep_every` (0: none)."""
    for folder in checkpoints(root)[:-keep]:
        if not (keep_every and int(folder.name) % keep_every == 0):
            shutil.rmtree(folder)
    for leftover in root.glob(f"*{PARTIAL}"):
        shutil.rmtree(leftover)


def write_atomically(path: Path, text: str) -> None:
    """Replace a file's content in one step: readers see the old or the new, never half."""
    partial = path.with_name(path.name + PARTIAL)
    partial.write_text(text, encoding="utf-8")
    _flush(partial)
    os.replace(partial, path)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
