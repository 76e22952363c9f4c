"""Demonstrations from a data set's rows: a prompt and its response, or a conversation whose last message is one."""

from collections.abc import Mapping, Sequence

from vineppo.errors import UserError
from vineppo.tasks.prompts import read_prompts
from vineppo.tasks.rows import one_line, require_columns
from vineppo.tasks.settings import Worked
from vineppo.tasks.templates import Wording
from vineppo.types import Conversation, Prompt, messages_of

RESPONSES = ("response", "completion")
"""Columns of responses, in the order they are looked for."""
ASSISTANT = "assistant"

Rows = Sequence[Mapping[str, object]]


def worked_rows(
    rows: Rows, prompt_column: str, response_column: str | None, wording: Wording, *, where: str
) -> list[Worked]:
    """One demonstration a row. `where` opens complaints."""
    prompts = read_prompts(rows, prompt_column, where, wording)
    column = response_column or next((name for name in RESPONSES if name in rows[0]), None)
    if column is None:
        return [parted(prompt, f"{where}, row {number}") for number, prompt in enumerate(prompts, 1)]
    require_columns(rows, [column], where, "task.response_column=")
    return [
        (prompt, response_text(row[column], f"{where}: column {column!r} of row {number}"))
        for number, (prompt, row) in enumerate(zip(prompts, rows, strict=True), 1)
    ]


def parted(prompt: Prompt, where: str) -> Worked:
    """A conversation, and the assistant's message that ends it."""
    messages = () if isinstance(prompt, str) else messages_of(prompt)
    if len(messages) < 2 or messages[-1].role != ASSISTANT:
        raise UserError(
            f"{where} has no response to learn from: there is no column {' or '.join(RESPONSES)}, and its prompt is no "
            "conversation that ends with an assistant's message; name the responses in task.response_column"
        )
    before = messages[:-1]
    if isinstance(prompt, Conversation):
        return Conversation(messages=before, tools=prompt.tools, template_kwargs=prompt.template_kwargs), messages[
            -1
        ].content
    return before, messages[-1].content


def response_text(value: object, where: str) -> str:
    """Text, or one message of an assistant."""
    match value:
        case str(text) if text:
            return text
        case [{"role": "assistant", "content": str(text)}] if text:
            return text
        case _:
            raise UserError(
                f"{where} is {one_line(repr(value))}; make it a text, or a list of one message such as "
                "{'role': 'assistant', 'content': '2'}"
            )
