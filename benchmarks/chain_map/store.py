"""Results a line each, so that a stopped map continues where it was."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Generic, TypeVar

Record = TypeVar("Record")


class Store(Generic[Record]):
    """Records of one kind by their place: what is there already is not computed again."""

    def __init__(self, path: Path, kind: Callable[..., Record]):
        self._path, self._records = path, {}
        if path.exists():
            for line in map(json.loads, path.read_text().splitlines()):
                self._records[tuple(line["place"])] = kind(**line["record"])

    def __contains__(self, place: tuple[Any, ...]) -> bool:
        return place in self._records

    def __getitem__(self, place: tuple[Any, ...]) -> Record:
        return self._records[place]

    def get(self, place: tuple[Any, ...], compute: Callable[[], Record]) -> Record:
        """What is there, or else computed and written down."""
        if place not in self._records:
            self._records[place] = record = compute()
            self._path.parent.mkdir(parents=True, exist_ok=True)
            short = {name: rounded(value) for name, value in asdict(record).items()}  # type: ignore[call-overload]
            with self._path.open("a") as file:
                file.write(json.dumps({"place": place, "record": short}) + "\n")
        return self._records[place]


def rounded(value: Any) -> Any:
    """Six digits say all."""
    return float(f"{value:.6g}") if isinstance(value, float) else value
