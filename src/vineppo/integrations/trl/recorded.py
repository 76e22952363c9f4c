"""The config.yaml of a run in TRL's trainer: our words where we have one for it, else TRL's under `trl`. Pure."""

from typing import Any

from vineppo.integrations.trl.base import Trainer

RECIPE = "trl"
"""`recipe.name`, which no recipe of ours has: what tells these runs from ours."""

KEPT = (
    "max_steps",
    "num_train_epochs",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "steps_per_generation",
    "num_iterations",
    "learning_rate",
    "lr_scheduler_type",
    "warmup_steps",
    "weight_decay",
    "max_grad_norm",
    "loss_type",
    "beta",
    "epsilon",
    "epsilon_high",
    "scale_rewards",
    "importance_sampling_level",
    "mask_truncated_completions",
    "top_entropy_quantile",
    "min_p",
    "repetition_penalty",
    "use_vllm",
    "vllm_mode",
    "vllm_importance_sampling_correction",
    "bf16",
)
"""Settings of GRPOConfig that make an experiment what it is."""


def recorded_settings(trainer: Trainer) -> dict[str, Any]:
    """Plain data."""
    args, named = trainer.args, trainer.args.to_dict()
    return {
        "recipe": {"name": RECIPE},
        "policy": {"path": str(trainer.model.config._name_or_path)},
        "task": {
            "name": RECIPE,
            "rewards": list(trainer.reward_func_names),
            "weights": trainer.reward_weights.tolist(),
        },
        "sampling": {
            "temperature": args.temperature,
            "top_p": args.top_p,
            "top_k": args.top_k,
            "max_new_tokens": args.max_completion_length,
        },
        "steps": trainer.steps.model_dump(),
        "credit": trainer.credit.model_dump(),
        "training": {"seed": args.seed, "trajectories": args.num_generations},
        "trl": {name: named[name] for name in KEPT},
    }
