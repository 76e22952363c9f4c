"""What engines keep to: tokens that a request may add, the same for every engine, and bytes held."""

from typing import Protocol, runtime_checkable

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


@runtime_checkable
class Sized(Protocol):
    """An engine that holds no more than so many bytes."""

    @property
    def memory_bytes(self) -> int | None:
        """None until it is sized."""
        ...
