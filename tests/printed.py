"""The commands that README.md and docs/*.md print: lines of their code blocks, and code within a sentence."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAMS = r"(?:[A-Z_]+=\S* +)*(?:vineppo|python3?|pytest|make|pip|accelerate|torchrun|hf|uv|ray|trl)"
"""What a command begins with, perhaps after variables of the environment."""
LINE = re.compile(rf"\s*(?P<command>{PROGRAMS} .*)")
INLINE = re.compile(rf"`({PROGRAMS} [^`]+)`")
FENCE = re.compile(r"\s*```(\w*)")
REMARK = re.compile(r"\s{2,}\S.*$|\s+#.*$")
"""What stands behind a command: what it is for."""


@dataclass(frozen=True)
class Printed:
    page: str
    text: str
    is_inline: bool

    @cached_property
    def environment(self) -> dict[str, str]:
        return dict(word.split("=", 1) for word in self._words[: self._start])

    @cached_property
    def words(self) -> list[str]:
        """The program, and what it is given; up to a pipe."""
        return self._words[self._start :]

    @cached_property
    def _words(self) -> list[str]:
        return shlex.split(self.text.partition(" | ")[0])

    @property
    def _start(self) -> int:
        return next(i for i, word in enumerate(self._words) if not re.match(r"[A-Z_]+=", word))

    def __str__(self) -> str:
        return f"{self.page}: {self.text[:90]}"


def commands(page: Path) -> Iterator[Printed]:
    """Those of code blocks in order, of a shell's loop too; then those within sentences."""
    text = re.sub(r"[ \t]*\\\n\s*", " ", page.read_text(encoding="utf-8"))
    block, prose = None, list[str]()
    for line in text.splitlines():
        if fence := FENCE.match(line):
            block = fence[1] if block is None else None
        elif block in ("", "bash", "sh") or (block is None and line.startswith("    ")):
            if found := LINE.match(line):
                yield Printed(page.name, REMARK.sub("", found["command"]).strip(), False)
        elif block is None:
            prose.append(line)
    for own in INLINE.findall("\n".join(prose)):
        yield Printed(page.name, " ".join(own.split()), True)


def every_command() -> list[Printed]:
    """Each once, where it first stands."""
    found: dict[str, Printed] = {}
    for page in PAGES:
        for command in commands(page):
            found.setdefault(command.text, command)
    return list(found.values())
