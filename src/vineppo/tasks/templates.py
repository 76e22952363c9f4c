"""How a question becomes a prompt."""

from collections.abc import Sequence

from vineppo.errors import UserError
from vineppo.tasks.rows import one_line

QUESTION = "{question}"

TEMPLATES = {
    "paper": "[MATH_TASK] Problem:\n{question}\n\nSolution:",
    "boxed": "{question}\n\nReason step by step, and put the final answer within \\boxed{}.\n",
    "answer": "{question}\n\nGive the final answer between <answer> and </answer>.\n",
    "plain": "{question}",
}
"""Presets by name. `paper`: VinePPO's (arXiv 2410.01679), for policies finetuned on it."""


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
