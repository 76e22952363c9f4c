"""Whether an engine samples from the policy the trainer has: log-probs of the same tokens from both, side by side.

The engine continues a fixed prefix, through whatever it caches; a plain forward pass of the trainer's model scores what
came. So one number covers stale weights, stale caches, another rounding and another law.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call
from transformers import PreTrainedModel

from vineppo.seams import Engine
from vineppo.types import Completion, Request, Sampling

PREFIX, NEW, COUNT = 72, 8, 4
"""Tokens of the prefix (more than two pages of any engine's cache), new tokens, continuations."""

State = Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """What the engine sampled, and what it was asked."""

    prefix: tuple[int, ...]
    completions: tuple[Completion, ...]

    def engine_logprobs(self) -> Float[Tensor, " N"]:
        """Of all sampled tokens."""
        return torch.tensor([logprob for completion in self.completions for logprob in completion.logprobs])

    @torch.no_grad()
    def model_logprobs(self, model: PreTrainedModel, state: State) -> Float[Tensor, " N"]:
        """Of the same tokens, from a forward pass of `model` with the weights `state`."""
        device = next((buffer.device for buffer in model.buffers()), None)  # weights may come from elsewhere
        tensors = {name: tensor.to(device) for name, tensor in state.items()}
        return torch.cat([self._scored(model, tensors, completion.token_ids) for completion in self.completions])

    def _scored(self, model: PreTrainedModel, tensors: dict[str, Tensor], new: Sequence[int]) -> Float[Tensor, " T"]:
        tokens = torch.tensor([[*self.prefix, *new]], device=next(iter(tensors.values())).device)
        # A state may hold a tensor that has two names in the model under both or under one of them.
        names = {name for name, _ in model.named_parameters(remove_duplicate=False)}
        once = not names <= tensors.keys()
        logits = functional_call(model, tensors, (tokens,), {"use_cache": False}, tie_weights=once).logits[0]
        law = logits[len(self.prefix) - 1 : -1].float().log_softmax(-1)
        return law.gather(-1, tokens[0, len(self.prefix) :, None]).squeeze(-1).cpu()


def skeleton(model: PreTrainedModel) -> PreTrainedModel:
    """The model without its weights: what a trainer later does to the model itself changes nothing here."""
    weightless = {id(parameter): nn.Parameter(parameter.to("meta"), False) for parameter in model.parameters()}
    return copy.deepcopy(model, weightless)


def probe(engine: Engine, *, vocabulary: int, context: int) -> Probe:
    """Ask the engine, at temperature 1. The prefix is the same each time, so a stale cache shows."""
    length = max(1, min(PREFIX, context - NEW))
    prefix = tuple((7 * place + 1) % vocabulary for place in range(length))
    (drawn,) = engine.sample([Request(prefix=prefix, count=COUNT, seed=0)], Sampling(max_new_tokens=NEW))
    return Probe(prefix=prefix, completions=drawn)


def difference(one: Float[Tensor, " N"], other: Float[Tensor, " N"]) -> float:
    """Mean over tokens of the distance, nats; infinite where a log-prob is not finite."""
    distance = (one - other).abs().mean()
    return float(distance) if torch.isfinite(distance) else float("inf")
