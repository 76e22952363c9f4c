"""What TRL does goes on being done: its losses, its batches, its adapters, its data, and going on from a checkpoint."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from coin_world import coin_model, questions, seven
from datasets import Dataset

from vineppo.analysis.run_comparison import read_points
from vineppo.compare.read import read_comparison
from vineppo.credit.coupled_assigner import CoupledCredit
from vineppo.credit.group import RlooCredit
from vineppo.credit.vine import VineCredit
from vineppo.errors import UserError
from vineppo.integrations.trl.task import as_prompt
from vineppo.report.run_data import read_run
from vineppo.types import Message

pytestmark = pytest.mark.slow

Make = Callable[..., Any]
COUPLED = CoupledCredit(rollouts=3)


def chatty(trainer_arguments: dict[str, Any]) -> dict[str, Any]:
    """Prompts as messages, with a template."""
    words = trainer_arguments["processing_class"]
    words.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    rows = questions().map(lambda row: {"prompt": [{"role": "user", "content": row["prompt"]}]})
    return {"processing_class": words, "train_dataset": rows}


@pytest.mark.parametrize(
    "settings",
    [
        {"loss_type": "dr_grpo", "scale_rewards": "none"},
        {"loss_type": "bnpo", "num_iterations": 2, "max_steps": 2},
        {"loss_type": "grpo", "importance_sampling_level": "sequence", "beta": 0.1},
        {"loss_type": "cispo", "top_entropy_quantile": 0.5},
        {"loss_type": "sapo", "off_policy_mask_threshold": 0.1},
        {"loss_type": "vespo"},
        {"loss_type": "luspo", "importance_sampling_level": "sequence"},
        {"top_p": 0.9, "top_k": 10, "temperature": 0.7},
        {"gradient_accumulation_steps": 2, "per_device_train_batch_size": 4},
        {"steps_per_generation": 4, "per_device_train_batch_size": 4, "max_steps": 2},
        {"mask_truncated_completions": True, "max_completion_length": 3},
        {"gradient_checkpointing": True, "gradient_checkpointing_kwargs": {"use_reentrant": False}},
        {"beta": 0.1, "sync_ref_model": True, "ref_model_sync_steps": 1, "use_bias_correction_kl": True},
        {"delta": 2.0, "cast_lm_head_to_fp32": True},
        {"num_generations": 4, "per_device_train_batch_size": 2, "gradient_accumulation_steps": 8},
        {"entropy_coef": 0.01, "log_completions": True, "num_completions_to_print": 0},
    ],
    ids=lambda settings: next(iter(f"{name}={value}" for name, value in settings.items())),
)
def test_trls_settings_go_with_step_credit(make: Make, settings: dict[str, Any], tmp_path: Path):
    trainer = make(COUPLED, **({"num_generations": 2} | settings), more={"model": saved(tmp_path)})
    before = {name: weight.clone() for name, weight in trainer.model.state_dict().items()}
    trainer.train()
    after = trainer.model.state_dict()
    assert all(weight.isfinite().all() for weight in after.values())
    assert any(not torch.equal(before[name], after[name]) for name in before)
    log = next(entry for entry in trainer.state.log_history if "credit/advantage_std" in entry)
    assert log["credit/rollouts"] > 0
    assert log["tokens/rollouts"] > 0


def saved(folder: Path) -> str:
    """The model as a folder: where TRL finds its reference."""
    from coin_world import tokenizer

    coin_model().save_pretrained(folder / "model")
    tokenizer().save_pretrained(folder / "model")
    return str(folder / "model")


def test_adapters_alone_are_trained(make: Make):
    from peft import LoraConfig  # pyright: ignore[reportMissingImports]

    adapters = LoraConfig(r=2, target_modules=["q_proj", "down_proj"], task_type="CAUSAL_LM")
    trainer = make(COUPLED, more={"peft_config": adapters}, max_steps=2)
    trainer.train()
    state = trainer.model.state_dict()
    assert any(weight.any() for name, weight in state.items() if "lora_B" in name)
    head = next(weight for name, weight in state.items() if name.endswith("lm_head.weight"))
    assert torch.equal(head, coin_model().lm_head.weight)


def test_reward_functions_see_messages_where_prompts_have_them(make: Make):
    from coin_world import tokenizer

    seen = []

    def watch(prompts: list[Any], completions: list[Any], completion_ids: list[list[int]], **rest: Any) -> list[float]:
        seen.append((prompts[0], completions[0], sorted(rest)))
        assert len(completion_ids) == len(completions) == len(rest["answer"])
        return seven(completions)

    more = chatty({"processing_class": tokenizer()}) | {"reward_funcs": watch}
    make(VineCredit(rollouts=2), more=more).train()
    completions, rollouts = seen
    assert rollouts[0][0].keys() == completions[0][0].keys() == {"role", "content"}
    assert rollouts[1][0]["role"] == completions[1][0]["role"] == "assistant"
    assert rollouts[2] == completions[2]


def test_an_environment_may_ask_questions_that_no_row_holds(make: Make, tmp_path: Path, monkeypatch):
    from coin_world import tokenizer

    class Sums:
        def reset(self, **row: Any) -> str:
            return f"{row['start']}=?"

    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    rows = Dataset.from_list([{"environment": "sums", "start": 5}] * 2)
    words = tokenizer()
    words.chat_template = "{% for m in messages %}{{ m['content'] }}{{ m['tool_calls'] }}{% endfor %}"
    words.response_template = {"defaults": {"role": "assistant"}, "fields": {"content": {"content": "text"}}}
    more = {"processing_class": words, "train_dataset": rows, "environment_factory": {"sums": Sums}}
    make(RlooCredit(), more=more, output_dir=str(tmp_path / "run")).train()
    assert {record.prompt for record in read_run(tmp_path / "run").latest} == {"5=?"}


def test_of_a_prompts_parts_the_text_is_shown():
    turn = {"role": "user", "content": [{"type": "image", "image": object()}, {"type": "text", "text": "What is it?"}]}
    assert as_prompt([turn]) == (Message(role="user", content="[image]What is it?"),)


def test_a_reward_model_judges_rollouts_too(make: Make):
    from coin_world import tokenizer
    from transformers import LlamaForSequenceClassification

    words = tokenizer()
    config = coin_model().config
    config.num_labels = 1
    torch.manual_seed(0)
    judge = LlamaForSequenceClassification(config)
    more = {"reward_funcs": [judge, seven], "reward_processing_classes": [words, None]}
    trainer = make(COUPLED, more=more, num_generations=2)
    trainer.train()
    log = next(entry for entry in trainer.state.log_history if "credit/rollouts" in entry)
    assert log["credit/advantage_std"] > 0


def test_where_nothing_is_scored_nothing_is_learned(make: Make):
    trainer = make(COUPLED, more={"reward_funcs": lambda completions, **_: [None] * len(completions)})
    trainer.train()
    start = coin_model().state_dict()
    assert all(torch.equal(weight, start[name]) for name, weight in trainer.model.state_dict().items())


def test_questions_may_come_as_a_stream(make: Make):
    trainer = make(COUPLED, more={"train_dataset": questions().to_iterable_dataset()}, num_generations=2)
    trainer.train()
    assert any("credit/rollouts" in entry for entry in trainer.state.log_history)


# --- going on ----------------------------------------------------------------------------------------------------


def test_a_run_that_goes_on_is_the_run_that_never_stopped(make: Make, tmp_path: Path):
    """TRL puts back data and random numbers; our rollouts depend on update and seed alone.

    Within the first pass over the data: what TRL asks in later ones is in another order once it was resumed.
    """
    settings = {"max_steps": 4, "num_generations": 2, "save_strategy": "steps", "save_steps": 2}
    more = {"train_dataset": questions(16)}
    whole = make(COUPLED, output_dir=str(tmp_path / "run"), more=more, **settings)
    whole.train()
    part = make(COUPLED, output_dir=str(tmp_path / "run"), more=more, **settings)
    part.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-2"))
    a, b = whole.model.state_dict(), part.model.state_dict()
    assert all(torch.equal(a[name], b[name]) for name in a)
    lines = read_run(tmp_path / "run").metrics
    assert [line["iteration"] for line in lines] == [1, 2, 3, 4]
    assert lines[3]["num_tokens"] == sum(line["tokens/trajectories"] + line.get("tokens/rollouts", 0) for line in lines)
    assert lines[3]["time/total"] > lines[1]["time/total"]


# --- the run directory -------------------------------------------------------------------------------------------


def test_report_and_compare_read_it(make: Make, tmp_path: Path):
    evaluated = {
        "eval_strategy": "steps",
        "eval_steps": 1,
        "eval_on_start": True,
        "num_generations_eval": 2,
        "per_device_eval_batch_size": 8,
        "max_steps": 2,
        "num_generations": 2,
    }
    for name, credit in (("coupled", COUPLED), ("rloo", RlooCredit())):
        more = {"eval_dataset": questions(8)}
        make(credit, output_dir=str(tmp_path / name), more=more, **evaluated).train()
    run = read_run(tmp_path / "coupled")
    assert run.setting("credit", "name") == "coupled"
    assert run.setting("trl", "loss_type") == "dapo"
    assert [line["iteration"] for line in run.metrics] == [0, 1, 2]
    assert run.summary
    assert run.summary.updates == 2
    assert run.summary.tokens["rollouts"] == sum(line.get("tokens/rollouts", 0) for line in run.metrics)
    assert run.metrics[0]["tokens/evaluation"] > 0
    assert [read_points(run.metrics)[place].at["tokens"] for place in (0, 1)] == [0, learned_from(run.metrics[1])]
    assert run.latest[0].steps[0].value is not None
    assert (tmp_path / "coupled" / "report.html").exists()
    compared = read_comparison([tmp_path / "coupled", tmp_path / "rloo"])
    assert {experiment.name.split()[0] for experiment in compared.experiments} == {"coupled", "rloo"}
    assert {"updates", "tokens", "seconds"} <= set(compared.axes)


def learned_from(line: dict[str, float]) -> float:
    """Tokens decoded to learn from."""
    return line["tokens/trajectories"] + line.get("tokens/rollouts", 0)


def test_a_run_of_ours_is_not_overwritten(make: Make, tmp_path: Path):
    (tmp_path / "config.yaml").write_text("recipe: {name: policy_iteration}\n")
    with pytest.raises(UserError, match="holds a run that TRL did not make"):
        make(RlooCredit(), output_dir=str(tmp_path)).train()
