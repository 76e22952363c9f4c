"""What credit in TRL's trainer needs, and which of TRL's settings do not go with it. Checked before a model loads."""

from collections.abc import Mapping
from typing import Any

from vineppo.credit.group import GrpoCredit
from vineppo.credit.settings import CreditSettings
from vineppo.errors import UserError
from vineppo.integrations.trl.base import Arguments
from vineppo.steps.settings import StepsSettings
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


def check_settings(credit: CreditSettings, steps: StepsSettings, arguments: Mapping[str, Any]) -> None:
    """Raise UserError for what cannot work. `arguments`: those of GRPOTrainer, by name."""
    args = arguments.get("args")
    if problem := (
        find_method_problem(credit)
        or find_reward_problem(credit, args)
        or find_turns_problem(credit, arguments)
        or find_law_problem(credit, steps, args)
    ):
        raise UserError(problem)


def takes_trls_own(credit: CreditSettings) -> bool:
    """Whether its advantages are those that GRPOTrainer computes itself."""
    return isinstance(credit, GrpoCredit)


def samples_rollouts(credit: CreditSettings) -> bool:
    """Whether its values are measured by rollouts."""
    return credit.values == "rollouts"


def needs_law(credit: CreditSettings, steps: StepsSettings) -> bool:
    """Whether the log-prob of each token under the sampling law is looked at."""
    return credit.needs_logprobs or steps.needs_logprobs


def find_method_problem(credit: CreditSettings) -> str | None:
    """A method that TRL's loop has no place for."""
    if not isinstance(credit, CreditSettings):
        return f"credit is {credit!r}; give the settings of a method, e.g. CoupledCredit(rollouts=9)"
    if credit.ratio != "token":
        return (
            f"credit is {credit.called}, whose probability ratios are pooled over tokens, which GRPOTrainer does not "
            f"do; take another method, or `vineppo train` with credit={credit.called}"
        )
    if credit.critic is not None:
        return (
            f"credit is {credit.called}, which needs a value network, and GRPOTrainer trains none; take vine, coupled, "
            f"rloo or grpo, or `vineppo train` with credit={credit.called}"
        )
    if credit.learns_from_rollouts:
        return (
            f"credit is {credit.called}, which learns from its rollouts, too; GRPOTrainer cuts a batch of fixed size "
            "into equal parts, averages over their rows, and has made its rows' reference and old log-probs before "
            "credit is known, so rollouts cannot join them; take coupled, or `vineppo train` with "
            f"credit={credit.called}"
        )
    return None


def find_reward_problem(credit: CreditSettings, args: Arguments | None) -> str | None:
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
            f"args.multi_objective_aggregation is {args.multi_objective_aggregation!r}, but credit={credit.called} "
            "needs one reward a response; set it to 'sum_then_normalize'"
        )
    return None


def find_turns_problem(credit: CreditSettings, arguments: Mapping[str, Any]) -> str | None:
    """Responses that cannot be continued from any of their prefixes by the policy alone."""
    given = [name for name in TURNS if arguments.get(name)]
    if given and samples_rollouts(credit):
        return (
            f"{given[0]} is given, but credit={credit.called} continues responses from their middle, where a tool's or "
            "environment's state cannot be had again; leave it out, or take rloo or grpo"
        )
    dataset = arguments.get("train_dataset")
    columns = getattr(dataset, "column_names", None) or ()
    if samples_rollouts(credit) and (images := [name for name in columns if name in IMAGES]):
        return images_problem(credit, f"train_dataset has a column {images[0]}")
    return None


def images_problem(credit: CreditSettings, found: str) -> str:
    """Said at the start where the columns tell, else at the first batch."""
    return f"{found}, but credit={credit.called} continues responses from tokens alone; take text, or rloo or grpo"


def find_law_problem(credit: CreditSettings, steps: StepsSettings, args: Arguments | None) -> str | None:
    """A law that we cannot tell the probabilities of."""
    if args is None or not needs_law(credit, steps):
        return None
    for name, off in BEYOND_LAW.items():
        assert isinstance(off, tuple), "values that leave the law alone"
        if (value := getattr(args, name)) not in off:
            what = f"steps={steps.called}" if steps.needs_logprobs else f"credit={credit.called}"
            return (
                f"args.{name} is {value!r}, but {what} computes with the probabilities of tokens under temperature, "
                f"top-k and top-p; set it to {off[0]!r}, or take vine without mask_above, and other steps"
            )
    return None


def check_server(credit: CreditSettings, steps: StepsSettings, logprobs_mode: str) -> None:
    """Raise UserError where vLLM's server tells log-probs of another law than it samples from."""
    if needs_law(credit, steps) and logprobs_mode != "processed_logprobs":
        raise UserError(
            f"the vLLM server runs with --logprobs-mode {logprobs_mode}, but credit={credit.called} with steps="
            f"{steps.called} computes with log-probs under the sampling law; restart it with --logprobs-mode "
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
