"""Log-probs of responses under a model as it is now."""

from collections.abc import Mapping, Sequence
from itertools import chain

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vineppo.learner.batch import Batch
from vineppo.learner.parallel import settle
from vineppo.learner.passes import Passes
from vineppo.learner.shares import per_sample
from vineppo.processes import ALONE, Processes
from vineppo.types import PromptAndResponse, Sample

TOLERANCE = 1e-4
"""Nats a token. Rounding in float32 comes to a hundredth of it; PPO clips at two thousand times as much."""


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


def agree(told: Mapping[int, Float[Tensor, " _"]], samples: Sequence[Sample]) -> bool:
    """Whether the sampler gave every token of some samples the log-prob that the learner told, on the CPU."""
    sampled = torch.tensor(list(chain.from_iterable(samples[i].logprobs for i in told)))
    return bool(((torch.cat(list(told.values())) - sampled).abs() <= TOLERANCE).all())
