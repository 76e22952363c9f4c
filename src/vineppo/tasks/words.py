"""What the readers of data sets share: the row, and what their messages say."""

from vineppo.errors import one_line

__all__ = ["REMEDY", "Row", "boxed", "one_line"]

Row = dict[str, object]

REMEDY = "give a folder with train.jsonl and test.jsonl, or a Hub dataset name such as openai/gsm8k"


def boxed(answer: str) -> str:
    """A response that ends with this answer in a box."""
    return f"So it is $\\boxed{{{answer}}}$."
