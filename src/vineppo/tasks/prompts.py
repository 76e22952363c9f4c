"""Prompts from dataset rows: text, or chat messages that the policy's chat template turns into text."""

from collections.abc import Mapping, Sequence

from vineppo.errors import UserError
from vineppo.tasks.rows import one_line, require_columns
from vineppo.tasks.templates import fill
from vineppo.types import Message, Prompt

EXPECTED = "text, or a list of messages such as {'role': 'user', 'content': '1 + 1?'}"


def read_prompts(rows: Sequence[Mapping[str, object]], column: str, where: str, template: str) -> list[Prompt]:
    """The prompt of each row. `template` is for text; messages have the policy's chat template."""
    require_columns(rows, [column], where)
    return [
        read_prompt(row[column], f"{where}: column {column!r} of row {number}", template)
        for number, row in enumerate(rows, 1)
    ]


def read_prompt(value: object, where: str, template: str) -> Prompt:
    """One prompt. `where` opens the message: which one this is."""
    match value:
        case str():
            return fill(template, [value])[0]
        case [_, *_]:
            return tuple(read_message(message, where) for message in value)
        case _:
            raise UserError(f"{where} is {type(value).__name__} {one_line(repr(value))}; make it {EXPECTED}")


def read_message(value: object, where: str) -> Message:
    """One turn; keys besides role and content are for others."""
    match value:
        case {"role": str(role), "content": str(content)}:
            return Message(role=role, content=content)
        case _:
            raise UserError(f"{where} holds {one_line(repr(value))}, which is no message; make it {EXPECTED}")
