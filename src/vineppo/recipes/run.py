"""One training run of any algorithm, from start to summary: its directory, its checkpoints, its progress."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from vineppo.checkpoint import prune_checkpoints
from vineppo.config.schema import Config
from vineppo.disk import write_folder
from vineppo.errors import UserError
from vineppo.metrics import Metrics
from vineppo.policy import load_policy, try_saving
from vineppo.processes import ALONE, Processes
from vineppo.progress import Display
from vineppo.recipes import resume as resuming
from vineppo.recipes.algorithm import Experience, fingerprint
from vineppo.recipes.build import build_algorithm, build_environment, build_questions, build_workshop
from vineppo.recipes.evaluation import evaluate
from vineppo.recipes.fitting import fitting
from vineppo.recipes.inputs import digest_inputs
from vineppo.recipes.interrupt import Interrupt
from vineppo.recipes.records import trajectory_records
from vineppo.recipes.resume import Position
from vineppo.recipes.sizing import as_before, size_engine
from vineppo.recipes.summary import summarise
from vineppo.recipes.warnings import cut_off, failures, silent
from vineppo.rng import derive_seed
from vineppo.run_dir import RunDir
from vineppo.seams import Task
from vineppo.tasks.reward_keywords import STATE, logged_metrics
from vineppo.tasks.truncated import try_rewards
from vineppo.tracking import Tracker, build_tracker
from vineppo.types import Scored

Report = Callable[[Path], object]
"""Writes the report of a run directory."""


class Run:
    """A run that can be started, stopped at any moment, and continued.

    Making one checks everything that can be checked before expensive work, and raises UserError. Of several processes
    all make the same run; the main one alone writes and prints.
    """

    def __init__(self, config: Config, task: Task, *, resume: bool, report: Report, processes: Processes = ALONE):
        self._config, self._report, self._processes = config, report, processes
        self.directory = RunDir(Path(config.run.dir))
        if processes.is_main:
            self.directory.clear_failed_start()
        processes.wait()
        self.directory.check(config, resume=resume)
        questions = build_questions(config, task)
        checkpoint = resuming.newest(self.directory.checkpoints)
        self._check_shared(checkpoint)
        if checkpoint is not None and (mark := resuming.metrics_of(checkpoint)) is not None:
            self.directory.check_metrics(mark)
        # What will be sharded goes to the accelerator layer by layer, and is never whole there.
        policy = load_policy(
            config.policy.path,
            device="cpu" if processes.sharded else processes.device,
            template_kwargs=config.policy.chat_template_kwargs,
        )
        try_saving(policy)
        fit, dropped = fitting(task, policy, config, quiet=not processes.is_main)
        questions = build_questions(config, fit) if dropped else questions
        self._inputs = digest_inputs(policy.model, task.questions("train"), task.questions("test"), config)
        self.directory.check_inputs(self._inputs)
        try_rewards(task, fit.questions("train")[:2])
        sampled = build_workshop(config, processes).sampled(policy)
        self._environment = build_environment(
            sampled, task, as_before(config.engine, self.directory.engine_memory()), processes
        )
        self._test = fit.questions("test")[: config.evaluation.questions]
        self._algorithm = build_algorithm(config, policy, self._environment, questions, processes)
        self._position = Position() if checkpoint is None else resuming.restore(checkpoint, self._algorithm)
        memory = size_engine(
            self._algorithm, self.directory.engine_memory(), processes, replicas=config.engine.pool.replicas
        )
        self._saved, self._saved_at = self._position.iteration, time.monotonic()
        self._between_iterations = True
        self._interrupt = Interrupt(processes)
        self._tracker = None
        self._failures, self._silent, self._cut_off = set[str](), set[str](), set[str]()
        processes.wait()  # until all have seen the directory as it was
        self._news = [*([dropped] if dropped else []), *fewer_questions(config, len(questions.train))]
        if processes.is_main:
            done = None if checkpoint is None else self._position.iteration
            self._tracker = build_tracker(config.run.tracker, self.directory.root, config.model_dump(), done=done)
            self.directory.open(config)
            self._news += self.directory.go_on(config, self._inputs, self._position.iteration)
            self.directory.keep_inputs(self._inputs)
            if memory is not None:
                self.directory.keep_engine_memory(memory)
            self.directory.rewind_metrics(-1 if done is None else done)

    @property
    def finished(self) -> bool:
        """Whether all iterations are done."""
        return self._position.iteration >= self._config.training.iterations

    def run(self, *, brief: bool = False) -> bool:
        """Train to the end; False when interrupted, with everything saved. brief: no results are shown."""
        iterations = self._config.training.iterations
        quiet = not self._processes.is_main
        display = Display(iterations, done=self._position.iteration, quiet=quiet, brief=brief)
        if self.finished and self._processes.from_main(self.directory.summary_file.exists()):
            display.say(f"run.dir {self.directory.root} holds a finished run; for another one give another run.dir")
            return True
        if self._position.iteration:
            display.say(f"resuming after iteration {self._position.iteration} of {iterations} in {self.directory.root}")
        for change in self._news:
            display.say(f"from iteration {self._position.iteration} on: {change}")
        with display, self._interrupt.installed():
            try:
                if self._processes.from_main(not self.directory.read_metrics()):
                    self._start(display)
                while not self.finished:
                    self._iterate(self._position.iteration + 1, display)
            except KeyboardInterrupt:
                self._save_if_consistent()
                display.say(
                    f"interrupted after iteration {self._saved} of {iterations}; "
                    "the same command with --resume continues from there"
                )
                return False
            except BaseException as error:
                self._save_what_is_complete(error)
                raise
            self._finish(display)
        return True

    def _start(self, display: Display) -> None:
        """Line 0: the starting policy."""
        self._tell(self._record({"iteration": 0.0, **self._evaluate(display)}, display), display)

    def _iterate(self, iteration: int, display: Display) -> None:
        started = time.monotonic()
        STATE.global_step, STATE.max_steps = iteration - 1, self._config.training.iterations
        self._interrupt.agreed()
        experience = self._algorithm.collect(iteration, display)
        if self._processes.count > 1:
            self._processes.check_same(fingerprint(experience), what="trajectories or credits")
        self._interrupt.agreed()
        with self._interrupt.deferred(saved=self._saved == self._position.iteration):
            self._between_iterations = False
            metrics = experience.metrics | self._algorithm.learn(experience, display)
            self._interrupt.agreed()
            if self._config.evaluates_after(iteration):
                metrics |= self._evaluate(display)
            metrics |= {"iteration": float(iteration), "time/iteration": time.monotonic() - started}
            self._position = self._advanced(metrics)
            metrics = self._record(metrics, display)
            self._between_iterations = True  # whatever fails from here on, this iteration is complete
            if self._processes.is_main:
                self._write_trajectories(experience)
                self._warn_of(experience.scored, display)
            self._tell(metrics, display)
            due = self._config.checkpoint.is_due(iteration, time.monotonic() - self._saved_at)
            regular = self.finished or self._processes.from_main(due)
            if regular or self._config.checkpoint.between:
                with display.phase("checkpoint"):
                    self._save(regular=regular)

    def _evaluate(self, display: Display) -> Metrics:
        with display.phase("evaluate") as progress:
            return evaluate(
                self._environment,
                self._test,
                samples=self._config.evaluation.samples,
                sampling=self._config.evaluation.law(self._config.sampling.law),
                seed=derive_seed(self._config.training.seed, "evaluation"),
                progress=progress,
            )

    def _advanced(self, metrics: Metrics) -> Position:
        before = self._position
        return Position(
            iteration=int(metrics["iteration"]),
            updates=before.updates + int(metrics.get("updates_made", 0)),
            num_tokens=before.num_tokens + _decoded(metrics),
            seconds=before.seconds + metrics["time/iteration"],
        )

    def _record(self, metrics: Metrics, display: Display) -> Metrics:
        """Complete them, and write them down."""
        logged = logged_metrics(self._processes.gather(STATE.take_logged()))
        whole = metrics | logged
        whole |= {f"time/{phase}": seconds for phase, seconds in display.take_seconds().items()}
        whole |= {
            "updates": float(self._position.updates),
            "num_tokens": float(self._position.num_tokens),
            "time/total": self._position.seconds,
        }
        if self._processes.is_main:
            self.directory.append_metrics(whole)
        return whole

    def _tell(self, metrics: Metrics, display: Display) -> None:
        """Everybody who follows the run."""
        if not self._processes.is_main:
            return
        display.iteration(self._position.iteration, metrics)
        self._warn(metrics, display)
        self._track(lambda tracker: tracker.log(metrics, self._position.iteration), display)
        if "eval/accuracy" in metrics:
            self._report(self.directory.root)

    def _track(self, ask: Callable[[Tracker], None], display: Display) -> None:
        """A tracker that fails ends itself, not the run: metrics.jsonl has it all."""
        if self._tracker is None:
            return
        try:
            ask(self._tracker)
        except Exception as error:
            self._tracker = None
            display.warn(f"run.tracker {self._config.run.tracker} failed and is left out from here on: {error}")

    def _warn(self, metrics: Metrics, display: Display) -> None:
        limit, policy = self._config.sampling.max_new_tokens, self._algorithm.policy.policy
        for name, what in (
            ("completions/clipped_ratio", "trajectories"),
            ("eval/clipped_ratio", "evaluation responses"),
        ):
            if warning := cut_off(metrics.get(name, 0.0), what, policy=policy, limit=limit, known=self._cut_off):
                display.warn(warning)

    def _warn_of(self, scored: Sequence[Scored], display: Display) -> None:
        limit = self._config.sampling.max_new_tokens
        for warning in (
            *failures(scored, self._failures),
            *silent(scored, self._config.task, limit=limit, known=self._silent),
        ):
            display.warn(warning)

    def _write_trajectories(self, experience: Experience) -> None:
        count = self._config.run.trajectories_logged
        if count:
            sampler = self._algorithm.sampler
            records = trajectory_records(experience, sampler.token_texts, sampler.read_prompt, count=count)
            self.directory.write_trajectories(experience.iteration, records)

    def _save(self, *, regular: bool = True) -> None:
        """A regular one waits for the disk and is kept; what is written between goes when the next is there."""
        began = time.monotonic()
        mark = self.directory.metrics_mark()
        resuming.save(self.directory.checkpoints, self._algorithm, self._position, mark, regular=regular)
        self._saved = self._position.iteration
        kept = self._config.checkpoint
        if self._processes.is_main:
            prune_checkpoints(self.directory.checkpoints, keep=kept.keep, keep_every=kept.keep_every)
        now = time.monotonic()
        self._position = replace(self._position, seconds=self._position.seconds + now - began)
        self._saved_at = now if regular else self._saved_at

    def _check_shared(self, checkpoint: Path | None) -> None:
        """All processes, on whatever machines, must see one run directory."""
        if len(found := set(self._processes.gather(checkpoint))) > 1:
            raise UserError(
                f"run.dir {self.directory.root}: not all processes find the same newest checkpoint there "
                f"({', '.join(sorted(map(str, found)))}); put it on a disk that all machines share"
            )

    def _save_if_consistent(self) -> None:
        """After an interruption: weights changed half-way through an update are no iteration's, and stay unsaved."""
        if self._between_iterations and self._position.iteration > self._saved:
            self._save()

    def _save_what_is_complete(self, error: BaseException) -> None:
        """Whatever went wrong. Several processes cannot gather a checkpoint when one of them failed."""
        if self._processes.count > 1:
            return
        try:
            self._save_if_consistent()
        except Exception as second:  # the first error is the one to be told
            error.add_note(f"saving failed too: {second}")
        error.add_note(f"iterations up to {self._saved} are saved; the same command with --resume goes on from there")

    def _finish(self, display: Display) -> None:
        policy = self._algorithm.policy
        if not self._processes.is_main:
            policy.save(self.directory.policy)  # hands over its shards
            return
        with display.phase("policy"):
            write_folder(self.directory.policy, policy.save)
        summary = summarise(self._config, self.directory.read_metrics())
        self.directory.write_summary(summary)
        self._report(self.directory.root)
        accuracy = summary["accuracy"]
        if summary.get("measure") == "reward":
            display.say(f"test reward {accuracy['start']:.3f} -> {accuracy['final']:.3f}")
        else:
            display.say(f"accuracy {accuracy['start']:.1%} -> {accuracy['final']:.1%}")
        display.say(f"policy {self.directory.policy}  report {self.directory.root / 'report.html'}")
        self._track(lambda tracker: tracker.close(), display)


def fewer_questions(config: Config, available: int) -> list[str]:
    """What to tell where an iteration cannot ask as many as it should."""
    asked = config.training.questions
    if available >= asked:
        return []
    return [f"training.questions is {asked}, but there are {available}: each iteration asks all of them"]


def _decoded(metrics: Metrics) -> int:
    return int(sum(value for name, value in metrics.items() if name.startswith("tokens/")))
