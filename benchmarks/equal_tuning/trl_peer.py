"""The outside peer: TRL's GRPOTrainer on our task, from our config, leaving a run directory beside ours.

    PYTHONPATH=benchmarks python -m equal_tuning.trl_peer configs/arithmetic.yaml credit=grpo run.dir=runs/trl-0
    vineppo compare runs/grpo-0 runs/trl-0

The same as in a run of ours with credit=grpo: the starting policy, the questions of every iteration (drawn by our
curriculum from the seed), the judge, reward 0 for truncated responses, which stay in the loss, the sampling law, the
batches, AdamW with its groups and its schedule, the clip, group advantages over (standard deviation + 1e-4), the token
mean over the minibatch, and the evaluation: our `evaluate` with the embedded engine on a copy of the policy, the same
seed, at the same iterations. Seconds and tokens are counted as ours are.

What differs, because TRL has it so:
- it samples with transformers' `generate`: all responses of an iteration side by side, none leaves before all end;
- random numbers come from torch's global generator: other trajectories, not a paired sample of ours;
- one update of both is the same, but for rounding (a test holds it);
- the ratio is to the policy at the iteration's first update, as ours, but no update is skipped for a large mean ratio;
- each epoch walks the same minibatches in the same order; ours are drawn anew;
- with learner.kl_coefficient, the KL is a mean over tokens, unclamped, where ours sums over a trajectory's tokens: at
  equal coefficients TRL's pull is weaker, by the length of a response. No `kl` is reported.

time/sample ends where the reward function is called: it holds what TRL scores before (log-probs under the sampling
policy where there are several updates, those of the reference). A finished run is left alone; an unfinished one starts
over, since nothing is saved while it trains.
"""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml
from datasets import Dataset
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR
from transformers import PreTrainedModel, PrinterCallback, TrainerCallback

from equal_tuning.cost import Cost
from equal_tuning.trl_settings import RECIPE, check_settings, recorded_settings, trainer_arguments
from vineppo.cli import USER_ERROR, split_words
from vineppo.config.load import load_config
from vineppo.config.schema import Config
from vineppo.config.yaml_text import Dumper
from vineppo.disk import write_atomically
from vineppo.environment import Environment
from vineppo.errors import UserError
from vineppo.learner.optimizer import decay_groups, make_schedule
from vineppo.metrics import Metrics
from vineppo.policy import DTYPES, Policy, load_policy
from vineppo.progress import Display
from vineppo.recipes.build import (
    build_curriculum,
    build_environment,
    build_questions,
)
from vineppo.recipes.evaluation import evaluate
from vineppo.recipes.fitting import check_prompts
from vineppo.recipes.measurements import response_metrics
from vineppo.recipes.summary import summarise
from vineppo.rng import derive_seed
from vineppo.run_dir import RunDir, provenance
from vineppo.seams import Task
from vineppo.settings.learner import LearnerConfig
from vineppo.tasks.build import build_task
from vineppo.tasks.reward import as_trl_prompt
from vineppo.types import Finish, Question


def main(words: Sequence[str]) -> int:
    """The exit code: 0 done, 2 wrong input."""
    path, overrides = split_words(words)
    try:
        config = load_config(path, overrides)
        with Cost(config):
            train(config)
    except UserError as error:
        print(f"trl_peer: error: {error}", file=sys.stderr)
        return USER_ERROR
    return 0


def train(config: Config) -> RunDir:
    """Train to the end and leave a run directory."""
    check_settings(config)
    check_installed()
    directory = RunDir(Path(config.run.dir))
    if is_finished(directory, recorded_settings(config)):
        print(f"run.dir {directory.root} holds a finished run; for another one give another run.dir")
        return directory
    peer = Peer(config, build_task(config.task), directory)
    open_directory(directory, recorded_settings(config), {"trl": version("trl")})
    peer.trainer.train()
    peer.policy.save(directory.policy)
    directory.write_summary(summarise(config, directory.read_metrics()) | {"recipe": RECIPE, "credit": RECIPE})
    return directory


def check_installed() -> None:
    """TRL is an extra of the benchmarks."""
    if find_spec("trl") is None:
        raise UserError("TRL is not installed; install it with: pip install -c constraints.txt -e '.[bench]'")


def is_finished(directory: RunDir, settings: dict[str, Any]) -> bool:
    """Raises UserError where the directory holds a run of other settings."""
    if not directory.config_file.exists():
        return False
    if yaml.safe_load(directory.config_file.read_text(encoding="utf-8")) != json.loads(json.dumps(settings)):
        raise UserError(f"run.dir {directory.root} holds a run of another config; give another run.dir")
    return directory.summary_file.exists()


def open_directory(directory: RunDir, settings: dict[str, Any], versions: dict[str, str]) -> None:
    """Make it ready for a run from the start."""
    directory.root.mkdir(parents=True, exist_ok=True)
    directory.metrics_file.unlink(missing_ok=True)
    write_atomically(directory.root / "provenance.json", json.dumps(provenance() | versions, indent=1))
    write_atomically(directory.config_file, yaml.dump(settings, Dumper=Dumper, sort_keys=False, allow_unicode=True))


