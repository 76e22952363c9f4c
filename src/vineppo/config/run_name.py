"""Where a run lives that was not told where: beside its config's `run.dir`, by the settings that make it another run.

    configs/arithmetic.yaml                                 runs/arithmetic
    configs/arithmetic.yaml credit=ppo training.seed=1      runs/arithmetic-ppo-seed=1
    my.yaml, which has no run.dir                           runs/my

The name follows from the words alone, so that the same command with --resume finds its run, and every process the same
place. What a resumed run may do otherwise is no part of it. Torch-free.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path

from vineppo.config.changes import FREE, is_in
from vineppo.config.load import parse_override
from vineppo.config.schema import Config
from vineppo.settings.sections import RunConfig
from vineppo.settings.strict import leaves

LONGEST_WORD, LONGEST = 32, 120
"""Letters of one setting and of all of them; folders may have 255."""
APART = ("engine.name", "engine.pool")
"""A run could go on with others, but whoever asks for them at its start wants to see what they do."""


def with_run_dir(config: Config, path: Path | None, overrides: Sequence[str]) -> Config:
    """The config, its `run.dir` the one of the file and these overrides; unchanged where an override sets it."""
    given = {_whole(key): value for text in overrides for key, value in leaves(parse_override(text)).items()}
    if "run.dir" in given:
        return config
    home = config.run.dir
    if path is not None and home == RunConfig().dir:
        home = f"runs/{path.stem}"
    parts = [part(key, value) for key, value in given.items() if _makes_another_run(key)]
    return config.model_copy(update={"run": config.run.model_copy(update={"dir": "-".join([home, *_short(parts)])})})


def _whole(key: str) -> str:
    """`credit` is short for `credit.name`."""
    return key if "." in key else f"{key}.name"


def _makes_another_run(key: str) -> bool:
    return key != "training.iterations" and (is_in(key, APART) or not is_in(key, FREE))


def _short(parts: Sequence[str]) -> list[str]:
    whole = "-".join(parts)
    if len(whole) <= LONGEST:
        return list(parts)
    return [f"{whole[:LONGEST]}.{_digest(whole)}"]


def part(key: str, value: object) -> str:
    """`rollouts=3`; what a section is, by its name alone."""
    section, _, name = key.rpartition(".")
    return word(value) if name == "name" and "." not in section else f"{name}={word(value)}"


def word(value: object) -> str:
    """Of a file or a class its own name; what is long is cut, and a digest tells it apart."""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    if isinstance(value, str):
        own = text.rstrip("/").rpartition("/")[2]
        slug = plain(own.rpartition(":")[2] or own)
    else:
        slug = re.sub("_+", "_", plain(text)).strip("_")
    return slug if len(slug) <= LONGEST_WORD else f"{slug[:LONGEST_WORD]}.{_digest(text)}"


def plain(text: str) -> str:
    """Without anything that means something in a path."""
    return "".join(letter if letter.isalnum() or letter in "-_.+" else "_" for letter in text)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=3).hexdigest()
