"""Maximum likelihood: the loss of supervised finetuning and of RestEM.

loss = - mean over the minibatch's response tokens of log pi(token | prompt, response so far)
"""

from collections.abc import Sequence

from vineppo.learner.batch import collate
from vineppo.learner.logprobs import TokenLogprobs
from vineppo.learner.minibatches import micro_batches
from vineppo.metrics import Metrics
from vineppo.types import PromptAndResponse


def accumulate_likelihood(
    policy: TokenLogprobs, items: Sequence[PromptAndResponse], chosen: Sequence[int], *, micro_batch: int
) -> Metrics:
    """Add the gradient of the chosen items' token-mean loss; return the loss and the policy's entropy."""
    num_tokens = sum(items[index].response_length for index in chosen)
    device = policy.model.device
    loss_sum = entropy_sum = 0.0
    for micro in micro_batches(items, chosen, size=micro_batch):
        batch = collate([items[index] for index in micro], device=device)
        logprobs, entropies = policy(batch.token_ids, batch.attention_mask, batch.rows, batch.columns)
        loss = -logprobs.sum() / num_tokens
        loss.backward()
        loss_sum += loss.item()
        entropy_sum += entropies.sum().item()
    return {"loss/likelihood": loss_sum, "entropy": entropy_sum / num_tokens}
