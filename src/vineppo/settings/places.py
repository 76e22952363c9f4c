"""Whether a place that a setting names is there. Torch-free; nothing is fetched."""

import re
from difflib import get_close_matches
from pathlib import Path

from vineppo.errors import UserError

HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")
FILE = re.compile(r"\.(jsonl?|csv|parquet|gz|py|gguf)$")
"""How a file's name ends, and no data set's or model's on the Hub."""


def on_disk(setting: str, path: str) -> bool:
    """Whether the path is there. False: it can only be a name on the Hub.

    Raises UserError where it can be neither: it does not look like such a name, the folder that it would lie in is
    there without it, or something of nearly that name is.
    """
    place = Path(path).expanduser()
    if place.exists():
        return True
    home = place.parent
    siblings = [entry.name for entry in home.iterdir()] if home.is_dir() else []
    near = get_close_matches(place.name, siblings, n=1)
    looks_so = HUB_NAME.fullmatch(path) and not FILE.search(path)
    if looks_so and not near and (home == Path() or not home.is_dir()):
        return False
    holds = f"{home} holds {', '.join(sorted(siblings)[:8]) or 'nothing'}" if home.is_dir() else f"there is no {home}"
    hint = f"did you mean {home / near[0]}?" if near else "correct it"
    raise UserError(f"{setting} {path!r} is not there: {holds}; {hint}")
