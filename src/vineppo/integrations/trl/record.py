"""TRL's `output_dir` as a run directory: with a report, and for `vineppo compare`, beside all that TRL writes.

An iteration is an update here. A line of metrics.jsonl is written when the next update begins, so that it holds what
TRL evaluated and logged in between. Credit, rewards and tokens stand in the lines of updates for which completions were
sampled. `num_tokens` counts rollouts and evaluation, too, but not that of the start, as in `vineppo train`; TRL's
`num_tokens` counts prompts instead.
"""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import yaml
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from vineppo.config.yaml_text import Dumper
from vineppo.disk import write_atomically
from vineppo.errors import UserError
from vineppo.integrations.trl.base import Trainer
from vineppo.integrations.trl.recorded import RECIPE, recorded_settings
from vineppo.integrations.trl.versions import trl_version
from vineppo.metrics import Metrics
from vineppo.recipes.measurements import credit_metrics, response_metrics
from vineppo.recipes.records import ReadPrompt, trajectory_record
from vineppo.recipes.summary import outcome
from vineppo.report.html import write_report
from vineppo.run_dir import RunDir, provenance
from vineppo.steps import TokenTexts
from vineppo.types import Credit, Scored

LOGGED = 8
"""Trajectories of an update written out for people to read."""
FROM_TRL = {"grad_norm": "grad_norm", "learning_rate": "learning_rate", "entropy": "entropy"}
"""Of its log, what means the same there and here."""


class Recorder(TrainerCallback):
    """Hears of batches from the trainer, and of all else as TRL's callbacks do. Only the main process writes."""

    def __init__(self, trainer: Trainer):
        self._directory = RunDir(Path(trainer.args.output_dir))
        self._settings = recorded_settings(trainer)
        self._seed = trainer.args.seed
        self._batches: list[Metrics] = []
        self._records: list[dict[str, Any]] = []
        self._line: Metrics | None = None
        """Of the update that is over; None while one is made, and before training."""
        self._evaluation_tokens = 0
        self._tokens, self._seconds, self._began = 0.0, 0.0, 0.0

    # --- from the trainer ---

    def generated(
        self,
        scored: Sequence[Scored],
        credits: Sequence[Credit],
        token_texts: TokenTexts,
        read_prompt: ReadPrompt,
        *,
        seconds: tuple[float, float],
    ) -> Metrics:
        """A batch was sampled and credited: what is to tell of it. seconds: sampling with TRL's scoring, and credit."""
        trajectories = [own.trajectory for own in scored]
        metrics = response_metrics(
            [trajectory.question.id for trajectory in trajectories],
            [own.judgement for own in scored],
            [trajectory.finish for trajectory in trajectories],
            [len(trajectory.response_ids) for trajectory in trajectories],
        ) | {"steps/mean": fmean(own.num_steps for own in scored)}
        metrics |= credit_metrics(credits) | {"time/sample": seconds[0], "time/credit": seconds[1]}
        if not self._records:
            pairs = list(zip(scored, credits, strict=True))[:LOGGED]
            self._records = [trajectory_record(own, credit, token_texts, read_prompt) for own, credit in pairs]
        self._batches.append(metrics)
        return metrics

    def evaluated(self, lengths: Sequence[int]) -> None:
        """Completions of an evaluation were sampled."""
        self._evaluation_tokens += sum(lengths)

    # --- from TRL ---

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """A new run, or one that goes on from a checkpoint."""
        if state.is_world_process_zero:
            self._open(state.global_step)
        self._batches, self._records, self._began = [], [], time.monotonic()
        self._line = {"iteration": 0.0, "updates": 0.0} if state.global_step == 0 else None

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """What is known of the update before is all there."""
        self._write(state)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """An update was made."""
        self._line = merged(self._batches) | {
            "iteration": float(state.global_step),
            "updates": float(state.global_step),
        }
        self._batches = []

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """What TRL says of its update."""
        if self._line is not None and logs:
            self._line |= {name: float(logs[key]) for key, name in FROM_TRL.items() if logs.get(key) is not None}

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """The mean reward on the evaluation questions; of several sets of them, on the last."""
        tokens, self._evaluation_tokens = self._evaluation_tokens, 0
        if self._line is None or not metrics or metrics.get("eval_reward") is None:
            return
        reward = float(metrics["eval_reward"])
        self._line |= {
            "eval/accuracy": reward,
            "eval/reward": reward,
            "eval/clipped_ratio": float(metrics["eval_completions/clipped_ratio"]),
            "tokens/evaluation": self._line.get("tokens/evaluation", 0.0) + tokens,
            "time/evaluate": self._line.get("time/evaluate", 0.0) + float(metrics["eval_runtime"]),
        }

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """The last line, the summary and the report."""
        self._write(state)
        if state.is_world_process_zero:
            credit = {"recipe": RECIPE, "credit": self._settings["credit"]["name"], "seed": self._seed}
            self._directory.write_summary(credit | outcome(self._directory.read_metrics()))
            write_report(self._directory.root)

    # --- files ---

    def _open(self, done: int) -> None:
        directory = self._directory
        if directory.config_file.exists():
            found = yaml.safe_load(directory.config_file.read_text(encoding="utf-8"))
            if (found or {}).get("recipe") != self._settings["recipe"]:
                raise UserError(
                    f"args.output_dir {directory.root} holds a run that TRL did not make; give another output_dir"
                )
        directory.summary_file.unlink(missing_ok=True)
        for file in (directory.root / "trajectories").glob("*.jsonl"):
            if int(file.stem) > done:
                file.unlink()
        directory.root.mkdir(parents=True, exist_ok=True)
        if directory.metrics_file.exists():
            directory.rewind_metrics(done if done else -1)
        lines = directory.read_metrics()
        self._tokens = lines[-1].get("num_tokens", 0.0) if lines else 0.0
        self._seconds = lines[-1].get("time/total", 0.0) if lines else 0.0
        write_atomically(
            directory.root / "provenance.json", json.dumps(provenance() | {"trl": trl_version()}, indent=1)
        )
        settings = yaml.dump(self._settings, Dumper=Dumper, sort_keys=False, allow_unicode=True)
        write_atomically(directory.config_file, settings)

    def _write(self, state: TrainerState) -> None:
        """The line that waits, if it says anything."""
        line, self._line, records, self._records = self._line, None, self._records, []
        now = time.monotonic()
        seconds, self._began = now - self._began, now
        if line is None or not state.is_world_process_zero or (not line["iteration"] and "eval/accuracy" not in line):
            return
        if line["iteration"]:  # clock and counter start after the evaluation of the start
            self._seconds += seconds
            line["time/iteration"] = seconds
            self._tokens += sum(value for name, value in line.items() if name.startswith("tokens/"))
        self._directory.append_metrics(line | {"num_tokens": self._tokens, "time/total": self._seconds})
        if records:
            iteration = int(line["iteration"])
            self._directory.write_trajectories(iteration, [{"iteration": iteration, **record} for record in records])


def merged(batches: Sequence[Metrics]) -> Metrics:
    """Of the batches that one update was made from; empty where it reused an earlier one's."""
    names = dict.fromkeys(name for batch in batches for name in batch)
    values = {name: [batch[name] for batch in batches if name in batch] for name in names}
    return {name: sum(own) if is_sum(name) else fmean(own) for name, own in values.items()}


def is_sum(name: str) -> bool:
    """Whether a metric counts things."""
    return name.startswith(("tokens/", "time/")) or name in ("credit/states", "credit/rollouts")
