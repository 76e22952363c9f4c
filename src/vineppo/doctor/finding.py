"""What a check came to."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """Of one check."""

    OK = "ok"
    WARN = "warn"
    """It will run, but perhaps not as you think."""
    FAIL = "FAIL"
    """It will not run, or not do what it says."""
    NOT_RUN = "not run"
    """Nothing is known; the finding says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One line of the table."""

    check: str
    verdict: Verdict
    found: str
    remedy: str = ""
    """What to do; empty where there is nothing to do."""
