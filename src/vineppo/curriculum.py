"""Which questions come next. Pure functions of (seed, iteration), so that resuming needs no state of their own."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from vineppo.rng import derive_seed
from vineppo.types import Question

CurriculumName = Literal["uniform", "epoch"]


def pick(
    questions: Sequence[Question], *, name: CurriculumName, count: int, seed: int, iteration: int
) -> list[Question]:
    """`count` distinct questions for iteration 1, 2, ..."""
    match name:
        case "uniform":
            rng = np.random.default_rng(derive_seed(seed, "uniform", iteration))
            chosen = rng.choice(len(questions), size=count, replace=False)
        case "epoch":
            chosen = _epoch(len(questions), count, seed, iteration)
    return [questions[index] for index in chosen]


def _epoch(total: int, count: int, seed: int, iteration: int) -> np.ndarray:
    """Walk through permutations. An iteration never straddles two of them: a question would come twice."""
    per_epoch = total // count
    epoch, place = divmod(iteration - 1, per_epoch)
    order = np.random.default_rng(derive_seed(seed, "epoch", epoch)).permutation(total)
    return order[place * count : (place + 1) * count]
