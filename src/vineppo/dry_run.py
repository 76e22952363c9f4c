"""`vineppo train --dry-run`: what a run would do and cost. Places are checked, data on this disk read; no model is
loaded, and nothing is fetched, unless a probe is asked for."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel

from vineppo.config.estimate import estimate, evaluation_questions, evaluations, render
from vineppo.config.load import dump_config
from vineppo.config.memory.show import render_forecast
from vineppo.config.packing import render_passes
from vineppo.config.schema import Config
from vineppo.config.storage import render_storage
from vineppo.errors import UserError
from vineppo.launch import find_launch
from vineppo.metrics import Metrics
from vineppo.policy_place import check_policy
from vineppo.run_dir import RunDir
from vineppo.settings.known_models import KNOWN_MODELS
from vineppo.settings.model_shape import BUNDLED, cached_config, find_shape
from vineppo.settings.places import on_disk
from vineppo.settings.sections import PolicyConfig
from vineppo.waiting import loading

Sizes = tuple[int, int]
"""Training questions and test questions."""

PROBED = 2
"""Questions of an iteration of the probe, and such iterations: the first also pays for what is done once."""
EVALUATED = 8
"""Test questions of the probe."""


def show_dry_run(config: Config, *, probe: bool) -> None:
    """Print it: costs, then what is amiss. Raises UserError for what a run would stumble over at once."""
    launch = find_launch()
    if probe and launch.count > 1:
        raise UserError(f"--probe runs in one process, but {launch.count} were launched; start it without a launcher")
    if launch.rank:
        return
    sizes, amiss = count_questions(config)
    known, shape = within(config, sizes), find_shape(config.policy.path)
    print(dump_config(config))
    print(render(estimate(known, train_size=None if sizes is None else sizes[0])))
    print(f"\n{render_passes(known, shape)}\n\n{render_forecast(known, shape, launch)}")
    print(f"\n{render_storage(known, shape, free_bytes(Path(config.run.dir)))}\n", flush=True)
    for line in check_places(config):
        print(line, flush=True)
    if amiss is not None:
        raise amiss
    print(describe_data(config, sizes))
    if probe:
        print(describe_probe(known, run_probe(known)))


# --- data --------------------------------------------------------------------------------------------------------


def count_questions(config: Config) -> tuple[Sizes | None, UserError | None]:
    """Training questions that are left to train on, and test questions; or what is wrong with them."""
    try:
        sizes, held_out = config.task.sizes(), config.recipe.held_out
        if sizes is not None and sizes[0] <= held_out:
            raise UserError(
                f"recipe.validation_questions is {held_out}, but there are only {sizes[0]} training questions; lower it"
            )
    except UserError as error:
        return None, error
    return (None if sizes is None else (sizes[0] - held_out, sizes[1])), None


def within(config: Config, sizes: Sizes | None) -> Config:
    """The run with no more questions at a time than there are."""
    if sizes is None:
        return config
    train, test = sizes
    training, evaluation = config.training, config.evaluation
    return config.model_copy(
        update={
            "training": training.model_copy(update={"questions": min(training.questions, train)}),
            "evaluation": evaluation.model_copy(update={"questions": min(evaluation.questions or test, test)}),
        }
    )


def describe_data(config: Config, sizes: Sizes | None) -> str:
    """How many questions there are, and how often each comes."""
    if sizes is None:
        return "Questions: not counted; they are not on this disk, or made elsewhere."
    known, asked = within(config, sizes), config.training.questions
    each = known.training.questions
    fewer = f" (training.questions {asked}: all there are)" if each < asked else ""
    return (
        f"Questions: {sizes[0]:,} to train on, {each} an iteration{fewer}, each asked "
        f"{each * config.training.iterations / sizes[0]:.3g} times over the run; {sizes[1]:,} to test on, "
        f"{known.evaluation.questions:,} each time."
    )


# --- places ------------------------------------------------------------------------------------------------------


def check_places(config: Config) -> Iterator[str]:
    """A line of each. Raises UserError at the first that is not there."""
    for name, policy in policies(config):
        yield from told_of_policy(name, policy.path)
    yield check_run_dir(config)


def policies(section: BaseModel, name: str = "") -> Iterator[tuple[str, PolicyConfig]]:
    """All that the configuration names, an adviser's too."""
    for key, value in section:
        if isinstance(value, PolicyConfig):
            yield f"{name}{key}", value
        elif isinstance(value, BaseModel):
            yield from policies(value, f"{name}{key}.")


