"""The shipped configs: each loads as what it is for, and the paper's numbers are the paper's."""

from pathlib import Path

import pytest
import yaml

from vineppo.config.estimate import estimate, render, render_sft
from vineppo.config.load import load_config
from vineppo.config.schema import Config, SftConfig
from vineppo.credit.tree_assigner import TreeCredit
from vineppo.credit.vine import VineCredit
from vineppo.errors import UserError

FOLDER = Path(__file__).resolve().parents[2] / "configs"
SFT = sorted(FOLDER.glob("sft_*.yaml"))
TRAIN = sorted(set(FOLDER.glob("*.yaml")) - set(SFT))


def by_name(path: Path) -> str:
    return path.stem


def test_there_are_configs_of_both_kinds():
    assert {"arithmetic", "gsm8k"} <= set(map(by_name, TRAIN))
    assert {"sft_arithmetic_facts", "sft_arithmetic_habits"} <= set(map(by_name, SFT))


@pytest.mark.parametrize("path", TRAIN, ids=by_name)
def test_a_training_config_loads_and_its_cost_can_be_told(path: Path):
    assert render(estimate(load_config(path))).strip()
    with pytest.raises(UserError):
        load_config(path, [], SftConfig)


@pytest.mark.parametrize("path", SFT, ids=by_name)
def test_an_sft_config_loads_and_its_cost_can_be_told(path: Path):
    assert render_sft(load_config(path, [], SftConfig)).strip()
    with pytest.raises(UserError):
        load_config(path)


@pytest.mark.parametrize("method", ["vine", "coupled", "ppo", "grpo", "rloo", "grpo_lambda"])
@pytest.mark.parametrize("path", TRAIN, ids=by_name)
def test_choosing_a_method_changes_the_credit_and_nothing_else(path: Path, method: str):
    as_shipped, chosen = load_config(path), load_config(path, [f"credit={method}"])
    assert chosen.credit.name == method
    # what the file itself says goes with the method, such as a batch of as many decoded tokens
    presets = yaml.safe_load(path.read_text()).get("variants", {}).get("credit", {})
    also = {section: getattr(as_shipped, section) for section in presets.get(method, {}).get("also", {})}
    assert chosen.model_copy(update={"credit": as_shipped.credit, **also}) == as_shipped


def test_configs_do_not_share_an_output():
    folders = [load_config(path).run.dir for path in TRAIN] + [load_config(path, [], SftConfig).output for path in SFT]
    assert len(set(folders)) == len(TRAIN) + len(SFT)


GSM8K = load_config(FOLDER / "gsm8k.yaml")
GSM8K_PPO = load_config(FOLDER / "gsm8k.yaml", ["credit=ppo"])


def settings(config: Config) -> dict[str, object]:
    """Leaves by dotted key."""
    tree = config.model_dump()
    return {f"{section}.{key}": value for section, part in tree.items() for key, value in part.items()}


PAPER = {
    "training.questions": 64,
    "training.trajectories": 8,
    "credit.name": "vine",
    "credit.rollouts": 9,
    "learner.epochs": 2,
    "learner.minibatch": 64,
    "learner.learning_rate": 1e-6,
    "learner.warmup_ratio": 0.03,
    "learner.schedule": "linear",
    "learner.clip": 0.2,
    "credit.normalise": "whiten",
    "learner.kl_coefficient": 1e-4,
    "learner.ratio_guard": 10.0,
    "learner.max_grad_norm": 1.0,
    "sampling.temperature": 0.6,
    "sampling.top_p": 0.9,
    "sampling.top_k": 0,
    "sampling.max_new_tokens": 1024,
}


@pytest.mark.parametrize("key", PAPER)
def test_gsm8k_has_the_papers_settings(key: str):
    assert settings(GSM8K)[key] == PAPER[key]


@pytest.mark.parametrize("key", PAPER)
def test_so_have_the_defaults_with_the_papers_credit(key: str):
    assert settings(load_config(None, ["credit=vine"]))[key] == PAPER[key]


@pytest.mark.parametrize("name", ["gsm8k", "math", "deepseekmath_gsm8k", "deepseekmath_math"])
def test_the_papers_stop_string_is_in_its_configs_and_nowhere_else(name: str):
    assert load_config(FOLDER / f"{name}.yaml").sampling.stop == ["\n\n\nProblem:"]
    assert load_config(None, ["credit=vine"]).sampling.stop == []


def test_credit_is_tree_where_nothing_is_said():
    assert Config().credit == TreeCredit()


def test_ppo_on_gsm8k_has_lambda_one():
    assert settings(GSM8K_PPO)["credit.gae_lambda"] == 1


def test_gsm8k_makes_sixteen_updates_an_iteration():
    assert (GSM8K.batch, GSM8K.updates_per_iteration) == (512, 16)


def test_the_states_measured_on_gsm8k_are_capped():
    assert isinstance(GSM8K.credit, VineCredit)
    assert GSM8K.credit.max_states is not None


def test_jsonl_is_another_name_of_the_dataset_task():
    named = [load_config(None, [f"task={{name: {name}, path: data}}"]).task for name in ("dataset", "jsonl")]
    assert type(named[0]) is type(named[1])
    assert [task.name for task in named] == ["dataset", "jsonl"]
