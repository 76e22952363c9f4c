"""One update by TRL's GRPOTrainer: its own loss step on given samples, backward, AdamW."""

import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import AdamW
from transformers import PreTrainedModel

from vineppo.policy import load_tokenizer
from vineppo.types import Sample


def trl_update(model: PreTrainedModel, *, micro_batch: int) -> Callable[[Sequence[Sample]], None]:
    """Of given samples, in order of length. Each response has one advantage: TRL has no credit per token."""
    from datasets import Dataset
    from trl.trainer.grpo_config import GRPOConfig
    from trl.trainer.grpo_trainer import GRPOTrainer

    arguments = GRPOConfig(
        output_dir=tempfile.mkdtemp(),
        num_generations=2,
        per_device_train_batch_size=micro_batch,
        beta=0.0,
        loss_type="grpo",
        report_to="none",
        use_cpu=model.device.type == "cpu",
        bf16=False,
        gradient_checkpointing=False,
    )
    trainer: Any = GRPOTrainer(
        model=model,
        reward_funcs=lambda completions, **_: [0.0] * len(completions),
        args=arguments,
        train_dataset=Dataset.from_list([{"prompt": "1"}]),
        processing_class=load_tokenizer("bundled:arithmetic"),  # the trainer wants one; nothing is tokenised
    )
    optimizer = AdamW(model.parameters(), lr=1e-12)

    def update(samples: Sequence[Sample]) -> None:
        ordered = sorted(samples, key=lambda sample: len(sample.token_ids))
        parts = [ordered[at : at + micro_batch] for at in range(0, len(ordered), micro_batch)]
        trainer.current_gradient_accumulation_steps = len(parts)
        for part in parts:
            trainer._compute_loss(model, inputs_of(part, device=model.device)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return update


def inputs_of(samples: Sequence[Sample], *, device: torch.device) -> dict[str, Tensor]:
    """As TRL has them: prompts padded on the left, completions on the right."""
    prompt = max(sample.prompt_length for sample in samples)
    completion = max(sample.response_length for sample in samples)
    inputs = {
        name: torch.zeros(len(samples), prompt if "prompt" in name else completion, dtype=torch.long)
        for name in ("prompt_ids", "prompt_mask", "completion_ids", "completion_mask")
    }
    for row, sample in enumerate(samples):
        start, length = sample.prompt_length, sample.response_length
        inputs["prompt_ids"][row, prompt - start :] = torch.tensor(sample.token_ids[:start])
        inputs["prompt_mask"][row, prompt - start :] = 1
        inputs["completion_ids"][row, :length] = torch.tensor(sample.token_ids[start:])
        inputs["completion_mask"][row, :length] = 1
    inputs["advantages"] = torch.tensor([sample.advantages[0] for sample in samples])
    return {name: tensor.to(device) for name, tensor in inputs.items()}
