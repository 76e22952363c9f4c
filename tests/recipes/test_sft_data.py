"""Supervised finetuning on a data set: what is learned from, what is measured on, and going on after a stop."""

import json
import os
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from recipes.small_runs import write_random_model
from vineppo.cli import main
from vineppo.config.load import load_config
from vineppo.config.schema import SftConfig
from vineppo.errors import UserError
from vineppo.policy import load_policy
from vineppo.recipes.demonstrated import demonstrated, read_rows_of
from vineppo.recipes.sft import Sft, finetune

CHAT = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% if m['role'] == 'assistant' %}<turn>{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)
ROWS = [
    {"question": f"{n} apples and {n + 1} pears?", "response": f"{n} + {n + 1}\n#### {2 * n + 1}"} for n in range(9)
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_random_model(tmp_path_factory.mktemp("model"), [str(row) for row in ROWS])
    tokenizer = load_policy(str(folder), device="cpu").tokenizer
    tokenizer.add_special_tokens({"additional_special_tokens": ["<turn>"]})
    tokenizer.chat_template = CHAT
    tokenizer.save_pretrained(folder)
    return folder


def write_rows(folder: Path, train: list[dict[str, object]], test: list[dict[str, object]] | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    for split, rows in (("train", train), ("test", train[:2] if test is None else test)):
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def config(model: Path, data: Path, output: Path, *overrides: str) -> SftConfig:
    settings = [
        f"task={{name: dataset, path: '{data}', prompt_column: question, template: \"{{question}}\\n\"}}",
        f"policy={{path: '{model}', device: cpu}}",
        "learning_rate=1e-2",
        "updates=6",
        "batch=4",
        "micro_batch=3",
        f"output={output}",
    ]
    return load_config(None, [*settings, *overrides], SftConfig)


def items_of(asked: SftConfig, model: Path, count: int) -> list[tuple[str, str]]:
    """Prompt and response of the first so many, as the model reads them."""
    policy = load_policy(str(model), device="cpu")
    found = demonstrated(asked, policy, read_rows_of(asked), skip=0).training
    taken = [next(found) for _ in range(count)]
    decode = policy.tokenizer.decode
    return [(decode(i.token_ids[: i.prompt_length]), decode(i.token_ids[i.prompt_length :])) for i in taken]


def lines_of(output: Path) -> list[dict[str, float | None]]:
    lines = [json.loads(line) for line in (output / "sft.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


# --- what is learned from ----------------------------------------------------------------------------------------


def test_columns_become_the_tasks_prompts_and_responses_that_end(model: Path, tmp_path: Path):
    data = write_rows(tmp_path / "data", ROWS[:1])
    assert items_of(config(model, data, tmp_path / "out"), model, 1) == [
        ("0 apples and 1 pears?\n", "0 + 1\n#### 1<end>")
    ]


def test_a_conversations_last_message_is_the_response_and_ends_as_the_template_ends_turns(model: Path, tmp_path: Path):
    turns = [("user", "1+1?"), ("assistant", "2"), ("user", "And 1 more?"), ("assistant", "3")]
    data = write_rows(tmp_path / "data", [{"messages": [{"role": r, "content": c} for r, c in turns]}])
    asked = config(model, data, tmp_path / "out", "task.prompt_column=messages", "task.template=plain")
    assert items_of(asked, model, 1) == [("<user>1+1?<assistant>2<turn><user>And 1 more?<assistant>", "3<turn>")]


def test_a_completion_may_be_a_message(model: Path, tmp_path: Path):
    row = {"question": [{"role": "user", "content": "1+1?"}], "completion": [{"role": "assistant", "content": "2"}]}
    data = write_rows(tmp_path / "data", [row])
    assert items_of(config(model, data, tmp_path / "out"), model, 1) == [("<user>1+1?<assistant>", "2<turn>")]


def test_every_pass_has_each_demonstration_once_in_another_order(model: Path, tmp_path: Path):
    data = write_rows(tmp_path / "data", ROWS)
    seen = items_of(config(model, data, tmp_path / "out"), model, 18)
    first, second = seen[:9], seen[9:]
    assert sorted(first) == sorted(second)
    assert len(set(first)) == 9
    assert first != second


# --- what is measured --------------------------------------------------------------------------------------------


def test_the_loss_on_held_out_demonstrations_is_that_of_their_response_tokens_alone(model: Path, tmp_path: Path):
    data = write_rows(tmp_path / "data", ROWS[:4], ROWS[7:])
    asked = config(model, data, tmp_path / "out", "updates=1", "learning_rate=1e-9")
    assert finetune(asked) == 0
    policy = load_policy(str(model), device="cpu")
    total, tokens = 0.0, 0
    for row in ROWS[7:]:
        prompt, response = (policy.tokenizer(t).input_ids for t in (f"{row['question']}\n", f"{row['response']}<end>"))
        with torch.no_grad():
            law = policy.model(torch.tensor([prompt + response])).logits[0].log_softmax(-1)
        for place, token in enumerate(response):
            total -= law[len(prompt) + place - 1, token].item()
            tokens += 1
    first, last = lines_of(tmp_path / "out")
    assert first["held_out_loss"] == pytest.approx(total / tokens, rel=1e-5)
    assert last["held_out_loss"] == pytest.approx(total / tokens, rel=1e-4)
    assert (first["update"], first["tokens"], first["loss"]) == (0, 0, None)


def test_packs_and_rows_teach_the_same(model: Path, tmp_path: Path):
    """Conversations that begin alike share what they have in common; the numbers differ by rounding alone."""
    data = write_rows(tmp_path / "data", ROWS)
    for name, setting in (("packs", "pack_tokens=64"), ("rows", "pack_tokens=0")):
        assert finetune(config(model, data, tmp_path / name, setting, "updates=2", "learning_rate=1e-3")) == 0
    packs, rows = lines_of(tmp_path / "packs"), lines_of(tmp_path / "rows")
    for key, first in (("held_out_loss", 0), ("loss", 1)):
        assert packs[-1][key] == pytest.approx(rows[-1][key], rel=1e-4)
        assert packs[first][key] == pytest.approx(rows[first][key], rel=1e-4)


def test_finetuning_lowers_it(model: Path, tmp_path: Path):
    data = write_rows(tmp_path / "data", ROWS[:7], ROWS[7:])
    assert finetune(config(model, data, tmp_path / "out", "updates=20", "evaluate_every=10")) == 0
    measured = [loss for line in lines_of(tmp_path / "out") if (loss := line["held_out_loss"]) is not None]
    assert len(measured) == 3
    assert measured[0] > measured[1] > measured[2]


# --- stopping and going on ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("lora", [False, True])
def test_a_finetuning_that_was_stopped_goes_on_to_the_bit(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lora: bool
):
    data = write_rows(tmp_path / "data", ROWS)
    more = ["lora={rank: 2, alpha: 4}"] if lora else []
    assert finetune(config(model, data, tmp_path / "whole", *more)) == 0
    update = Sft._update

    def stopped(self: Sft, display: object) -> None:
        update(self, display)  # pyright: ignore[reportArgumentType]
        if self._done == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Sft, "_update", stopped)
    asked = config(model, data, tmp_path / "parts", *more)
    assert finetune(asked) == 130
    assert [path.name for path in (tmp_path / "parts" / "checkpoints").iterdir()] == ["000003"]
    monkeypatch.undo()
    assert finetune(asked, resume=True) == 0
    whole, parts = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert lines_of(tmp_path / "whole") == lines_of(tmp_path / "parts")
    assert not (tmp_path / "parts" / "checkpoints").exists()


def test_lines_after_the_newest_checkpoint_are_made_again(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    data = write_rows(tmp_path / "data", ROWS)
    update = Sft._update

    def killed(self: Sft, display: object) -> None:
        update(self, display)  # pyright: ignore[reportArgumentType]
        if self._done == 5:
            raise MemoryError

    monkeypatch.setattr(Sft, "_update", killed)
    asked = config(model, data, tmp_path / "out", "checkpoint_every=2")
    with pytest.raises(MemoryError):
        finetune(asked)
    monkeypatch.undo()
    assert finetune(asked, resume=True) == 0
    assert [line["update"] for line in lines_of(tmp_path / "out")] == [0, 1, 2, 3, 4, 5, 6]


def test_only_adapters_learn_and_the_folder_holds_the_sum(model: Path, tmp_path: Path):
    data = write_rows(tmp_path / "data", ROWS)
    assert finetune(config(model, data, tmp_path / "out", "lora={rank: 2, alpha: 4, targets: [q_proj]}")) == 0
    before, after = load_file(model / "model.safetensors"), load_file(tmp_path / "out" / "model.safetensors")
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {f"model.layers.{layer}.self_attn.q_proj.weight" for layer in (0, 1)}


def test_resuming_a_finished_one_says_so(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    asked = config(model, write_rows(tmp_path / "data", ROWS), tmp_path / "out", "updates=1")
    assert finetune(asked) == 0
    assert finetune(asked, resume=True) == 0
    assert "holds a finished policy" in capsys.readouterr().out
    with pytest.raises(UserError, match="is not empty"):
        finetune(asked)


# --- refusals ----------------------------------------------------------------------------------------------------


def test_going_on_with_other_settings_or_other_data_is_refused(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    data = write_rows(tmp_path / "data", ROWS)
    update = Sft._update

    def stopped(self: Sft, display: object) -> None:
        update(self, display)  # pyright: ignore[reportArgumentType]
        raise KeyboardInterrupt

    monkeypatch.setattr(Sft, "_update", stopped)
    assert finetune(config(model, data, tmp_path / "out", "checkpoint_every=1")) == 130
    monkeypatch.undo()
    with pytest.raises(UserError, match="batch was 4 and is now 5"):
        finetune(config(model, data, tmp_path / "out", "batch=5"), resume=True)
    write_rows(data, ROWS[:8])
    with pytest.raises(UserError, match="other demonstrations"):
        finetune(config(model, data, tmp_path / "out", "checkpoint_every=1"), resume=True)


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({"question": "1+1?"}, r"row 1 has no response to learn from.*task\.response_column"),
        ({"question": "1+1?", "response": 2}, r"column 'response' of row 1 is 2; make it a text"),
        ({"question": "1+1?", "response": ""}, r"column 'response' of row 1 is ''"),
        ({"question": "word " * 600, "response": "2"}, r"row 1: the prompt has .* context is 512; shorten"),
    ],
)
def test_rows_that_teach_nothing_are_refused_by_their_number(
    model: Path, tmp_path: Path, row: dict[str, object], complaint: str
):
    data = write_rows(tmp_path / "data", [row])
    with pytest.raises(UserError, match=complaint):
        finetune(config(model, data, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_the_command_resumes(model: Path, tmp_path: Path):
    data = write_rows(tmp_path / "data", ROWS)
    file = tmp_path / "sft.yaml"
    assert main(["config", "--sft"]) == 0
    file.write_text(
        f"task: {{name: dataset, path: '{data}', prompt_column: question}}\n"
        f"policy: {{path: '{model}', device: cpu}}\nupdates: 1\nbatch: 2\noutput: '{tmp_path / 'out'}'\n"
    )
    assert main(["sft", str(file), "--resume"]) == 0
    assert load_policy(str(tmp_path / "out"), device="cpu").context == 512
