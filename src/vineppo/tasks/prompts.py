"""Prompts from dataset rows: text, or chat messages that the policy's chat template turns into text."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from vineppo.errors import UserError
from vineppo.tasks.rows import one_line, require_columns
from vineppo.tasks.templates import Wording
from vineppo.types import Conversation, Message, Prompt, messages_of

EXPECTED_MESSAGES = "a list of messages such as {'role': 'user', 'content': '1 + 1?'}"
EXPECTED = f"text, or {EXPECTED_MESSAGES}"

TOOLS, TEMPLATE_KWARGS = "tools", "chat_template_kwargs"
"""Columns that the chat template reads, named as TRL names them."""


def read_prompts(
    rows: Sequence[Mapping[str, object]],
    column: str,
    where: str,
    wording: Wording,
    *,
    setting: str | None = "task.prompt_column=",
) -> list[Prompt]:
    """The prompt of each row. `wording` is for text; messages have the policy's chat template. `setting` names the
    column, if one does."""
    require_columns(rows, [column], where, setting)
    return [
        with_extras(
            read_prompt(row[column], f"{where}: column {column!r} of row {number}", wording), row, where, number
        )
        for number, row in enumerate(rows, 1)
    ]


def with_extras(prompt: Prompt, row: Mapping[str, object], where: str, number: int) -> Prompt:
    """What the row has for the chat template besides: tools, and arguments of its own."""
    tools, kwargs = _parsed(row.get(TOOLS)), _parsed(row.get(TEMPLATE_KWARGS))
    if not tools and not kwargs:
        return prompt
    if isinstance(prompt, str):
        given = TOOLS if tools else TEMPLATE_KWARGS
        raise UserError(
            f"{where}: row {number} has {given!r}, which only a chat template can write, but its prompt is text; make "
            f"the prompt {EXPECTED_MESSAGES}, or drop the column {given!r}"
        )
    if not (isinstance(tools, list | tuple | None) and all(isinstance(tool, Mapping) for tool in tools or ())):
        raise UserError(
            f"{where}: column {TOOLS!r} of row {number} is {one_line(repr(tools))}; make it a list of JSON schemas"
        )
    if not isinstance(kwargs, Mapping | None):
        raise UserError(
            f"{where}: column {TEMPLATE_KWARGS!r} of row {number} is {one_line(repr(kwargs))}; make it an object"
        )
    given = {str(name): value for name, value in (kwargs or {}).items() if value is not None}
    return Conversation(messages=messages_of(prompt), tools=tuple(tools or ()), template_kwargs=given)


def _parsed(value: object) -> Any:
    """Tables often hold such things as JSON text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def read_prompt(value: object, where: str, wording: Wording) -> Prompt:
    """One prompt. `where` opens the message: which one this is."""
    match value:
        case str():
            return wording([value])[0]
        case [_, *_]:
            return tuple(read_message(message, where) for message in value)
        case _:
            raise UserError(f"{where} is {type(value).__name__} {one_line(repr(value))}; make it {EXPECTED}")


def read_message(value: object, where: str) -> Message:
    """One turn; what it has besides role and content is for the chat template. Tables fill gaps with None: left out."""
    match value:
        case {"role": str(role), "content": str(content), **rest}:
            return Message(role=role, content=content, more={str(k): v for k, v in rest.items() if v is not None})
        case _:
            raise UserError(f"{where} holds {one_line(repr(value))}, which is no message; make it {EXPECTED}")
