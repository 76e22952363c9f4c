"""The configurations that come along: listed, and copied to where they can be changed."""

import shutil
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from vineppo.errors import UserError

HOME = Path(__file__).parent / "configs"
"""A link to the repository's `configs`; where the package is installed, the files themselves."""


def shipped() -> dict[str, Path]:
    """By the name that `vineppo configs` takes: the path from here, without its ending."""
    return {path.relative_to(HOME).with_suffix("").as_posix(): path for path in sorted(HOME.glob("**/*.yaml"))}


def list_configs() -> str:
    """A line each: its name, and how its file begins."""
    files = shipped()
    width = max(map(len, files))
    return "\n".join(f"{name:<{width}}  {first_sentence(path)}" for name, path in files.items())


def first_sentence(path: Path) -> str:
    """Of the comment at the top; empty where there is none."""
    lines = path.read_text(encoding="utf-8").splitlines()
    told = [line.lstrip("# ") for line in lines[: next((i for i, s in enumerate(lines) if s[:1] != "#"), None)]]
    return " ".join(told).partition(". ")[0].rstrip(".")


def copy_configs(names: list[str], out: Path) -> list[Path]:
    """The named ones, or all, into a folder. Raises UserError for names that are none, and for files that are there."""
    files = shipped()
    for name in names:
        if name not in files:
            raise UserError(f"{name} is no configuration that comes along; {likely(name, files)}")
    copies = {files[name]: (out / name).with_suffix(".yaml") for name in names or files}
    for copy in copies.values():
        if copy.exists():
            raise UserError(f"{copy} is there already; name another folder with --out, or delete it")
    for file, copy in copies.items():
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    return list(copies.values())


def likely(name: str, files: Iterable[str]) -> str:
    """Which was meant, or how to see all."""
    near = get_close_matches(name, list(files), n=1)
    return f"did you mean {near[0]}?" if near else "see them all with vineppo configs"
