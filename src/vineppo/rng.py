"""Seeds. All randomness of a run derives from its seed and the place where it is used, never from shared state,
so that a resumed run draws the very numbers the uninterrupted one would have drawn."""

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy.random import Generator


def derive_seed(*place: int | str | Iterable[int]) -> int:
    """A 63-bit seed for a place, e.g. derive_seed(run_seed, "rollouts", iteration, prefix)."""
    digest = hashlib.blake2b(digest_size=8)
    for part in place:
        match part:
            case int() | str():
                digest.update(f"{part};".encode())
            case _:
                digest.update(f"[{','.join(map(str, part))}];".encode())
    return int.from_bytes(digest.digest(), "big") >> 1


def generator(*place: int | str | Iterable[int]) -> "Generator":
    """numpy's, for a place. numpy is imported when it is needed: settings lie beside what draws, and must be quick."""
    import numpy as np

    return np.random.default_rng(derive_seed(*place))
