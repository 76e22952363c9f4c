"""Words for numbers, and visible forms of characters that would mislead a reader."""

import math
import re
from typing import Literal

NOT_MEASURED = "not measured"
NOTHING = "\N{EN DASH}"
"""NOT_MEASURED where there is no room for words."""
MINUS = "\N{MINUS SIGN}"
TIMES = "\N{MULTIPLICATION SIGN}"
THIN = "\N{NARROW NO-BREAK SPACE}"

Unit = Literal["share", "number", "count", "seconds"]
"""How a quantity is written: as a percentage, a plain number, a number of things, a length of time."""

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_DIRECTIONS = re.compile(r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_SURROGATES = re.compile(r"[\ud800-\udfff]")


def visible(text: str) -> str:
    """Text with control characters, marks of writing direction and lone surrogates made visible.

    The first two would hide or reorder what a model wrote; the last cannot be written as UTF-8. Line breaks and
    tabs stay. This is no HTML escaping: the template does that.
    """
    text = _CONTROLS.sub(lambda found: _picture(ord(found[0])), text)
    text = _DIRECTIONS.sub(lambda found: f"\u27e8U+{ord(found[0]):04X}\u27e9", text)
    return _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", text)


def _picture(code: int) -> str:
    if code < 0x20:
        return chr(0x2400 + code)
    return "\N{SYMBOL FOR DELETE}" if code == 0x7F else f"\u27e8U+{code:04X}\u27e9"


def quantity(value: float | None, unit: Unit) -> str:
    """A value with its unit, as short as it can be read."""
    if value is None:
        return NOT_MEASURED
    if not math.isfinite(value):
        return "not finite"
    match unit:
        case "share":
            return f"{_signed(f'{100 * value:.1f}')}{THIN}%"
        case "number":
            return _signed(f"{value:.3g}") if abs(value) < 1000 else count(value)
        case "count":
            return count(value)
        case "seconds":
            return duration(value)


def count(value: float) -> str:
    """9,876 stays exact; 12,345,678 becomes 12.3 M."""
    if abs(value) < 10_000:
        return _signed(f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.1f}")
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M")):
        # 999,950 would round to 1000 k
        if abs(value) >= 0.99995 * size:
            return f"{_signed(f'{value / size:.3g}')}{THIN}{letter}"
    return f"{_signed(f'{value / 1e3:.1f}')}{THIN}k"


def duration(seconds: float) -> str:
    """3 ms, 42.1 s, 12 min 30 s, 3 h 05 min."""
    if 0 < seconds < 0.0995:
        return f"{1000 * seconds:.2g}{THIN}ms"
    if seconds < 59.95:
        return f"{seconds:.3g}{THIN}s" if seconds < 10 else f"{seconds:.1f}{THIN}s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}{THIN}min {whole % 60:02d}{THIN}s"
    minutes = round(seconds / 60)
    return f"{minutes // 60:,}{THIN}h {minutes % 60:02d}{THIN}min"


def signed(value: float) -> str:
    """An advantage: always with its sign, except zero."""
    if not math.isfinite(value):
        return "not finite"
    rounded = f"{value:+.2f}"
    return "0.00" if float(rounded) == 0 else _signed(rounded)


def plural(number: int, thing: str) -> str:
    """1 rollout, 9 rollouts."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def _signed(digits: str) -> str:
    return digits.replace("-", MINUS)