class Peer:
    """TRL's trainer, put together from our parts."""

    def __init__(self, config: Config, task: Task, directory: RunDir):
        from trl import GRPOConfig, GRPOTrainer

        self.policy = load_policy(config.policy.path, device=config.policy.device)
        evaluated = self.policy.copy(DTYPES[config.policy.dtype], config.policy.device)
        environment = build_environment(evaluated, task, config.engine)
        known, test = build_questions(config, task).train, task.questions("test")[: config.evaluation.questions]
        check_prompts(self.policy, [*known, *test], context=config.engine.context_for(self.policy))
        questions = asked_questions(config, environment, known)
        judge = Judge(environment=environment, policy=self.policy, questions=questions)
        recorder = Recorder(
            config=config, model=self.policy.model, judge=judge, test=test, environment=environment, to=directory
        )
        arguments = GRPOConfig(output_dir=str(directory.root), **trainer_arguments(config))
        self.trainer = GRPOTrainer(
            model=self.policy.model,
            reward_funcs=judge,
            args=arguments,
            train_dataset=as_dataset(questions),
            processing_class=self.policy.tokenizer,
            optimizers=make_optimizer(self.policy.model, config.learner, updates=arguments.max_steps),
            callbacks=[recorder],
        )
        self.trainer.remove_callback(PrinterCallback)


def asked_questions(config: Config, environment: Environment, questions: Sequence[Question]) -> list[Question]:
    """All iterations' questions, those that a run of ours with this seed asks, in order."""
    curriculum = build_curriculum(config, environment, questions)
    display = Display(config.training.iterations, quiet=True)
    chosen = [curriculum.choose(iteration, display) for iteration in range(1, config.training.iterations + 1)]
    return [question for choice in chosen for question in choice.questions]


def as_dataset(questions: Sequence[Question]) -> Dataset:
    """Rows as TRL wants them; `place` leads the reward function back to the question."""
    return Dataset.from_list(
        [{"prompt": as_trl_prompt(question.prompt), "place": place} for place, question in enumerate(questions)]
    )


def make_optimizer(model: PreTrainedModel, settings: LearnerConfig, *, updates: int) -> tuple[AdamW, LambdaLR]:
    """Ours, as transformers takes it. Its own schedule warms up from 0, so that the first update would do nothing."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = AdamW(decay_groups(parameters, settings.weight_decay), lr=settings.learning_rate, fused=True)
    factor = make_schedule(updates=updates, warmup_ratio=settings.warmup_ratio, shape=settings.schedule)
    return optimizer, LambdaLR(optimizer, factor)


@dataclass(kw_only=True, slots=True)
class Judge:
    """TRL's reward function: the task's judge. It notes what an iteration's batch was like, and when it was judged."""

    environment: Environment
    policy: Policy
    questions: Sequence[Question]
    metrics: Metrics = field(default_factory=dict)
    began: float = 0.0
    ended: float = 0.0

    def __call__(self, completion_ids: list[list[int]], place: list[int], **_: object) -> list[float]:
        """A reward a completion."""
        self.began = time.monotonic()
        asked = [self.questions[each] for each in place]
        finishes = [Finish.TERMINATED if ids[-1] in self.policy.end_ids else Finish.TRUNCATED for ids in completion_ids]
        judgements = self.environment.judge(asked, [self.policy.decode(ids) for ids in completion_ids], finishes)
        self.metrics = response_metrics(
            [q.id for q in asked], judgements, finishes, [len(ids) for ids in completion_ids]
        )
        self.ended = time.monotonic()
        return [judgement.reward for judgement in judgements]


class Recorder(TrainerCallback):
    """Our clock, our evaluation and our metrics.jsonl beside TRL's loop."""

    def __init__(
        self,
        *,
        config: Config,
        model: PreTrainedModel,
        judge: Judge,
        test: Sequence[Question],
        environment: Environment,
        to: RunDir,
    ):
        self._config, self._model, self._judge, self._to = config, model, judge, to
        self._test, self._environment = test, environment
        self._display = Display(config.training.iterations)
        self._num_tokens, self._seconds, self._began = 0.0, 0.0, 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Line 0: the starting policy."""
        self._record({"iteration": 0.0, **self._evaluate(0)}, updates=0)
        self._began = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """After the last update of an iteration: its line."""
        iteration, rest = divmod(state.global_step, self._config.updates_per_iteration)
        if rest:
            return
        judge, updated = self._judge, time.monotonic()
        metrics = judge.metrics | {
            "iteration": float(iteration),
            "updates_made": float(self._config.updates_per_iteration),
            "time/sample": judge.began - self._began,
            "time/judge": judge.ended - judge.began,
            "time/update": updated - judge.ended,
        }
        if self._config.evaluates_after(iteration):
            metrics |= self._evaluate(iteration)
        metrics["time/iteration"] = time.monotonic() - self._began
        self._seconds += metrics["time/iteration"]
        self._record(metrics, updates=state.global_step)
        self._began = time.monotonic()

    def _evaluate(self, iteration: int) -> Metrics:
        began = time.monotonic()
        self._environment.engine.load_weights(self._model.state_dict(), policy_version=iteration)
        metrics = evaluate(
            self._environment,
            self._test,
            samples=self._config.evaluation.samples,
            sampling=self._config.evaluation.law(self._config.sampling.law),
            seed=derive_seed(self._config.training.seed, "evaluation"),
        )
        return metrics | {"time/evaluate": time.monotonic() - began}

    def _record(self, metrics: Metrics, *, updates: int) -> None:
        if metrics["iteration"] > 0:  # the starting policy's evaluation costs nobody anything
            self._num_tokens += sum(value for name, value in metrics.items() if name.startswith("tokens/"))
        metrics |= {"updates": float(updates), "num_tokens": self._num_tokens, "time/total": self._seconds}
        self._to.append_metrics(metrics)
        self._display.iteration(int(metrics["iteration"]), metrics)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
