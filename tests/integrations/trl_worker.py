"""One of several processes that train together: `python trl_worker.py FOLDER` writes what its own batch earned."""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from coin_world import coin_model, questions, seven, tokenizer
from trl import GRPOConfig  # pyright: ignore[reportMissingImports]

from vineppo.credit.coupled_assigner import CoupledCredit
from vineppo.integrations.trl import CreditGRPOTrainer
from vineppo.steps.tokens import TokensSteps


def main(folder: Path) -> None:
    args = GRPOConfig(
        output_dir=str(folder / "run"),
        per_device_train_batch_size=12,
        num_generations=8,  # the second of three groups is half with each process
        max_completion_length=8,
        max_steps=1,
        learning_rate=1e-2,
        bf16=False,
        use_cpu=True,
        gradient_checkpointing=False,
        dataloader_pin_memory=False,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
    )
    trainer = CreditGRPOTrainer(
        model=coin_model(),
        reward_funcs=seven,
        args=args,
        train_dataset=questions(),
        processing_class=tokenizer(),
        credit=CoupledCredit(rollouts=5, normalise="none"),
        steps=TokensSteps(length=1),
    )
    trainer.train()
    (batch,) = trainer._buffered_inputs
    found: dict[str, Any] = {
        "texts": tokenizer().batch_decode(batch["completion_ids"], skip_special_tokens=True),
        "advantages": batch["advantages"].tolist(),
        "weights": sum(weight.double().sum().item() for weight in trainer.model.state_dict().values()),
        "rollouts": trainer.state.log_history[0].get("credit/rollouts", 0),
    }
    (folder / f"{trainer.accelerator.process_index}.json").write_text(json.dumps(found))
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
