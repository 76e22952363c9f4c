"""Which runs are the same experiment, and what to call experiments by the settings in which they differ. Pure."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from vineppo.settings.strict import leaves

Settings = Mapping[str, object]
"""Dotted key to value, e.g. {"credit.name": "vine", "credit.rollouts": 9}."""

LEFT_OUT = ("training.seed", "run", "checkpoint")
"""Settings that do not make another experiment: which seed, and where and how often things are written."""

LONGEST_VALUE = 24
"""Characters of a setting shown in a name."""


def settings_of(config: Mapping[str, object]) -> dict[str, object]:
    """All settings that make an experiment what it is."""
    flat = leaves(dict(config))
    return {key: value for key, value in flat.items() if not any(_is_in(key, part) for part in LEFT_OUT)}


def differing_keys(settings: Sequence[Settings]) -> list[str]:
    """Keys that have more than one value among those experiments that have them, in the order of the config.

    What has one value for each name of its section (a method's own default) goes without saying beside the names.
    """
    keys = dict.fromkeys(key for each in settings for key in each)
    return [key for key in keys if _differs(key, settings)]


def _differs(key: str, settings: Sequence[Settings]) -> bool:
    section, _, last = key.rpartition(".")
    name = f"{section}.name"
    values: dict[str, set[str]] = defaultdict(set)
    for each in settings:
        if key in each:
            values[json.dumps(each.get(name)) if last != "name" else ""].add(json.dumps(each[key]))
    return any(len(own) > 1 for own in values.values())


def names_of(settings: Sequence[Settings], fallbacks: Sequence[str]) -> list[str]:
    """A short, distinct name for each of several different experiments.

    `fallbacks` tell apart what no shared setting does, e.g. runs made before a setting existed.
    """
    keys = differing_keys(settings)
    last = Counter(key.rpartition(".")[2] for key in keys)
    names = []
    for own in settings:
        parts = [_part(key, own[key], long=last[key.rpartition(".")[2]] > 1) for key in keys if key in own]
        names.append(" ".join(parts) or str(own.get("credit.name", "")))
    alike = Counter(names)
    return [
        name if alike[name] == 1 and name else f"{name} ({other})".strip()
        for name, other in zip(names, fallbacks, strict=True)
    ]


def _part(key: str, value: object, *, long: bool) -> str:
    section, _, last = key.rpartition(".")
    if last == "name" and section:
        return str(value)
    text = value if isinstance(value, str) else json.dumps(value)
    text = text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"
    return f"{key if long else last}={text}"


def _is_in(key: str, part: str) -> bool:
    return key == part or key.startswith(f"{part}.")
