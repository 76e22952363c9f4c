"""What holds for all tests."""

import gc
from pathlib import Path

import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("vineppo", deadline=None)
settings.load_profile("vineppo")

# Shapes are checked in all calls but attention's, made by every layer of every step: test_capabilities.py checks those.
ENGINE = Path(__file__).resolve().parents[1] / "src/vineppo/engines/torch"
PASSES = [f"vineppo.engines.torch.{file.stem}" for file in ENGINE.glob("*.py") if file.stem != "attention"]
install_import_hook(["vineppo.learner", *PASSES], "beartype.beartype")

gc.disable()  # until all tests are collected, for what is made meanwhile stays: a third of that time


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long begin first, so that no core waits for the last of them."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish() -> None:
    """Garbage is looked for among the tests' own objects only: among the libraries' it takes a tenth of all time."""
    gc.freeze()
    gc.set_threshold(20_000)
    gc.enable()
