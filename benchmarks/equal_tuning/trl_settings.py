"""From our configuration to the arguments of TRL's GRPOTrainer: pure, and without TRL.

Ours                              TRL's
training.questions x trajectories the generation batch, sampled all at once (`steps_per_generation` minibatches)
learner.minibatch                 `per_device_train_batch_size`, without accumulation: the fastest on one device
learner.epochs                    `num_iterations`
credit.scale                      `scale_rewards`: by the group's standard deviation, or not at all
learner.average                   `loss_type`: tokens is bnpo, the mean over the local batch's tokens: the whole
                                  minibatch (dapo's is over the mean number of tokens of the iteration's minibatches);
                                  responses is grpo, limit is dr_grpo; sums is none of TRL's and becomes bnpo
reward 0 for truncated responses  the same; they stay in the loss (`mask_truncated_completions` is off)
"""

from typing import Any

from vineppo.config.schema import Config
from vineppo.credit.group import GrpoCredit
from vineppo.curriculum.epoch import EpochCurriculum
from vineppo.curriculum.uniform import UniformCurriculum
from vineppo.errors import UserError
from vineppo.recipes.settings import PolicyIterationRecipe
from vineppo.settings.learner import Average

LOSS_TYPES: dict[Average, str] = {"tokens": "bnpo", "responses": "grpo", "limit": "dr_grpo"}
RECIPE = "trl_grpo"
"""`recipe.name` in the run directory, which no recipe of ours has: what tells the peer's runs from ours."""

IGNORED = {
    "steps": (),
    "credit": ("name",),
    "learner": ("micro_batch", "logprob_chunk", "ratio_guard", "lora", "reference_offload"),
    "analysis": (),
    "checkpoint": (),
    "processes": (),
}
"""Settings that mean nothing to TRL; of a whole section, (). The peer's config.yaml leaves them out."""


def check_settings(config: Config) -> None:
    """Raise UserError for what TRL cannot do as we do."""
    if problem := find_problem(config):
        raise UserError(f"TRL's GRPOTrainer trains all weights by GRPO, but {problem}")


def find_problem(config: Config) -> str | None:
    """What is asked beyond that, and the remedy."""
    if not isinstance(config.recipe, PolicyIterationRecipe):
        return f"recipe is {config.recipe.name}; set recipe=policy_iteration"
    if not isinstance(config.credit, GrpoCredit):
        return f"credit is {config.credit.name}; set credit=grpo"
    if not isinstance(config.curriculum, UniformCurriculum | EpochCurriculum):
        return f"curriculum is {config.curriculum.name}, which looks at what the policy can do; set curriculum=uniform"
    if config.learner.lora is not None:
        return "learner.lora is set; set it to null"
    if config.batch % config.learner.minibatch:
        return (
            f"learner.minibatch {config.learner.minibatch} does not divide the {config.batch} trajectories of an "
            "iteration; choose one that does"
        )
    return None


def trainer_arguments(config: Config) -> dict[str, Any]:
    """What GRPOConfig gets, but for the folder it wants.

    TRL's defaults of bfloat16 and gradient checkpointing would slow a small model down, and change its numbers.
    """
    learner, sampling, credit = config.learner, config.sampling, config.credit
    assert isinstance(credit, GrpoCredit), "check_settings refuses all others"
    return {
        "num_generations": config.training.trajectories,
        "per_device_train_batch_size": learner.minibatch,
        "gradient_accumulation_steps": 1,
        "steps_per_generation": config.batch // learner.minibatch,
        "num_iterations": learner.epochs,
        "max_steps": config.training.iterations * config.updates_per_iteration,
        "max_completion_length": sampling.max_new_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "learning_rate": learner.learning_rate,
        "max_grad_norm": learner.max_grad_norm,
        "epsilon": learner.clip,
        "beta": learner.kl_coefficient,
        "use_bias_correction_kl": False,
        "scale_rewards": "group" if credit.scale else "none",
        "loss_type": LOSS_TYPES.get(config.learner.average or credit.average, "bnpo"),
        "mask_truncated_completions": False,
        "shuffle_dataset": False,  # the questions come in our order
        "disable_dropout": True,
        "gradient_checkpointing": learner.gradient_checkpointing,
        "bf16": config.policy.dtype == "bfloat16",
        "use_cpu": config.policy.device == "cpu",
        "seed": config.training.seed,
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": False,
        "logging_strategy": "no",
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
    }


def recorded_settings(config: Config) -> dict[str, Any]:
    """The peer's config.yaml: what it heeds of ours, under a recipe's name of its own."""
    settings = config.model_dump()
    for section, keys in IGNORED.items():
        for key in keys:
            del settings[section][key]
        if not keys:
            del settings[section]
    return {**settings, "recipe": {"name": RECIPE}}
