"""The one exception that is meant for the person at the keyboard."""


class UserError(ValueError):
    """Input that cannot work: the message is one line saying what, what was got, and the remedy.

    The command line prints it without a traceback and exits with code 2.
    """
