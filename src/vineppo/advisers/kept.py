"""Answers of an endpoint, kept on disk: one file each, and what they cost together.

Asked the same again, the file answers: a run that goes on finds what it was told before, and nothing is paid twice.
"""

import hashlib
import json
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from vineppo.disk import write_atomically
from vineppo.errors import UserError

MILLION = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """An answer, and the tokens it was paid by."""

    text: str
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What may be spent on all answers of a folder; None: no limit. Prices are of a million tokens."""

    tokens: int | None
    cost: float | None
    prompt_price: float
    completion_price: float

    def price(self, told: Told) -> float:
        """Of one answer."""
        paid = told.prompt_tokens * self.prompt_price + told.completion_tokens * self.completion_price
        return paid / MILLION


class Kept:
    """A folder of answers. Threads may share it."""

    def __init__(self, folder: Path, limits: Limits, where: str):
        """`where` opens complaints. What the folder holds already counts as spent."""
        self._folder, self._limits, self._where, self._lock = folder, limits, where, threading.Lock()
        self._tokens, self._cost = 0, 0.0
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{where}.cache {folder} cannot be written ({error.strerror}); give another") from error
        for path in sorted(folder.glob("*.json")):
            self._count(_read(path, where))

    def find(self, asked: Mapping[str, object]) -> Told | None:
        """What was answered to the very same."""
        path = self._path(asked)
        return _read(path, self._where) if path.exists() else None

    def keep(self, asked: Mapping[str, object], told: Told) -> None:
        """Write it down, and count it."""
        with self._lock:
            self._count(told)
        text = json.dumps({**asked, **asdict(told)}, ensure_ascii=False, indent=1)
        write_atomically(self._path(asked), text + "\n")

    def check_limits(self) -> None:
        """Raise UserError where nothing more may be spent. Requests under way may still exceed a limit a little."""
        limits = self._limits
        if limits.tokens is not None and self._tokens >= limits.tokens:
            raise UserError(
                f"{self._where}.token_limit is {limits.tokens:,}, and the answers in {self._folder} have taken "
                f"{self._tokens:,} tokens; raise it and go on with --resume"
            )
        if limits.cost is not None and self._cost >= limits.cost:
            raise UserError(
                f"{self._where}.cost_limit is {limits.cost:g}, and the answers in {self._folder} have cost "
                f"{self._cost:.4g}; raise it and go on with --resume"
            )

    def _count(self, told: Told) -> None:
        self._tokens += told.prompt_tokens + told.completion_tokens
        self._cost += self._limits.price(told)

    def _path(self, asked: Mapping[str, object]) -> Path:
        text = json.dumps(asked, sort_keys=True, ensure_ascii=True, default=str)
        return self._folder / f"{hashlib.blake2b(text.encode(), digest_size=16).hexdigest()}.json"


def _read(path: Path, where: str) -> Told:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Told(**{name: found[name] for name in Told.__dataclass_fields__})
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{where}.cache: {path} is no answer kept here ({error!r}); delete the file") from error
