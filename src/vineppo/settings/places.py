"""Whether a place that a setting names is there. Torch-free; nothing is fetched."""

from pathlib import Path

from vineppo.errors import UserError
from vineppo.places import may_be_hub_name, nearest


def on_disk(setting: str, path: str) -> bool:
    """Whether the path is there. False: it can only be a name on the Hub.

    Raises UserError where it can be neither: it does not look like such a name, or something of nearly that name is
    here, and the Hub's was never fetched.
    """
    place = Path(path).expanduser()
    if place.exists():
        return True
    near, hub = nearest(place), may_be_hub_name(path)
    if hub and (not near or was_fetched(path)):
        return False
    remedy = f"or, where the Hub's is meant, fetch it first: hf download {path}" if hub else "or a name on the Hub"
    raise UserError(f"{setting} {path!r} is not there{near}; name what is {remedy}")


def was_fetched(name: str) -> bool:
    """Whether the Hub's cache has a model or a data set of that name."""
    from huggingface_hub import constants

    folders = (f"{kind}--{name.replace('/', '--')}" for kind in ("models", "datasets"))
    return any((Path(constants.HF_HUB_CACHE) / folder).is_dir() for folder in folders)
