"""Maximum likelihood: the loss of supervised finetuning and of RestEM.

loss = - mean over the minibatch's response tokens of log pi(token | prompt, response so far)
"""

from collections.abc import Sequence

import torch
from torch import nn

from vineppo.learner.parallel import accumulating, backward
from vineppo.learner.passes import Passes
from vineppo.learner.shares import shares
from vineppo.metrics import Metrics
from vineppo.processes import ALONE, Processes
from vineppo.types import PromptAndResponse


def accumulate_likelihood(
    policy: nn.Module,
    items: Sequence[PromptAndResponse],
    chosen: Sequence[int],
    *,
    passes: Passes,
    processes: Processes = ALONE,
) -> Metrics:
    """Add the gradient of the chosen items' token-mean loss; return the loss and the policy's entropy."""
    num_tokens = sum(items[index].response_length for index in chosen)
    device = next(policy.parameters()).device
    sums = torch.zeros(2, device=device)
    for share in shares(items, chosen, passes=passes, processes=processes):
        batch = share.batch(items, device=device)
        with accumulating(policy, share):
            logprobs, entropies = policy(batch)
            loss = -logprobs.sum() / num_tokens
            backward(loss, share, processes)
        sums += share.weight * torch.stack([loss.detach(), entropies.sum() / num_tokens])
    return processes.sum(dict(zip(("loss/likelihood", "entropy"), sums.tolist(), strict=True)))
