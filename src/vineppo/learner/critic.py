"""PPO's value network: a copy of the policy's backbone with one linear output, trained to predict returns."""

import copy
from collections.abc import Sequence
from statistics import fmean
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel

from vineppo.learner.batch import Batch, hidden_states
from vineppo.learner.logprobs import computing_in
from vineppo.learner.losses import value_loss
from vineppo.learner.minibatches import minibatches
from vineppo.learner.optimizer import Optimizer
from vineppo.learner.parallel import accumulating, backward, settle
from vineppo.learner.passes import Passes
from vineppo.learner.shares import per_sample, shares
from vineppo.metrics import Metrics
from vineppo.processes import ALONE, Processes
from vineppo.settings.learner import CriticConfig, LearnerConfig
from vineppo.types import PromptAndResponse, Sample


class ValueNetwork(nn.Module):
    """The value of the state before each response token. The output starts at 0 for every state.

    dtype: what the backbone is computed in, whatever the weights are kept in. recompute: see
    `vineppo.learner.recompute`; the policy must be ready for it.
    """

    def __init__(self, policy: PreTrainedModel, *, dtype: torch.dtype = torch.float32, recompute: bool = False):
        super().__init__()
        self.dtype = dtype
        self.recompute = recompute
        self.backbone = copy.deepcopy(policy.base_model)
        hidden_size = policy.config.get_text_config().hidden_size
        self.output = nn.Linear(hidden_size, 1, device=policy.device)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, batch: Batch) -> Float[Tensor, " N"]:
        """The hidden state that predicts a token also tells the value of the state before it."""
        with computing_in(self.dtype, batch.token_ids.device):
            hidden = hidden_states(self.backbone, batch, recompute=self.recompute)
        values = self.output(hidden.to(self.output.weight.dtype))
        return batch.spread(values[:, 0].float().clone())  # FSDP2 wants no view


class Critic:
    """The value network, perhaps parallel, and its optimizer. `updates`: how many the policy makes in the whole run."""

    def __init__(
        self,
        network: nn.Module,
        settings: LearnerConfig,
        own: CriticConfig,
        *,
        updates: int,
        passes: Passes | None = None,
        processes: Processes = ALONE,
    ):
        self.network = network
        self._passes = passes or Passes(rows=settings.micro_batch)
        self._processes = processes
        self._settings = settings
        self._value_clip = own.value_clip
        self._epochs = settings.epochs if own.epochs is None else own.epochs
        self._optimizer = Optimizer(
            network,
            learning_rate=own.learning_rate,
            weight_decay=settings.weight_decay,
            max_grad_norm=settings.max_grad_norm,
            updates=updates * self._epochs // settings.epochs,
            warmup_ratio=settings.warmup_ratio,
            shape=settings.schedule,
        )

    @torch.no_grad()
    def predict(self, samples: Sequence[PromptAndResponse]) -> list[list[float]]:
        """Per sample, [T] the value before each response token."""
        values = per_sample(self.network, samples, passes=self._passes, processes=self._processes, device=self._device)
        settle(self.network)
        return [own.tolist() for own in values]

    def update(self, samples: Sequence[Sample], *, seed: int) -> Metrics:
        """All epochs, in minibatches like the policy's. Samples carry returns."""
        old = [torch.tensor(values, device=self._device) for values in self.predict(samples)]
        returns = [torch.tensor(_returns(sample), device=self._device) for sample in samples]
        losses, norms = [], []
        for epoch in range(self._epochs):
            for chosen in minibatches(len(samples), size=self._settings.minibatch, seed=seed, epoch=epoch):
                losses.append(self._accumulate(samples, chosen, old, returns))
                norms.append(self._optimizer.step())
        finite = [norm for norm in norms if norm is not None]
        return {
            "critic/loss": fmean(losses),
            "critic/updates_nonfinite": float(len(norms) - len(finite)),
            **({"critic/grad_norm": fmean(finite)} if finite else {}),
            **explained_variance(torch.cat(old), torch.cat(returns)),
        }

    def finished(self, updates_per_epoch: int) -> None:
        """The schedule stands after so many planned updates an epoch, whether all were made or not."""
        self._optimizer.finished(updates_per_epoch * self._epochs)

    def state_dict(self) -> dict[str, Any]:
        """Optimizer and schedule."""
        return self._optimizer.state_dict(keep=self._processes.is_main)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken."""
        self._optimizer.load_state_dict(state)

    def _accumulate(
        self, samples: Sequence[Sample], chosen: Sequence[int], old: Sequence[Tensor], returns: Sequence[Tensor]
    ) -> float:
        """Gradient of the minibatch's token-mean loss; returns the loss."""
        num_tokens = sum(len(returns[i]) for i in chosen)
        total = torch.zeros((), device=self._device)
        for share in shares(samples, chosen, passes=self._passes, processes=self._processes):
            with accumulating(self.network, share):
                values = self.network(share.batch(samples, device=self._device))
                old_values = torch.cat([old[i] for i in share.indices])
                targets = torch.cat([returns[i] for i in share.indices])
                loss = value_loss(values, old_values, targets, clip=self._value_clip).sum() / num_tokens
                backward(loss, share, self._processes)
            total += share.weight * loss.detach()
        return self._processes.sum({"loss": total.item()})["loss"]

    @property
    def _device(self) -> torch.device:
        return next(self.network.parameters()).device


def explained_variance(values: Float[Tensor, " N"], returns: Float[Tensor, " N"]) -> Metrics:
    """1 for a perfect critic, 0 for a constant one; nothing where all returns are equal."""
    variance = returns.var() if len(returns) > 1 else torch.zeros(())
    if variance == 0:
        return {}
    return {"critic/explained_variance": float(1 - (returns - values).var() / variance)}


def _returns(sample: Sample) -> tuple[float, ...]:
    if sample.returns is None:
        raise ValueError("the critic was given a sample without returns: its credit was not made by a value network")
    return sample.returns
