"""From a sweep to its runs. Torch-free: a plan is made and checked before anything is loaded."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from vineppo.config.load import load_config
from vineppo.config.run_name import plain
from vineppo.config.schema import Config
from vineppo.errors import UserError
from vineppo.run_dir import RunDir
from vineppo.sweep.settings import SweepConfig

SET_HERE = {"training.seed": "seeds", "run.dir": "dir"}
"""Settings that differ from run to run, and the sweep's key that makes them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """One run of a sweep."""

    name: str
    """Its folder's."""
    config: Config

    @property
    def directory(self) -> RunDir:
        """Where it lives."""
        return RunDir(Path(self.config.run.dir))

    @property
    def is_finished(self) -> bool:
        """Whether it is done already."""
        return self.directory.summary_file.exists() and self.iterations_done >= self.config.training.iterations

    @property
    def iterations_done(self) -> int:
        """How far it has come."""
        lines = self.directory.read_metrics()
        return int(lines[-1]["iteration"]) if lines else 0


def split_overrides(overrides: Sequence[str]) -> tuple[list[str], list[str]]:
    """Those of the sweep itself, e.g. seeds=[0], and those of all its runs, e.g. training.iterations=5."""
    own = [text for text in overrides if text.partition("=")[0].partition(".")[0] in SweepConfig.model_fields]
    return own, [text for text in overrides if text not in own]


def make_plan(file: Path, overrides: Sequence[str]) -> list[Planned]:
    """All runs, seed after seed, so that a sweep that is stopped has whole seeds. Raises UserError for any of them."""
    own, common = split_overrides(overrides)
    sweep = load_config(file, own, SweepConfig)
    check_common(common, sweep)
    base = None if sweep.base is None else file.parent / sweep.base
    combinations = [dict(zip(sweep.axes, values, strict=True)) for values in product(*sweep.axes.values())]
    names = distinct_names(combinations)
    plan = [
        Planned(
            name=f"{name},seed={seed}",
            config=load_config(
                base,
                [
                    *map_overrides(sweep.settings),
                    *map_overrides(combination),
                    *common,
                    *map_overrides({"training.seed": seed, "run.dir": f"{sweep.dir}/{name},seed={seed}"}),
                ],
            ),
        )
        for seed in sweep.seeds
        for name, combination in zip(names, combinations, strict=True)
    ]
    for planned in plan:
        planned.directory.check(planned.config, resume=True)
    return plan


def check_common(common: Sequence[str], sweep: SweepConfig) -> None:
    """What the sweep varies cannot be set for all runs."""
    for text in common:
        key = text.partition("=")[0]
        if key in SET_HERE:
            raise UserError(f"{text!r}: the sweep sets {key}; give {SET_HERE[key]}=... instead")
        axis = next((axis for axis in sweep.axes if within(key, axis) or within(axis, key)), None)
        if axis is not None:
            raise UserError(f"{text!r} would undo the axis {axis} of the sweep; give axes='{{{axis}: [...]}}' instead")


def within(key: str, section: str) -> bool:
    """Whether a dotted key is the section or inside it."""
    return key == section or key.startswith(f"{section}.")


def map_overrides(settings: Mapping[str, object]) -> list[str]:
    """As they would be written on the command line: JSON text is YAML text."""
    return [f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in settings.items()]


def distinct_names(combinations: Sequence[Mapping[str, object]]) -> list[str]:
    """A folder name for each combination, e.g. `rollouts=3`."""
    names = [",".join(_part(key, value) for key, value in each.items()) for each in combinations]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"two combinations of the sweep's axes are both called {name}; leave one out")
    return names


def _part(key: str, value: object) -> str:
    """`rollouts=3`; a variant of a section by its own name and settings, `tokens-length=6`."""
    match value:
        case {"name": name, **others}:
            return "-".join([str(name), *(f"{k}={_word(v)}" for k, v in others.items())])
        case str() if "." not in key:
            return _word(value)
        case _:
            return f"{key.rpartition('.')[2]}={_word(value)}"


def _word(value: object) -> str:
    """Nothing that means something in a path."""
    return plain(value if isinstance(value, str) else json.dumps(value))
