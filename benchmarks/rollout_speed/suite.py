"""Measuring a workload: prepare it, let every contender find its best setting, measure each, one after another."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter

from rollout_speed.jobs import Job, Measure, MeasureRoofs, Prepare, TakeProfile
from rollout_speed.launch import ChildFailed, run
from rollout_speed.names import Contender, Model, Place, Setting, Size, Variant
from rollout_speed.results import Book, Entry, Measurement, Profile, Roofs, Table
from rollout_speed.settings import TRIAL_TRAJECTORIES, candidates

Result = TypeVar("Result")

MEMORY_TRAJECTORIES = 8
MEMORY_ROLLOUTS = (1, 3, 9, 27)
PROFILED_SHARE = 4
"""A profile watches the workload's first 1/4: enough to see the shares."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Suite:
    """What all measurements of a run have in common."""

    book: Book
    path: Path
    """Of the book, saved after each measurement."""
    say: Callable[[str], None]
    """Told what is under way."""
    place: Place
    size: Size
    threads: Sequence[int]
    """Counts that each contender tries."""
    repeats: int
    seconds: float
    """A contender's repeats end once so many are spent."""
    limit: float
    """Seconds after which a child process is given up."""
    pythons: dict[Contender, str]
    """For each contender the interpreter that has its libraries."""
    python: str
    """For all else."""

    def measure(self, model: Model, variant: Variant, contenders: Sequence[Contender]) -> Table:
        """Every contender on one workload."""
        stage, table = self._prepared(model, variant)
        self.say("the machine's roofs")
        roofs = self._do(MeasureRoofs(place=self.place), Roofs, threads=max(self.threads))
        table.roofs = roofs.raised(table.roofs)
        for contender in contenders:
            table.entries[contender] = self._contest(contender, stage)
            self.book.save(self.path)
        return table

    def measure_memory(self, model: Model) -> Table:
        """The most memory at several K, the rollouts of eight trajectories all side by side."""
        _, table = self._prepared(model, Variant.FIXED)
        for rollouts in MEMORY_ROLLOUTS:
            size = replace(self.size, trajectories=MEMORY_TRAJECTORIES, rollouts=rollouts)
            stage, _ = self._stage(model, Variant.FIXED, size)
            setting = Setting(threads=max(self.threads), rows=size.trajectories * size.states * rollouts)
            for contender in (Contender.OURS, Contender.GENERATE):
                self.say(f"memory of {contender.label} at K = {rollouts}")
                measured = self._measurement(contender, stage, setting, trajectories=size.trajectories, repeats=1)
                table.memory.setdefault(contender, {})[rollouts] = measured
                self.book.save(self.path)
        return table

    def profile(self, model: Model, variant: Variant) -> Table:
        """Where our engine's time goes, in the setting that was best where it was measured before."""
        stage, table = self._prepared(model, variant)
        measured = table.entries.get(Contender.OURS)
        setting = (measured and measured.setting) or candidates(Contender.OURS, self.place.device, self.threads)[-1]
        trajectories = max(TRIAL_TRAJECTORIES, self.size.trajectories // PROFILED_SHARE)
        self.say("profile of our engine")
        job = TakeProfile(stage=stage, place=self.place, setting=setting, trajectories=trajectories)
        table.profile = self._do(job, Profile, threads=setting.threads)
        self.book.save(self.path)
        return table

    def _prepared(self, model: Model, variant: Variant) -> tuple[Path, Table]:
        """The workload's folder, and its table: the one in the book if that is of the same size."""
        stage, parameters = self._stage(model, variant, self.size)
        name = f"{model}:{variant} {self.place.dtype} {self.place.device}"
        known = self.book.tables.get(name)
        if known is None or known.size != self.size:
            self.book.tables[name] = Table(
                model=model, variant=variant, place=self.place, size=self.size, parameters=parameters
            )
        return stage, self.book.tables[name]

    def _stage(self, model: Model, variant: Variant, size: Size) -> tuple[Path, int]:
        self.say(f"prepare {model}:{variant}")
        folder = self.path.parent / "stages" / f"{model}-{variant}-{self.place.dtype}-{size.rollouts}"
        job = Prepare(stage=folder, model=model, variant=variant, size=size, place=self.place)
        return folder, self._do(job, int, threads=max(self.threads))

    def _contest(self, contender: Contender, stage: Path) -> Entry:
        """Find the best setting, then measure it."""
        tried: dict[str, float] = {}
        today = date.today()
        try:
            setting = self._best_setting(contender, stage, tried)
            self.say(f"{contender.label}: {setting}")
            measurement = self._measurement(
                contender, stage, setting, trajectories=self.size.trajectories, repeats=self.repeats
            )
        except ChildFailed as failure:
            return Entry(date=today, tried=tried, failure=str(failure))
        return Entry(date=today, setting=setting, tried=tried, measurement=measurement)

    def _best_setting(self, contender: Contender, stage: Path, tried: dict[str, float]) -> Setting:
        """By tokens per second on a few trajectories. Notes what was tried; raises ChildFailed if nothing worked."""
        settings = candidates(contender, self.place.device, self.threads)
        if len(settings) == 1:
            return settings[0]
        failures = []
        for setting in settings:
            self.say(f"{contender.label}: trying {setting}")
            try:
                trial = self._measurement(contender, stage, setting, trajectories=TRIAL_TRAJECTORIES, repeats=1)
                tried[str(setting)] = max(trial.rates)
            except ChildFailed as failure:
                failures.append(failure)
        if not tried:
            raise failures[-1]
        return max((s for s in settings if str(s) in tried), key=lambda s: tried[str(s)])

    def _measurement(
        self, contender: Contender, stage: Path, setting: Setting, *, trajectories: int, repeats: int
    ) -> Measurement:
        job = Measure(
            stage=stage,
            contender=contender,
            place=self.place,
            setting=setting,
            trajectories=trajectories,
            repeats=repeats,
            seconds=self.seconds,
        )
        return self._do(job, Measurement, threads=setting.threads, python=self.pythons[contender])

    def _do(self, job: Job, result: type[Result], *, threads: int, python: str | None = None) -> Result:
        """In a process of its own."""
        log = self.path.with_suffix(".log")
        output = run(job, python=python or self.python, threads=threads, log=log, seconds=self.limit)
        return TypeAdapter(result).validate_json(output)
