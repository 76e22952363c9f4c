"""What credit in TRL's trainer needs, and which of TRL's settings do not go with it. Checked before a model loads."""

from collections.abc import Mapping
from typing import Any

from vineppo.config.schema import (
    CoupledCredit,
    CreditConfig,
    GrpoCredit,
    PpoCredit,
    RlooCredit,
    StepsConfig,
    TreeCredit,
    UncertainSteps,
    VineCredit,
)
from vineppo.errors import UserError
from vineppo.integrations.trl.base import Arguments
from vineppo.types import Sampling

TURNS = ("tools", "environment_factory", "rollout_func")
"""Arguments by which a response is more than what the policy writes in one go."""
BEYOND_LAW: Mapping[str, object] = {
    "min_p": (None, 0.0),
    "repetition_penalty": (1.0,),
    "generation_kwargs": (None, {}),
    "vllm_structured_outputs_regex": (None,),
}
"""Settings of generation that our sampling law (temperature, top-k, top-p) does not have, and where they are off."""
IMAGES = ("image", "images")


def check_settings(credit: CreditConfig, steps: StepsConfig, arguments: Mapping[str, Any]) -> None:
    """Raise UserError for what cannot work. `arguments`: those of GRPOTrainer, by name."""
    args = arguments.get("args")
    if problem := (
        find_method_problem(credit)
        or find_reward_problem(credit, args)
        or find_turns_problem(credit, arguments)
        or find_law_problem(credit, steps, args)
    ):
        raise UserError(problem)


def samples_rollouts(credit: CreditConfig) -> bool:
    """Whether its values are measured by rollouts."""
    return isinstance(credit, VineCredit | CoupledCredit)


def needs_law(credit: CreditConfig, steps: StepsConfig) -> bool:
    """Whether the log-prob of each token under the sampling law is looked at."""
    masks = isinstance(credit, VineCredit | CoupledCredit) and credit.mask_above is not None
    return masks or isinstance(credit, CoupledCredit) or isinstance(steps, UncertainSteps)


def find_method_problem(credit: CreditConfig) -> str | None:
    """A method that TRL's loop has no place for."""
    match credit:
        case PpoCredit():
            return (
                "credit is ppo, which needs a value network, and GRPOTrainer trains none; take vine, coupled, rloo or "
                "grpo, or `vineppo train` with credit=ppo"
            )
        case TreeCredit():
            return (
                "credit is tree, which learns from its rollouts, too; GRPOTrainer cuts a batch of fixed size into "
                "equal parts, averages over their rows, and has made its rows' reference and old log-probs before "
                "credit is known, so rollouts cannot join them; take coupled, or `vineppo train` with credit=tree"
            )
        case VineCredit() | CoupledCredit() | GrpoCredit() | RlooCredit():
            return None
        case _:
            return f"credit is {credit!r}; give the settings of a method, e.g. CoupledCredit(rollouts=9)"


def find_reward_problem(credit: CreditConfig, args: Arguments | None) -> str | None:
    """Where TRL and we would mean different advantages."""
    if args is None:
        return None
    if isinstance(credit, GrpoCredit):
        if not credit.scale and args.scale_rewards not in ("none", False):
            return (
                f"credit.scale is false, but args.scale_rewards is {args.scale_rewards!r}, and with grpo TRL's own "
                "advantages are taken; set scale_rewards='none'"
            )
        return None
    if args.multi_objective_aggregation != "sum_then_normalize":
        return (
            f"args.multi_objective_aggregation is {args.multi_objective_aggregation!r}, but credit={credit.name} "
            "needs one reward a response; set it to 'sum_then_normalize'"
        )
    return None


def find_turns_problem(credit: CreditConfig, arguments: Mapping[str, Any]) -> str | None:
    """Responses that cannot be continued from any of their prefixes by the policy alone."""
    given = [name for name in TURNS if arguments.get(name)]
    if given and samples_rollouts(credit):
        return (
            f"{given[0]} is given, but credit={credit.name} continues responses from their middle, where a tool's or "
            "environment's state cannot be had again; leave it out, or take rloo or grpo"
        )
    dataset = arguments.get("train_dataset")
    columns = getattr(dataset, "column_names", None) or ()
    if samples_rollouts(credit) and (images := [name for name in columns if name in IMAGES]):
        return images_problem(credit, f"train_dataset has a column {images[0]}")
    return None


def images_problem(credit: CreditConfig, found: str) -> str:
    """Said at the start where the columns tell, else at the first batch."""
    return f"{found}, but credit={credit.name} continues responses from tokens alone; take text, or rloo or grpo"


def find_law_problem(credit: CreditConfig, steps: StepsConfig, args: Arguments | None) -> str | None:
    """A law that we cannot tell the probabilities of."""
    if args is None or not needs_law(credit, steps):
        return None
    for name, off in BEYOND_LAW.items():
        assert isinstance(off, tuple), "values that leave the law alone"
        if (value := getattr(args, name)) not in off:
            what = f"steps={steps.name}" if isinstance(steps, UncertainSteps) else f"credit={credit.name}"
            return (
                f"args.{name} is {value!r}, but {what} computes with the probabilities of tokens under temperature, "
                f"top-k and top-p; set it to {off[0]!r}, or take vine without mask_above, and other steps"
            )
    return None


def check_server(credit: CreditConfig, steps: StepsConfig, logprobs_mode: str) -> None:
    """Raise UserError where vLLM's server tells log-probs of another law than it samples from."""
    if needs_law(credit, steps) and logprobs_mode != "processed_logprobs":
        raise UserError(
            f"the vLLM server runs with --logprobs-mode {logprobs_mode}, but credit={credit.name} with steps="
            f"{steps.name} computes with log-probs under the sampling law; restart it with --logprobs-mode "
            "processed_logprobs"
        )


def sampling_of(args: Arguments) -> Sampling:
    """The law of completions and rollouts."""
    return Sampling(
        temperature=args.temperature,
        top_k=max(args.top_k or 0, 0),
        top_p=args.top_p,
        max_new_tokens=args.max_completion_length,
    )
