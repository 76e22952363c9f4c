"""Which adviser there is."""

from typing import Annotated

from pydantic import Field

from vineppo.advisers.endpoint import EndpointAdviser
from vineppo.advisers.function import FunctionAdviser
from vineppo.advisers.policy import PolicyAdviser

AnyAdviser = Annotated[
    PolicyAdviser
    | EndpointAdviser
    | FunctionAdviser,
    Field(discriminator="name"),
]  # fmt: skip
