"""Whether a place that a setting names is there. Torch-free; nothing is fetched."""

import re
from pathlib import Path

from vineppo.errors import UserError
from vineppo.places import HUB_NAME, nearest

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
    near, home = nearest(place), place.parent
    looks_so = HUB_NAME.fullmatch(path) and not FILE.search(path)
    if looks_so and not near and (home == Path() or not home.is_dir()):
        return False
    raise UserError(f"{setting} {path!r} is not there{near}; name what is, or a name on the Hub")
