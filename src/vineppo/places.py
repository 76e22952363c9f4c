"""Paths that people type: what stands nearest to one that is not there."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")
"""Of a model or a data set: NAME or OWNER/NAME."""
FILE = re.compile(r"\.(jsonl?|csv|parquet|gz|py|gguf|ya?ml|safetensors)$")
"""How a file's name ends, and no data set's or model's on the Hub."""


def may_be_hub_name(path: str) -> bool:
    """Whether a path that is not there can be a name on the Hub. That a folder of the owner's name is here tells
    nothing: many keep there what they fetched."""
    return HUB_NAME.fullmatch(path) is not None and FILE.search(path) is None


def nearest(path: str | Path, *, also: str = "") -> str:
    """` (did you mean X?)`, of what lies beside a path that is not there, or in the folder `also`; empty where nothing
    is like it. Where its folder is not there either, the folder's neighbours are looked at.
    """
    asked = Path(path).expanduser()
    missing = next((part for part in (*reversed(asked.parents), asked) if not part.exists()), None)
    if missing is None:
        return ""
    homes = [missing.parent, *([Path(also)] if also and missing == asked else [])]
    for home in (home for home in homes if home.is_dir()):
        if name := like(missing.name, sorted(entry.name for entry in home.iterdir())):
            whole = home / name / asked.relative_to(missing)
            return f" (did you mean {whole if whole.exists() else home / name}?)"
    return ""


def like(name: str, names: Sequence[str]) -> str | None:
    """The one that may have been meant, whatever its ending: endings alone make no two names alike."""
    stems = {Path(own).stem: own for own in names}
    near = get_close_matches(Path(name).stem, list(stems), n=1, cutoff=0.7)
    return stems[near[0]] if near else None
