"""Runs from the command line with tasks of one's own, on a tiny random model."""

import json
import re
from pathlib import Path

import pytest
from small_runs import SETTINGS, metrics_of, write_random_model
from transformers import AutoTokenizer

from vineppo.cli import main
from vineppo.errors import UserError
from vineppo.policy import load_policy
from vineppo.types import Message

TINY = [
    *SETTINGS,
    "credit=rloo",
    "training={iterations: 2, questions: 4, trajectories: 4}",
    "evaluation={every: 0, questions: 4}",
]

REWARDS = """
def brief(prompts, completions, hint, **columns):
    assert len(prompts) == len(completions) == len(hint)
    return [1.0 - len(str(completion)) / 1000 for completion in completions]

def never(completions, **columns):
    return [None] * len(completions)
"""
TEMPLATE = (
    "{% for message in messages %}<{{ message.role }}>{{ message.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return write_random_model(tmp_path_factory.mktemp("model"), ["How many legs have 3 cats?", "Use all the numbers."])


def write_rows(folder: Path, prompts: list[object]) -> Path:
    for split in ("train", "test"):
        rows = [{"prompt": prompt, "hint": i} for i, prompt in enumerate(prompts)]
        (folder / f"{split}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    (folder / "rewards.py").write_text(REWARDS)
    return folder


def train(run: Path, model: Path, *overrides: str) -> list[dict[str, float]]:
    assert main(["train", *TINY, f"policy.path={model}", f"run.dir={run}", *overrides]) == 0
    return metrics_of(run)


def outcomes(history: list[dict[str, float]]) -> set[str]:
    return {name.removeprefix("outcome/") for line in history for name in line if name.startswith("outcome/")}


def test_a_run_with_a_reward_file(tmp_path, model):
    data = write_rows(tmp_path, [f"What is {i} + {i}?" for i in range(6)])
    rewards = f"[{{function: '{data}/rewards.py:brief'}}, {{function: '{data}/rewards.py:never', weight: 2.0}}]"
    history = train(tmp_path / "run", model, "task.name=dataset", f"task.path={data}", f"task.rewards={rewards}")
    assert [line["iteration"] for line in history] == [0, 1, 2]
    assert outcomes(history) <= {"scored", "truncated"}
    assert any(0 < line.get("reward", 0) < 1 for line in history)


def test_a_run_with_reasoning_gym(tmp_path, model):
    pytest.importorskip("reasoning_gym", reason="the extra vineppo[reasoning-gym] is not installed")
    generators = "task.generators=[{name: leg_counting, weight: 2.0}, {name: countdown, settings: {max_numbers: 4}}]"
    sizes = ["task.train_questions=20", "task.test_questions=5"]
    history = train(tmp_path, model, "task.name=reasoning_gym", generators, *sizes)
    assert [line["iteration"] for line in history] == [0, 1, 2]
    assert outcomes(history) <= {"unparseable", "truncated", "wrong", "scored"}


def test_a_run_with_messages(tmp_path, tmp_path_factory):
    model = write_random_model(tmp_path_factory.mktemp("chat"), ["<user>What is 1 + 1?"])
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(model)
    data = write_rows(tmp_path, [[{"role": "user", "content": f"What is {i} + 1?"}] for i in range(6)])
    rewards = f"task.rewards=[{{function: '{data}/rewards.py:brief'}}]"
    train(tmp_path / "run", model, "task.name=dataset", f"task.path={data}", rewards)
    lines = (tmp_path / "run" / "trajectories" / "000001.jsonl").read_text().splitlines()
    shown = [(row["asked"], row["prompt"]) for row in map(json.loads, lines)]
    assert all(prompt == f"<user>{asked}\n<assistant>" for asked, prompt in shown)
    policy = load_policy(str(model))
    ids = policy.encode((Message(role="user", content="Hi"),))
    assert policy.decode(ids) == "<user>Hi\n<assistant>"


def test_messages_without_a_chat_template_are_refused(model):
    with pytest.raises(UserError, match=r"policy\.path: the chat template .* take a chat model, or give"):
        load_policy(str(model)).encode((Message(role="user", content="Hi"),))


@pytest.mark.parametrize(
    ("rewards", "complaint"),
    [
        ("[{function: no.py:f}]", "task.rewards: function 'no.py:f': no.py is no file"),
        ("[{weight: 1.0}]", "task.rewards.0.function is missing; it must be text"),
        ("[{function: a.py:f, weight: heavy}]", 'task.rewards.0.weight is "heavy", but must be a number'),
        (
            "[{function: a.py:f, wieght: 1.0}]",
            "key task.rewards.0.wieght (given 1.0) is unknown; allowed",
        ),
        ("[a.py:f]", 'task.rewards is "a.py:f", but must be a list of mappings'),
        ("a.py:f", 'task.rewards is "a.py:f", but must be a list of mappings'),
    ],
)
def test_rewards_that_cannot_work_are_refused(tmp_path, capsys, rewards, complaint):
    write_rows(tmp_path, ["?"])
    assert main(["train", "task.name=dataset", f"task.path={tmp_path}", f"task.rewards={rewards}"]) == 2
    assert complaint in capsys.readouterr().err


def test_the_bundled_policy_solves_some_word_problems_but_far_from_all(tmp_path, capsys):
    config = str(Path(__file__).parents[2] / "configs" / "word_problems.yaml")
    words = [config, "policy.device=cpu", "evaluation.questions=200"]
    assert main(["eval", *words, "--out", str(tmp_path / "out")]) == 0
    printed = re.search(r"accuracy ([\d.]+)%", capsys.readouterr().out)
    assert printed
    assert 5 <= float(printed[1]) <= 35
