"""Reasoning Gym's own scorers behind a pipe: requests are (generator, settings, entry, answer), replies are scores.

Some of them evaluate the answer as an expression, so they may hang; see `workers`.
"""

import json
from functools import lru_cache
from math import isfinite
from typing import Any

from vineppo.tasks.judge.serve import Handler, serve


def load() -> Handler:
    """Import what takes long."""
    import reasoning_gym

    assert reasoning_gym.create_dataset is not None
    return score


def score(request: object) -> float | str:
    """What the entry's generator says of an answer; where it fails on one, why."""
    match request:
        case (str(name), dict(settings), dict(entry), str(answer)):
            dataset = make_generator(name, json.dumps(settings))
        case _:
            raise TypeError(f"a request is (generator, settings, entry, answer), not {request!r}")
    try:
        found = float(dataset.score_answer(answer, entry))
    except MemoryError:
        raise
    except Exception as error:  # untrusted text, and more than a hundred scorers
        return f"{name}: {type(error).__name__}: {str(error)[:200]}"
    return found if isfinite(found) else f"{name}: a score of {found}"


@lru_cache(maxsize=256)
def make_generator(name: str, settings: str) -> Any:
    """Scorers look at their generator's settings."""
    import reasoning_gym

    return reasoning_gym.create_dataset(name, seed=0, size=1, **json.loads(settings))


if __name__ == "__main__":
    serve(load)
