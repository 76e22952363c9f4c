"""Low-rank adapters: the settings of `learner.lora`."""

from pydantic import Field

from vineppo.config.strict import Strict


class LoraConfig(Strict):
    """Train low-rank adapters instead of the policy's own weights. Needs the extra `vineppo[lora]`."""

    rank: int = Field(default=16, ge=1)
    """Of the matrices that are added."""
    alpha: int = Field(default=32, ge=1)
    """The product of an adapter's two matrices is multiplied by alpha / rank."""
    targets: list[str] | None = None
    """Last parts of the names of the layers that get one, e.g. [q_proj, v_proj]; null: all linear ones but the output
    embedding, of a mixture of experts those of its attention."""
