"""Your own questions and your own reward function, in ten lines.

The policy learns to answer chains of three operations with as small a number as it can. Run it from the repository's
root: python examples/own_task.py
"""

from vineppo import RewardTask, Trainer, load_config


def small_number(prompts: list[str], completions: list[str], limit: list[int], **columns: object) -> list[float]:
    numbers = [text.rpartition("####")[2] for text in completions]
    return [float(n.isdigit() and int(n) <= top) for n, top in zip(numbers, limit, strict=True)]


def main(*overrides: str) -> float:
    rows = [{"prompt": f"{start}{sign}7*3+5=?\n", "limit": 20} for start in range(50) for sign in "+-*"]
    task = RewardTask(train=rows[:120], test=rows[120:], reward=small_number)
    config = load_config("configs/arithmetic.yaml", ["run.dir=runs/own_task", "training.iterations=20", *overrides])
    result = Trainer(config, task=task).train()
    print(f"mean reward on held-out questions: {result.accuracy:.2f}; report: {result.directory / 'report.html'}")
    return result.accuracy


if __name__ == "__main__":
    main()
