"""How a question becomes a prompt: as text by a template, or as a message for the policy's own chat template."""

from collections.abc import Sequence
from dataclasses import dataclass

from vineppo.errors import UserError
from vineppo.tasks.words import one_line
from vineppo.types import Posed, Prompt

QUESTION = "{question}"

TEMPLATES = {
    "paper": "[MATH_TASK] Problem:\n{question}\n\nSolution:",
    "boxed": "{question}\n\nReason step by step, and put the final answer within \\boxed{}.\n",
    "answer": "{question}\n\nGive the final answer between <answer> and </answer>.\n",
    "plain": "{question}",
}
"""Presets by name. `paper`: VinePPO's (arXiv 2410.01679), for policies finetuned on it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wording:
    """Templates, each a preset's name, or text with `{question}`; at least one of them."""

    text: str | None = None
    """Of the whole prompt; None: only a chat template will do."""
    message: str | None = None
    """Of what a user says to a policy that has a chat template; None: it gets the text, too."""

    def __call__(self, questions: Sequence[str]) -> list[Prompt]:
        """A prompt each."""
        texts = [None] * len(questions) if self.text is None else fill(self.text, questions)
        if self.message is None:
            return [text for text in texts if text is not None]
        messages = [message.strip("\n") for message in fill(self.message, questions)]
        return [
            Posed(question=question, message=message, text=text)
            for question, message, text in zip(questions, messages, texts, strict=True)
        ]


PLAIN = Wording(text="plain")
"""Nothing around it."""


def choose_wording(chat: bool | None, template: str | None, *, text: str, message: str) -> Wording:
    """By the settings `task.chat` and `task.template`; `text` and `message` are the task's own templates."""
    match chat, template:
        case None, None:
            return Wording(text=text, message=message)
        case True, _:
            return Wording(message=template or message)
        case _:
            return Wording(text=template or text)


def fill(template: str, questions: Sequence[str]) -> list[str]:
    """Texts. `template` is a preset's name, or text with `{question}`; other braces stay."""
    text = TEMPLATES.get(template, template)
    if QUESTION not in text:
        presets = ", ".join(TEMPLATES)
        raise UserError(
            f"task.template {one_line(repr(template))} lacks {QUESTION}; "
            f"write {QUESTION} where the question goes, or take one of {presets}"
        )
    return [text.replace(QUESTION, question) for question in questions]
