"""How many processes accelerate or torchrun started, and how they share the weights. Torch-free.

Both tell their processes by environment variables; what of accelerate's settings nobody here would heed is refused.
"""

import os
from dataclasses import dataclass

from vineppo.errors import UserError

UNHEEDED = (
    ("ACCELERATE_USE_DEEPSPEED", "false", "shard with FSDP2 instead: use_fsdp, fsdp_version 2"),
    ("ACCELERATE_USE_MEGATRON_LM", "false", "shard with FSDP2 instead: use_fsdp, fsdp_version 2"),
    ("ACCELERATE_MIXED_PRECISION", "no", "set mixed_precision to no, and policy.dtype=bfloat16"),
    ("FSDP_ACTIVATION_CHECKPOINTING", "false", "set it to false, and learner.gradient_checkpointing=true"),
    ("FSDP_OFFLOAD_PARAMS", "false", "set fsdp_offload_params to false"),
)
"""What `accelerate launch` says of settings that are ours to make, or not there: variable, harmless value, remedy."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Launch:
    """What the launcher said."""

    rank: int = 0
    count: int = 1
    sharded: bool = False
    """FSDP2, not DDP."""


def find_launch() -> Launch:
    """From the environment; one process where no launcher was. Raises UserError for settings that are not heeded."""
    for variable, harmless, remedy in UNHEEDED:
        if _said(variable) not in ("", harmless):
            raise UserError(f"accelerate launch: {variable} is {os.environ[variable]!r}, which nobody heeds; {remedy}")
    fsdp = _said("ACCELERATE_USE_FSDP") == "true"
    if fsdp and _said("FSDP_VERSION") != "2":
        raise UserError("accelerate launch: FSDP is asked for in another version than 2; set fsdp_version to 2")
    count = int(os.environ.get("WORLD_SIZE", "1"))
    return Launch(rank=int(os.environ.get("RANK", "0")), count=count, sharded=fsdp and count > 1)


def _said(variable: str) -> str:
    return os.environ.get(variable, "").lower()
