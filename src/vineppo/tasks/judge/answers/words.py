"""Words in answers: which are units, which change a number, and which no unit may hold."""

import re


def words(text: str) -> frozenset[str]:
    """A set of words, written as text."""
    return frozenset(text.split())


SCALES = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
"""Powers of ten."""

UNITS = {
    "percent": "percent pct percents",
    "degree": "degree degrees deg",
    "cm": "cm centimeter centimeters centimetre centimetres",
    "m": "m meter meters metre metres",
    "km": "km kilometer kilometers kilometre kilometres",
    "mm": "mm millimeter millimeters millimetre millimetres",
    "inch": "in inch inches",
    "foot": "ft foot feet",
    "yard": "yd yard yards",
    "mile": "mi mile miles",
    "g": "g gm gram grams",
    "kg": "kg kilogram kilograms",
    "pound": "lb lbs pound pounds",
    "second": "s sec secs second seconds",
    "minute": "min mins minute minutes",
    "hour": "h hr hrs hour hours",
    "day": "day days",
    "week": "week weeks",
    "month": "month months",
    "year": "yr yrs year years",
    "dollar": "dollar dollars usd",
    "cent": "cent cents",
    "liter": "l liter liters litre litres",
    "ml": "ml milliliter milliliters millilitre millilitres",
    "mph": "mph",
    "unit": "unit units",
}
"""One name a unit, and the ways it is written."""
NAMED = {word: unit for unit, written in UNITS.items() for word in words(written)}
LETTERS = frozenset("mgshlLNJWVAK")
"""Single letters that are units where they are set upright; nothing else of one letter is."""
BARE = frozenset(word for word in NAMED if len(word) > 2 and word not in {"min"}) | {"cm", "mm", "km", "kg", "ft"}
"""Units without \\text{}: `90 degrees`. `5m` and `60t` are products."""

FORBIDDEN = words(
    """
    a an not no nor or and but is are was were be been isn't aren't don't doesn't never none neither either if
    then else unless except without maybe perhaps possibly could should would might may can cannot will about
    around approximately roughly nearly almost over under than more less least most up to from between plus minus
    times divided half third quarter double triple twice dozen dozens score pair pairs gross zero one two three
    four five six seven eight nine ten eleven twelve twenty thirty forty fifty sixty seventy eighty ninety i we
    you he she it they this that these those which what wrong false incorrect right correct true answer answers
    guess instead rather actually wait where when for with by so because negative positive infinity base mod
    modulo undefined sorry ignore reject mean means equal equals e.g i.e etc
    """
)
"""Words that say more than what was counted: a text with one of them is no unit."""
WORD = re.compile(r"[A-Za-z][A-Za-z'-]*")
UNIT = re.compile(r"[A-Za-z][A-Za-z' /.^{}0-9-]*")
POWER = re.compile(r"\s*\^\s*\{?\s*(-?[1-9])\s*\}?")
MOST_WORDS = 4


def read_unit(text: str) -> tuple[int, str] | None:
    """The power of ten and the canonical unit that a text after a number means; None where it means anything else."""
    text = POWER.sub(r"^\1", " ".join(text.split())).removesuffix(".").strip()
    words = re.split(r"[ /]+", text)
    scale = 0
    if words and words[0].lower() in SCALES:
        scale = SCALES[words[0].lower()]
        text = text[len(words[0]) :].strip()
        if not text:
            return scale, ""
    parts = [read_product(part) for part in text.split("/")]
    if any(part is None for part in parts) or len(words) > MOST_WORDS:
        return None
    return scale, "/".join(part for part in parts if part)


def read_product(text: str) -> str | None:
    """What stands on one side of a `/`: `square inches`, `cm^2`, `stuffed goats`, `km per hour`."""
    words = text.split()
    if not words:
        return None
    power = {"square": 2, "sq": 2, "sq.": 2, "cubic": 3}.get(words[0].lower())
    if power is not None and len(words) > 1:
        inside = read_product(" ".join(words[1:]))
        return None if inside is None or "^" in inside else f"{inside}^{power}"
    if words[-1] in ("squared", "cubed") and len(words) > 1:
        return read_product(f"{'square' if words[-1] == 'squared' else 'cubic'} {' '.join(words[:-1])}")
    if "per" in words[1:-1]:
        at = words.index("per")
        sides = [read_product(" ".join(side)) for side in (words[:at], words[at + 1 :])]
        return None if None in sides else "/".join(side for side in sides if side)
    read = [read_word(word) for word in words]
    return None if None in read else " ".join(word for word in read if word)


def read_word(text: str) -> str | None:
    """One word, perhaps raised: `inches^2`."""
    word, _, power = text.partition("^")
    if not WORD.fullmatch(word) or word.lower() in FORBIDDEN or word == "per" or word.lower() in SCALES:
        return None
    if len(word) == 1 and word not in LETTERS:
        return None
    if power and not re.fullmatch(r"-?[1-9]", power):
        return None
    known = NAMED.get(word.lower() if len(word) > 2 else word)
    if known is None and len(word) > 1 and word[0].isupper():
        return None  # a name says more than what was counted
    plain = known or (word if len(word) < 4 else word.lower().removesuffix("s"))
    return plain + (f"^{power}" if power not in ("", "1") else "")


def canonical_words(text: str) -> str:
    """Words without case, where they are words and not letters; no full stop at the end."""
    plain = " ".join(text.split()).strip(" .")
    return plain.lower() if len(re.sub(r"[^A-Za-z]", "", plain)) > 1 and not plain.isupper() else plain