def told_of_policy(name: str, path: str) -> list[str]:
    """What is to be said of one. Raises UserError where it is not there, or no model that can be loaded."""
    if path in KNOWN_MODELS or cached_config(path) is not None:
        return []
    if path.startswith(BUNDLED) or on_disk(f"{name}.path", path):
        check_policy(path)
        return []
    beside = f", where the folder {Path(path).parent} is," if "/" in path and Path(path).parent.is_dir() else ""
    return [f"{name}.path {path!r} is not on this disk{beside} and taken for a name on the Hub, where nobody looked."]


def check_run_dir(config: Config) -> str:
    """Where the run would be. Raises UserError where nothing can be written there."""
    directory = RunDir(Path(config.run.dir))
    if directory.config_file.exists():
        return f"run.dir {directory.root} holds a run, which --resume continues."
    directory.check(config, resume=False)
    return f"run.dir {directory.root} is free."


def free_bytes(folder: Path) -> int:
    """On the disk that it is on, or will be."""
    folder = folder.expanduser().absolute()
    return shutil.disk_usage(next(place for place in (folder, *folder.parents) if place.is_dir())).free


# --- seconds -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Probed:
    """Seconds."""

    questions: int
    iteration: float
    """With so many questions, saving and evaluation left out."""
    evaluation: float
    """Of one question."""
    checkpoint: float
    whole: float
    """That the probe itself took."""


def run_probe(config: Config) -> Probed:
    """The run itself, but short: two iterations of few questions in a folder of their own."""
    from vineppo.trainer import Trainer

    training = config.training.model_copy(
        update={"iterations": PROBED, "questions": min(PROBED, config.training.questions)}
    )
    tested = min(EVALUATED, config.evaluation.questions or EVALUATED)
    evaluation = config.evaluation.model_copy(update={"every": 0, "questions": tested})
    started = time.monotonic()
    print(f"\nprobe: {PROBED} iterations of {training.questions} questions ...", flush=True)
    loading()
    with tempfile.TemporaryDirectory() as folder:
        small = config.model_copy(
            update={
                "training": training,
                "evaluation": evaluation,
                "checkpoint": config.checkpoint.model_copy(update={"every": 1}),
                "run": config.run.model_copy(update={"dir": f"{folder}/probe", "tracker": "none"}),
            }
        )
        lines = Trainer(small).train(brief=True).metrics
    return probed(lines, questions=training.questions, tested=tested, whole=time.monotonic() - started)


def probed(lines: list[Metrics], *, questions: int, tested: int, whole: float) -> Probed:
    """From the lines of such a run."""
    last = lines[-1]
    return Probed(
        questions=questions,
        iteration=last["time/iteration"] - last.get("time/evaluate", 0.0),
        evaluation=lines[0]["time/evaluate"] / tested,
        checkpoint=last.get("time/checkpoint", 0.0),
        whole=whole,
    )


def describe_probe(config: Config, found: Probed) -> str:
    """The run in seconds, as if twice as many questions took twice as long."""
    iterations = config.training.iterations
    iteration = found.iteration * config.training.questions / found.questions
    evaluation = found.evaluation * evaluation_questions(config)
    times = evaluations(iterations, config.evaluation.every)
    saves = num_saves(config, seconds=iterations * iteration)
    total = iterations * iteration + times * evaluation + saves * found.checkpoint
    return (
        f"Seconds, by a probe of {found.whole:.0f} s on this machine, as busy as it is: an iteration {iteration:.1f}, "
        f"an evaluation {evaluation:.1f} ({times} times), a checkpoint {found.checkpoint:.1f} ({saves} times); the run "
        f"about {total:,.0f} ({timedelta(seconds=round(total))}). As if twice as many questions took twice as "
        "long: more of them at a time take less."
    )


def num_saves(config: Config, *, seconds: float) -> int:
    """Checkpoints of a run whose iterations take so long."""
    asked, iterations = config.checkpoint, config.training.iterations
    if asked.between:
        return iterations
    by_iteration = iterations // asked.every if asked.every else 0
    by_time = int(seconds / asked.every_seconds) if asked.every_seconds else 0
    return min(iterations, max(1, by_iteration, by_time))
