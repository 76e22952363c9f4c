"""The Python API: a config, and if you like a task of your own.

task = RewardTask(train=rows, test=more_rows, reward=my_reward)
result = Trainer(load_config("configs/arithmetic.yaml"), task=task).train()
"""

from dataclasses import dataclass
from pathlib import Path

from vineppo.chat import prompt_reader
from vineppo.config.schema import Config
from vineppo.metrics import Metrics
from vineppo.policy import DTYPES, load_policy
from vineppo.processes import start_processes
from vineppo.progress import Display
from vineppo.recipes.build import build_environment
from vineppo.recipes.evaluation import Evaluated, answer, evaluated
from vineppo.recipes.run import Run
from vineppo.report.html import write_report
from vineppo.rng import derive_seed
from vineppo.run_dir import lock_run_dir
from vineppo.seams import Task
from vineppo.tasks.build import build_task
from vineppo.tasks.custom import CustomTask
from vineppo.tasks.truncated import with_truncation


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What training left behind."""

    finished: bool
    """False when it was interrupted; the same call with resume=True continues."""
    directory: Path
    policy: Path
    """The trained model as a Hugging Face folder, once finished."""
    metrics: list[Metrics]
    """A record an iteration; the first is the starting policy's evaluation."""

    @property
    def accuracy(self) -> float:
        """Of the last evaluation."""
        return [m["eval/accuracy"] for m in self.metrics if "eval/accuracy" in m][-1]


class Trainer:
    """One training run. Making it checks the input and loads the model; raises UserError for what cannot work."""

    def __init__(self, config: Config, *, task: Task | None = None, resume: bool = False):
        processes = start_processes(config.policy.device, timeout=config.processes.timeout)
        self._processes = processes
        with processes.watched():
            # Before anything is loaded: a second run in the directory must not get far.
            self._lock = lock_run_dir(Path(config.run.dir), processes)
            try:
                if task is None:
                    task = build_task(config.task)
                else:
                    task, config = with_truncation(task, config.task.truncated), with_custom_task(config)
                self._run = Run(config, task, resume=resume, report=write_report, processes=processes)
            except BaseException:
                self._lock.release()
                raise

    def train(self, *, brief: bool = False) -> Result:
        """To the end, or until Ctrl-C; brief: shows how far it is, no results. Raises ProcessLostError when one of
        several processes is gone."""
        try:
            with self._processes.watched():
                finished = self._run.run(brief=brief)
        finally:
            self._lock.release()
        directory = self._run.directory
        return Result(
            finished=finished,
            directory=directory.root,
            policy=directory.policy,
            metrics=directory.read_metrics(),
        )


def with_custom_task(config: Config) -> Config:
    """What is written down of a run whose task is an object: no task that a configuration could make."""
    return config.model_copy(update={"task": CustomTask(truncated=config.task.truncated)})


def evaluate_policy(config: Config, *, task: Task | None = None) -> Metrics:
    """Accuracy of `config.policy` on the test split, without training."""
    return answer_test(config, task=task).metrics


def answer_test(config: Config, *, task: Task | None = None) -> Evaluated:
    """The same with all that it is made of."""
    task = build_task(config.task) if task is None else with_truncation(task, config.task.truncated)
    policy = load_policy(
        config.policy.path,
        device=config.policy.device,
        dtype=DTYPES[config.policy.dtype],
        template_kwargs=config.policy.chat_template_kwargs,
    )
    questions = task.questions("test")[: config.evaluation.questions]
    with (
        Display(len(questions) * config.evaluation.samples, unit="response") as display,
        display.phase("evaluate") as on,
    ):
        return evaluated(
            answer(
                build_environment(policy, task, config.engine),
                questions,
                samples=config.evaluation.samples,
                sampling=config.evaluation.law(config.sampling.law),
                seed=derive_seed(config.training.seed, "evaluation"),
                progress=on,
            ),
            prompt_reader(policy.tokenizer),
        )
