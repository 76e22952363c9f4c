"""The policy as it is trained: whole or by adapters, on one process or many, and back to an ordinary model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from vineppo.learner.lora import MergedWeights, adapter_weights, read_adapter, write_adapter
from vineppo.learner.parallel import WholeTensors, load_whole, on_main
from vineppo.learner.passes import Passes
from vineppo.policy import Policy, load_policy
from vineppo.processes import ALONE, Processes

if TYPE_CHECKING:
    import peft

ADAPTER_FOLDER = "adapter"
"""Within a saved policy."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainedPolicy:
    """All methods must be called by all processes."""

    policy: Policy
    """Its weights may be sharded: sample from `weights`, not from it."""
    scorer: nn.Module
    """What the learner calls: a TokenLogprobs of the policy, perhaps parallel."""
    adapters: "peft.LoraConfig | None" = None
    """Where only they are trained: what was added."""
    passes: Passes = field(default=Passes())
    """How samples go through it."""
    processes: Processes = ALONE

    def weights(self) -> Mapping[str, Tensor]:
        """Whole, with adapters added in, under the plain model's names: for engines. To be gone through in order."""
        if self.adapters is not None:
            return MergedWeights(self.policy.model)
        state = self.policy.model.state_dict()
        return WholeTensors(state) if self.processes.sharded else state

    def snapshot(self) -> dict[str, Tensor]:
        """Copies of this process's part of all that is trained."""
        return {name: own.detach().clone() for name, own in self._trained().items()}

    @torch.no_grad()
    def take(self, snapshot: Mapping[str, Tensor]) -> None:
        """Go back to a snapshot."""
        for name, own in self._trained().items():
            own.copy_(snapshot[name])

    def save(self, folder: Path) -> None:
        """An ordinary Hugging Face folder, adapters added in, and the adapters alone in it. The main process writes."""
        weights = on_main(self.weights(), self.processes)
        if self.processes.is_main:
            self.policy.save(folder, weights)
        if self.adapters is not None:
            alone = on_main(WholeTensors(adapter_weights(self.policy.model)), self.processes)
            if self.processes.is_main:
                write_adapter(folder / ADAPTER_FOLDER, alone, self.adapters)

    def restore(self, folder: Path) -> None:
        """Take the weights that `save` wrote, with however many processes."""
        if self.adapters is not None:
            read_adapter(folder / ADAPTER_FOLDER, self.policy.model)
        else:
            load_whole(self.policy.model, load_policy(str(folder), device="cpu").model.state_dict())

    def _trained(self) -> dict[str, Tensor]:
        return {name: own for name, own in self.policy.model.named_parameters() if own.requires_grad}
