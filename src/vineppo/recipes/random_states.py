"""The random states of Python, numpy and torch as JSON, and back: no pickle, because reading one can run anything.

Nothing of ours draws from these; a user's reward function may.
"""

import random
from typing import Any

import numpy as np
import torch


def random_states() -> dict[str, Any]:
    """As they are now."""
    version, numbers, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "python": {"version": version, "numbers": list(numbers), "gauss": gauss},
        "numpy": {
            "name": name,
            "keys": np.asarray(keys).tolist(),
            "position": int(position),
            "has_gauss": int(has_gauss),
            "cached": float(cached),
        },
        "torch": torch.get_rng_state().numpy().tobytes().hex(),
    }


def restore_random_states(states: dict[str, Any]) -> None:
    """Draw what would have been drawn."""
    python, numpy = states["python"], states["numpy"]
    random.setstate((python["version"], tuple(python["numbers"]), python["gauss"]))
    keys = np.array(numpy["keys"], dtype=np.uint32)
    np.random.set_state((numpy["name"], keys, numpy["position"], numpy["has_gauss"], numpy["cached"]))
    torch.set_rng_state(torch.frombuffer(bytearray.fromhex(states["torch"]), dtype=torch.uint8))
