"""What the readers of data sets share: the row, and what their messages say."""

Row = dict[str, object]

REMEDY = "give a folder with train.jsonl and test.jsonl, or a Hub dataset name such as openai/gsm8k"


def one_line(message: object, limit: int = 160) -> str:
    """A message fit for an error of one line."""
    text = " ".join(str(message).split())
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def boxed(answer: str) -> str:
    """A response that ends with this answer in a box."""
    return f"So it is $\\boxed{{{answer}}}$."
