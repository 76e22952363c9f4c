"""Log-probs of responses under a model as it is now."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vineppo.learner.batch import collate
from vineppo.learner.shares import per_sample
from vineppo.processes import ALONE, Processes
from vineppo.types import PromptAndResponse


@torch.no_grad()
def score(
    policy: nn.Module, samples: Sequence[PromptAndResponse], *, size: int, processes: Processes = ALONE
) -> list[Float[Tensor, " _"]]:
    """Per sample, [T] log-probs of its response tokens, on the policy's device. `policy` is a TokenLogprobs."""
    device = next(policy.parameters()).device

    def forward(some: Sequence[PromptAndResponse]) -> Tensor:
        batch = collate(some, device=device)
        logprobs, _ = policy(batch.token_ids, batch.attention_mask, batch.rows, batch.columns)
        return logprobs

    return [scores.to(device) for scores in per_sample(forward, samples, size=size, processes=processes)]
