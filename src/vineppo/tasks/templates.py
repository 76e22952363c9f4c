"""How a question becomes a prompt."""

from collections.abc import Sequence

from vineppo.errors import UserError
from vineppo.tasks.rows import one_line
from vineppo.types import Message, Prompt

QUESTION = "{question}"

TEMPLATES = {
    "paper": "[MATH_TASK] Problem:\n{question}\n\nSolution:",
    "boxed": "{question}\n\nReason step by step, and put the final answer within \\boxed{}.\n",
    "answer": "{question}\n\nGive the final answer between <answer> and </answer>.\n",
    "plain": "{question}",
}
"""Presets by name. `paper`: VinePPO's (arXiv 2410.01679), for policies finetuned on it."""


def ask_all(template: str, questions: Sequence[str], *, chat: str | None = None) -> list[Prompt]:
    """Prompts of text; or, where `chat` is given, what a user says, around which the policy's own chat template goes:
    `chat`, unless another template than the paper's is asked for, which stands for models that know no chat.
    """
    if chat is None:
        return list(fill(template, questions))
    words = chat if template in ("paper", TEMPLATES["paper"]) else template
    return [(Message(role="user", content=said),) for said in fill(words, questions)]


def no_chat(chat: bool) -> None:
    """Raise UserError where demonstrations of a chat are asked for."""
    if chat:
        raise UserError(
            "task.chat is true, but this task's demonstrations are text; set task.chat=false for vineppo sft, or give "
            "rows of messages with task=dataset"
        )


def fill(template: str, questions: Sequence[str]) -> list[str]:
    """Prompts. `template` is a preset's name, or text with `{question}`; other braces stay."""
    text = TEMPLATES.get(template, template)
    if QUESTION not in text:
        presets = ", ".join(TEMPLATES)
        raise UserError(
            f"task.template {one_line(repr(template))} lacks {QUESTION}; "
            f"write {QUESTION} where the question goes, or take one of {presets}"
        )
    return [text.replace(QUESTION, question) for question in questions]
