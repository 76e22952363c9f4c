"""The Hugging Face Hub, asked once whether it answers. Its libraries try half a minute a file before they say so."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ssl import SSLError
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

TIMEOUT = 10.0
"""Seconds."""
SWITCH = "HF_HUB_OFFLINE"
"""Of huggingface_hub and of datasets, which looks at its own."""


@contextmanager
def asked_once() -> Iterator[str]:
    """Within, nobody asks a Hub that does not answer, and what was fetched before is taken as it is.

    Yields why it does not answer; empty where it does. `datasets` must be imported before, where it is used within: it
    looks only once whether to ask.
    """
    from huggingface_hub import constants

    offline = constants.HF_HUB_OFFLINE
    why = "HF_HUB_OFFLINE is set" if offline else silence(constants.ENDPOINT)
    told = [constants, *(module for name in ("datasets.config",) if (module := sys.modules.get(name)) is not None)]
    before = [getattr(module, SWITCH) for module in told]
    try:
        for module in told if why else ():
            setattr(module, SWITCH, True)
        yield why
    finally:
        for module, value in zip(told, before, strict=True):
            setattr(module, SWITCH, value)


def silence(endpoint: str) -> str:
    """Why a server does not answer; empty where it does, whatever it says."""
    try:
        with urlopen(Request(endpoint, method="HEAD"), timeout=TIMEOUT):
            return ""
    except HTTPError:
        return ""
    except URLError as error:  # certificates are the libraries' own affair
        return "" if isinstance(error.reason, SSLError) else str(error.reason)
    except OSError as error:
        return str(error) or type(error).__name__
