"""The colours of pages and figures, for light and for dark; charts name them as variables of the style sheet."""

COLOURS: dict[str, tuple[str, str]] = {
    "paper": ("#fbfaf8", "#131417"),
    "card": ("#ffffff", "#1b1d21"),
    "line": ("#e4e1db", "#30333a"),
    "ink": ("#1c1b1a", "#ecebe8"),
    "soft": ("#615d57", "#a9a8a5"),
    "accent": ("#6d3fa8", "#b892ee"),
    "plus": ("#3d8fd6", "#3f8ede"),
    "minus": ("#f0932b", "#c9721a"),
    # phases of an iteration
    "curriculum": ("#b5527a", "#cf7a9c"),
    "sample": ("#2f8f8a", "#45a8a2"),
    "judge": ("#2b3038", "#f0f2f5"),
    "credit": ("#6d3fa8", "#b892ee"),
    "update": ("#d9a520", "#d6ac3c"),
    "validate": ("#8f9dad", "#7f8b99"),
    "evaluate": ("#bcc3cc", "#5d6570"),
    "rest": ("#d6d3cd", "#3d4148"),
    # experiments: Okabe and Ito's palette, which colour-blind people tell apart; yellow, too pale for a line, is ink
    "e0": ("#0072b2", "#4aa8e0"),
    "e1": ("#c85a00", "#f08a3c"),
    "e2": ("#00805d", "#2cc295"),
    "e3": ("#b2558f", "#e09ac4"),
    "e4": ("#2b3038", "#f0f2f5"),
    "e5": ("#3a93c4", "#8ccdf2"),
    "e6": ("#a67c00", "#e6b93c"),
    "e7": ("#7b6fc4", "#b0a6f0"),
    # sources of values
    "of-critic": ("#c8500a", "#f08a4b"),
    "of-vine-0": ("#7fb2dc", "#35618c"),
    "of-vine-1": ("#3d8fd6", "#3f8ede"),
    "of-vine-2": ("#1f6bb0", "#7bb8f2"),
    "of-vine-3": ("#0b437c", "#b9dcfb"),
    "of-coupled": ("#11876a", "#3dbd9a"),
    "of-tree": ("#8a2f8f", "#d07ad4"),
    "of-group": ("#a3559b", "#d28bca"),
    "of-grpo": ("#a08a00", "#d8c24a"),
    "of-constant": ("#827d76", "#98948d"),
}
"""Name: (light, dark)."""

_DASHES = {"soft": (3, 3), "e1": (7, 5), "e2": (1, 5), "e3": (9, 4, 1, 4)}
_DASHES |= {"e5": _DASHES["e1"], "e6": _DASHES["e2"], "e7": _DASHES["e3"]}


def variable(name: str) -> str:
    """A colour, as a chart or a style names it."""
    return f"var(--{name})"


def dashes(name: str) -> tuple[int, ...]:
    """Experiments differ in dashes, too; and so does what others are measured by."""
    return _DASHES.get(name, (1, 0))
