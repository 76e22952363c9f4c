"""Random states travel as JSON: they come back exactly, and no checkpoint can bring anything that runs."""

import json
import os
import pickle
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from vineppo.errors import UserError
from vineppo.recipes.policy_iteration import read_optimizers
from vineppo.recipes.random_states import random_states, restore_random_states
from vineppo.recipes.resume import read_random_states


def draws() -> list[float]:
    return [random.random(), random.gauss(0, 1), np.random.normal(), np.random.rand(), float(torch.randn(()))]


def test_what_would_have_been_drawn_is_drawn():
    for _ in range(3):  # an odd number of normal draws leaves one cached, in Python and in numpy
        draws()
    text = json.dumps(random_states())
    wanted = [draws() for _ in range(4)]
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    restore_random_states(json.loads(text))
    assert [draws() for _ in range(4)] == wanted


class Doctored:
    def __init__(self, file: Path):
        self.file = file

    def __reduce__(self):
        return os.system, (f"touch {self.file}",)


def test_a_checkpoint_with_a_pickle_is_refused_and_the_pickle_is_not_read(tmp_path: Path):
    trap = tmp_path / "ran"
    (tmp_path / "random.pt").write_bytes(pickle.dumps(Doctored(trap)))
    with pytest.raises(UserError, match=r"random\.json.*policy\.path="):
        read_random_states(tmp_path)
    assert not trap.exists()


def test_optimizers_that_are_no_tensors_are_refused_and_nothing_is_run(tmp_path: Path):
    trap, file = tmp_path / "ran", tmp_path / "optimizers.pt"
    with file.open("wb") as opened:
        torch.save({"learner": Doctored(trap)}, opened)
    with pytest.raises(UserError, match=r"optimizers\.pt holds something else.*policy\.path="):
        read_optimizers(file)
    assert not trap.exists()
    with file.open("wb") as opened:
        torch.save({"learner": {"updates": 3, "moments": [torch.ones(2)]}}, opened)
    assert read_optimizers(file)["learner"]["updates"] == 3
