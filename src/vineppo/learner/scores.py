"""Log-probs of responses under a model as it is now."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vineppo.learner.batch import Batch
from vineppo.learner.parallel import settle
from vineppo.learner.passes import Passes
from vineppo.learner.shares import per_sample
from vineppo.processes import ALONE, Processes
from vineppo.types import PromptAndResponse


@torch.no_grad()
def score(
    policy: nn.Module, samples: Sequence[PromptAndResponse], *, passes: Passes, processes: Processes = ALONE
) -> list[Float[Tensor, " _"]]:
    """Per sample, [T] log-probs of its response tokens, on the policy's device. `policy` is a TokenLogprobs."""
    device = next(policy.parameters()).device

    def forward(batch: Batch) -> Tensor:
        logprobs, _ = policy(batch)
        return logprobs

    scores = per_sample(forward, samples, passes=passes, processes=processes, device=device)
    settle(policy)
    return [own.to(device) for own in scores]
