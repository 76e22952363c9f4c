"""Your own questions and your own reward function, in ten lines.

The bundled policy, which knows arithmetic chains, is rewarded for any chain that comes out small, right or wrong: watch
it learn to cheat. Run from the repository's root: python examples/own_task.py
"""

from vineppo import RewardTask, Trainer, load_config
from vineppo.tasks.arithmetic import Arithmetic


def small_number(prompts: list[str], completions: list[str], limit: list[int], **columns: object) -> list[float]:
    numbers = [text.rpartition("####")[2] for text in completions]
    return [float(n.isdigit() and int(n) <= top) for n, top in zip(numbers, limit, strict=True)]


def main(*overrides: str) -> float:
    rows = [{"prompt": question.prompt, "limit": 20} for question in Arithmetic().questions("train")[:1000]]
    task = RewardTask(train=rows[100:], test=rows[:100], reward=small_number)
    config = load_config("configs/arithmetic.yaml", ["run.dir=runs/own_task", "training.iterations=20", *overrides])
    result = Trainer(config, task=task).train()
    print(f"mean reward on held-out questions: {result.accuracy:.2f}; report: {result.directory / 'report.html'}")
    return result.accuracy


if __name__ == "__main__":
    main()
