"""Solutions that nobody sampled, as trajectories.

A given text has no tokens of its own, so here, and only here, a response is tokenised: once, on its own, with the
policy's end token behind it, or up to a stop string. From then on its tokens are the truth, as everywhere: text and
steps are decoded from them.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from vineppo.engines.stops import Watch
from vineppo.engines.torch.law import sampling_logprobs
from vineppo.errors import UserError
from vineppo.policy import Policy
from vineppo.stops import before_stop
from vineppo.types import Finish, Question, Sampling, Trajectory

CHUNK = 512
"""Token positions per vocabulary-wide law."""


def given_trajectory(policy: Policy, question: Question, text: str, sampling: Sampling) -> Trajectory:
    """As if the policy had written it, with the log-probs it would have had: -inf for what top-p or top-k forbid."""
    prompt_ids = policy.encode(question.prompt)
    token_ids = ended(policy, policy.tokenizer(text, add_special_tokens=False).input_ids, sampling.stop)
    check_length(question, len(prompt_ids), len(token_ids), sampling.max_new_tokens, policy.context)
    return Trajectory(
        question=question,
        prompt_ids=prompt_ids,
        response_ids=token_ids,
        logprobs=tuple(response_logprobs(policy, prompt_ids, token_ids, sampling)),
        text=before_stop(policy.decode(token_ids), sampling.stop),
        finish=Finish.TERMINATED,
        policy_version=0,
    )


def ended(policy: Policy, token_ids: Sequence[int], stop: tuple[str, ...]) -> tuple[int, ...]:
    """A response's tokens up to where the policy would have stopped, or with an end token behind them."""
    stops = Watch(policy.decode).of(stop)
    end = None if stops is None else stops.end(token_ids)
    return (*token_ids, *policy.end_ids[:1]) if end is None else tuple(token_ids[:end])


def check_length(question: Question, prompt: int, response: int, limit: int, context: int) -> None:
    """From every state before the end there must be room for a rollout."""
    if not response:
        raise UserError(f"{question.id}: a given solution has no tokens; give a text, or leave it out")
    if response > limit:
        raise UserError(
            f"{question.id}: a given solution has {response} tokens, but a response may have only {limit}; "
            f"set sampling.max_new_tokens to at least {response}"
        )
    if prompt + response > context:
        raise UserError(
            f"{question.id}: prompt and given solution have {prompt + response} tokens, but the policy's context is "
            f"{context}; shorten them, or take a policy with a longer context"
        )


@torch.no_grad()
def response_logprobs(
    policy: Policy, prompt_ids: Sequence[int], response_ids: Sequence[int], sampling: Sampling
) -> list[float]:
    """[T] under the sampling law."""
    token_ids = torch.tensor([[*prompt_ids, *response_ids]], device=policy.model.device)
    logits: Tensor = policy.model(input_ids=token_ids, use_cache=False).logits[0, len(prompt_ids) - 1 : -1]
    targets = token_ids[0, len(prompt_ids) :, None]
    parts = [
        sampling_logprobs(part, sampling).gather(-1, target).squeeze(-1)
        for part, target in zip(logits.split(CHUNK), targets.split(CHUNK), strict=True)
    ]
    return torch.cat(parts).tolist()
