"""Writes group_reference.json: the gradients of one update of TRL's GRPO, Dr. GRPO and RLOO on a small model.

    pip install -c constraints.txt -e '.[dev,bench]'
    python tests/learner/make_group_reference.py

TRL is no dependency of ours, so its numbers are kept instead. Plain gradient descent with rate 1 makes the change of
the weights the negative gradient. Rewards are a formula of the sampled tokens, and one group is all wrong.
"""

import json
import tempfile
from pathlib import Path

import torch
import trl
from datasets import Dataset
from formula_llama import formula_llama
from make_dpo_reference import tokenizer

PROMPTS = ["t2 t3", "t7", "t10 t11 t12"]
GROUP, LIMIT, TEMPERATURE = 4, 8, 1.0
METHODS = {
    "grpo": (trl.GRPOTrainer, trl.GRPOConfig, {"loss_type": "grpo", "scale_rewards": "group"}),
    "dr_grpo": (trl.GRPOTrainer, trl.GRPOConfig, {"loss_type": "dr_grpo", "scale_rewards": "none"}),
    "rloo": (trl.RLOOTrainer, trl.RLOOConfig, {}),
}


def reward_of(ids: list[int], prompt: int) -> float:
    """Varies within a group; that of the last prompt is all wrong."""
    return 0.0 if prompt == len(PROMPTS) - 1 else float(sum(ids) % 3)


def update(method: str) -> dict[str, object]:
    """One."""
    trainer_class, config_class, own = METHODS[method]
    model, rows = formula_llama(0.0), []
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}

    def reward(completion_ids, place, **_):
        rewards = [reward_of(ids, at) for ids, at in zip(completion_ids, place, strict=True)]
        rows.extend(
            {"place": at, "completion": ids, "reward": value}
            for ids, at, value in zip(completion_ids, place, rewards, strict=True)
        )
        return rewards

    with tempfile.TemporaryDirectory() as folder:
        arguments = config_class(
            output_dir=folder,
            num_generations=GROUP,
            per_device_train_batch_size=GROUP * len(PROMPTS),
            max_completion_length=LIMIT,
            temperature=TEMPERATURE,
            beta=0.0,
            max_steps=1,
            learning_rate=1.0,
            lr_scheduler_type="constant",
            optim="sgd",
            max_grad_norm=0.0,
            shuffle_dataset=False,
            report_to="none",
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            disable_tqdm=True,
            seed=3,
            **own,
        )
        trainer = trainer_class(
            model=model,
            reward_funcs=reward,
            args=arguments,
            train_dataset=Dataset.from_list([{"prompt": text, "place": at} for at, text in enumerate(PROMPTS)]),
            processing_class=tokenizer(),
        )
        trainer.train()
    gradient = {name: before[name] - parameter.detach() for name, parameter in model.named_parameters()}
    return {
        "rows": rows,
        "gradient_norms": {name: float(tensor.norm()) for name, tensor in gradient.items()},
        "head_gradient": gradient["lm_head.weight"][5].tolist(),
    }


def main() -> None:
    words = tokenizer()
    reference = {
        "made_by": f"trl {trl.__version__}, torch {torch.__version__}: python tests/learner/make_group_reference.py",
        "prompts": [words(text)["input_ids"] for text in PROMPTS],
        "limit": LIMIT,
        "methods": {method: update(method) for method in METHODS},
    }
    Path(__file__).with_name("group_reference.json").write_text(json.dumps(reference, indent=1) + "\n")


if __name__ == "__main__":
    main()
