"""Log-probs of sampled tokens under the policy, without ever holding [batch, time, vocabulary]."""

from contextlib import AbstractContextManager, nullcontext

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from vineppo.errors import UserError
from vineppo.learner.batch import Batch, hidden_states


class TokenLogprobs(nn.Module):
    """A causal language model as a function of a batch to the log-probs of its response tokens.

    The backbone runs once; the vocabulary-wide head runs over `chunk` positions at a time and, but for the last ones,
    is recomputed in the backward pass. Logits are divided by the sampling temperature first, as they were in sampling;
    top-p and top-k are not applied, because a truncated law has no gradient at the tokens it removed.

    dtype: what is computed in, whatever the weights are kept in; the softmax always is in float32. recompute: see
    `vineppo.learner.recompute`.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        *,
        temperature: float,
        chunk: int,
        dtype: torch.dtype = torch.float32,
        recompute: bool = False,
    ):
        super().__init__()
        self.model = model
        self.head = output_embedding(model)
        self.temperature = temperature
        self.chunk = chunk
        self.dtype = dtype
        self.recompute = recompute

    def forward(self, batch: Batch) -> tuple[Float[Tensor, " N"], Float[Tensor, " N"]]:
        """Log-prob of each response token, and the entropy of the law it was drawn from (no gradient)."""
        with computing_in(self.dtype, batch.token_ids.device):
            hidden = hidden_states(self.model.base_model, batch, recompute=self.recompute)
            *others, last = zip(hidden.split(self.chunk), batch.targets.split(self.chunk), strict=True)
            parts = [checkpoint(self._head, *chunk, use_reentrant=False) for chunk in others]
            # Its backward pass comes first, before another chunk's law is made, so there is room to keep its own.
            parts.append(self._head(*last))
        logprobs, entropies = zip(*parts, strict=True)
        return batch.spread(torch.cat(logprobs)), batch.spread(torch.cat(entropies))

    def _head(
        self, hidden: Float[Tensor, "C D"], targets: Int[Tensor, " C"]
    ) -> tuple[Float[Tensor, " C"], Float[Tensor, " C"]]:
        logits = self.head(hidden).float() / self.temperature
        law = logits.log_softmax(-1)
        entropy = -(law.detach().exp() * law.detach()).sum(-1)
        return law.gather(-1, targets[:, None]).squeeze(-1), entropy


def computing_in(dtype: torch.dtype, device: torch.device) -> AbstractContextManager[object]:
    """Matrix products in `dtype`, from weights kept in float32; nothing special for float32 itself."""
    return nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype)


def output_embedding(model: PreTrainedModel) -> nn.Module:
    """The linear map from hidden states to logits."""
    head = model.get_output_embeddings()
    if head is None:
        raise UserError(f"policy: {type(model).__name__} has no output embedding; take a causal language model")
    return head


@torch.no_grad()
def check_head(model: PreTrainedModel) -> None:
    """Refuse a model whose logits are more than its output embedding of the backbone's last hidden state."""
    token_ids = torch.arange(1, 9, device=model.device)[None] % model.config.get_text_config().vocab_size
    try:
        whole = model(input_ids=token_ids, use_cache=False).logits
        split = output_embedding(model)(model.base_model(input_ids=token_ids, use_cache=False).last_hidden_state)
    except (AttributeError, TypeError, RuntimeError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise UserError(
            f"policy: {type(model).__name__} does not give hidden states and logits as a causal language model of "
            f"transformers does ({' '.join(str(error).split())[:160]}); take a decoder-only model (Llama, Qwen ...)"
        ) from error
    if not torch.allclose(whole, split, rtol=1e-3, atol=1e-3):
        raise UserError(
            f"policy: {type(model).__name__} changes its logits after the output embedding (soft-capping or scaling), "
            "which training does not support; take a model without it, or unset it in the model's config.json"
        )
