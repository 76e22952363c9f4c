"""How many tokens a request may add: what it asks for, within the context. The same for every engine."""

from vineppo.errors import UserError
from vineppo.types import Request, Sampling


def new_tokens(request: Request, sampling: Sampling, context: int) -> int:
    """Most new tokens. Raises UserError for a prefix that leaves no room in the context."""
    if not request.prefix:
        raise ValueError("a request needs a prefix of at least one token: nothing can be predicted from nothing")
    room = context - len(request.prefix)
    if room < 1:
        raise UserError(
            f"a prompt of {len(request.prefix)} tokens leaves no room in the model's context of {context}; "
            "drop such questions, shorten the prompt template or take a model with a longer context"
        )
    wanted = sampling.max_new_tokens if request.max_new_tokens is None else request.max_new_tokens
    return min(wanted, room)
