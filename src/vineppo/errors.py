"""The exceptions that are meant for the person at the keyboard."""


class UserError(ValueError):
    """Input that cannot work: the message is one line saying what, what was got, and the remedy.

    The command line prints it without a traceback and exits with code 2.
    """


class ProcessLostError(RuntimeError):
    """Another process of the run died or did not answer in time. The run cannot go on, but it can be resumed.

    The command line prints it without a traceback and exits with code 3.
    """


def one_line(message: object, limit: int = 160) -> str:
    """A message fit for an error of one line."""
    text = " ".join(str(message).split())
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
