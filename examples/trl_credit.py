"""Step credit in TRL's GRPOTrainer: the bundled policy learns arithmetic chains, its lines valued by coupled vines.

Run from the repository's root: python examples/trl_credit.py     (seconds on a CPU; needs vineppo[trl])
"""

from datasets import Dataset
from trl import GRPOConfig

from vineppo.credit.coupled_assigner import CoupledCredit
from vineppo.integrations.trl import CreditGRPOTrainer
from vineppo.settings.model_shape import resolve_bundled
from vineppo.steps.lines import LinesSteps
from vineppo.tasks.arithmetic import Arithmetic


def right(completions: list[str], answer: list[str], **columns: object) -> list[float]:
    return [float(text.rpartition("####")[2].strip() == gold) for text, gold in zip(completions, answer, strict=True)]


def main(output_dir: str = "runs/trl_credit", updates: int = 4) -> CreditGRPOTrainer:
    questions = Arithmetic().questions("train")[:64]
    trainer = CreditGRPOTrainer(
        model=resolve_bundled("bundled:arithmetic"),  # any model that TRL takes
        reward_funcs=right,
        args=GRPOConfig(
            output_dir=output_dir,
            max_steps=updates,
            per_device_train_batch_size=16,
            num_generations=4,
            max_completion_length=80,
            learning_rate=2e-4,
            model_init_kwargs={"dtype": "float32"},
            bf16=False,
            gradient_checkpointing=False,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
        ),
        train_dataset=Dataset.from_list([{"prompt": q.prompt, "answer": q.answer} for q in questions]),
        credit=CoupledCredit(rollouts=9, token_budget=150),
        steps=LinesSteps(),
    )
    trainer.train()
    return trainer


if __name__ == "__main__":
    main()
    print("steps and their values: runs/trl_credit/report.html")
