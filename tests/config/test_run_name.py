"""Where runs live: each command of the README in a folder of its own, and the same one again in the same."""

from pathlib import Path

import pytest

from vineppo.arguments import parse
from vineppo.config.load import load_config
from vineppo.config.run_name import LONGEST, with_run_dir

FILE = Path(__file__).resolve().parents[2] / "configs" / "arithmetic.yaml"


def folder(*overrides: str, path: Path | None = FILE) -> str:
    return with_run_dir(load_config(path, overrides), path, overrides).run.dir


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        ([], "arithmetic"),
        (["credit=vine"], "arithmetic-vine"),
        (["credit.restarts=9"], "arithmetic-restarts=9"),
        (["credit={name: ppo, gae_lambda: 0.9}"], "arithmetic-ppo-gae_lambda=0.9"),
        (["recipe=rest_em", "training.seed=1"], "arithmetic-rest_em-seed=1"),
        (["engine.pool.replicas=2"], "arithmetic-replicas=2"),
        (["engine=vllm", "engine.rows=8"], "arithmetic-vllm"),
        (["policy.path=../models/my model/"], "arithmetic-path=my_model"),
        (["credit=examples/own_credit.py:MeasuredBaseline"], "arithmetic-MeasuredBaseline"),
    ],
)
def test_settings_that_make_another_run_are_its_name(overrides: list[str], name: str):
    assert folder(*overrides) == f"runs/{name}"


@pytest.mark.parametrize(
    "words",
    ["training.iterations=500", "learner.micro_batch=2", "engine.rows=8", "checkpoint.every=5", "run.tracker=none"],
)
def test_what_a_resumed_run_may_do_otherwise_finds_the_same_folder(words: str):
    assert folder("credit=ppo", words) == "runs/arithmetic-ppo"


@pytest.mark.parametrize("words", ["run.dir=here", "run={dir: here}"])
def test_a_folder_that_is_asked_for_is_taken(words: str):
    assert folder("credit=ppo", words) == "here"


def test_a_file_without_a_folder_lends_its_name(tmp_path: Path):
    (tmp_path / "mine.yaml").write_text("credit: ppo")
    assert folder("training.seed=2", path=tmp_path / "mine.yaml") == "runs/mine-seed=2"
    assert folder(path=None) == "runs/default"


def test_a_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("HOME", str(tmp_path))
    words = ["policy.path=~/model", "task={name: gsm8k, path: ~/data}", "run.dir=~/run"]
    config = load_config(None, words)
    assert (config.policy.path, config.run.dir) == (f"{tmp_path}/model", f"{tmp_path}/run")
    assert config.model_dump()["task"]["path"] == f"{tmp_path}/data"
    arguments = parse(["explain", "~/my.yaml", "--policy=~/model", "--out=~/out", "policy.path=~/model"])
    assert arguments.words == [f"{tmp_path}/my.yaml", "policy.path=~/model"]
    assert (arguments.policy, arguments.out) == (f"{tmp_path}/model", tmp_path / "out")


def test_long_settings_are_cut_and_still_told_apart():
    names = [folder(f"policy.path=models/{'x' * 400}{i}") for i in range(2)]
    assert names[0] != names[1]
    assert all(len(Path(name).name) < LONGEST for name in names)
