"""What each contender may try before it is measured."""

from collections.abc import Sequence
from typing import assert_never

from rollout_speed.names import Contender, Setting

TRIAL_TRAJECTORIES = 6
"""Settings are compared on so many: 540 rollouts of the default workload."""

OUR_ROWS = {"cpu": (64, 256, 1024), "cuda": (1024, 4096)}
GENERATE_ROWS = {"cpu": (64, 192, 512), "cuda": (128, 512, 2048)}
CONTINUOUS_ROWS = {"cpu": (18, 36, 72), "cuda": (256, 1024)}
VLLM_ROWS = {"cpu": (256,), "cuda": (1024,)}


def candidates(contender: Contender, device: str, threads: Sequence[int]) -> list[Setting]:
    """All settings that are tried: rows side by side x threads."""
    match contender:
        case Contender.OURS | Contender.OURS_PLAIN:
            rows = OUR_ROWS[device]
        case Contender.GENERATE:
            rows = GENERATE_ROWS[device]
        case Contender.CONTINUOUS:
            rows = CONTINUOUS_ROWS[device]
        case Contender.VLLM | Contender.VLLM_COMPILED:
            rows = VLLM_ROWS[device]
        case _:
            assert_never(contender)
    return [Setting(threads=t, rows=r) for t in threads for r in rows]
