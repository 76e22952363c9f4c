"""What is compared: each method as the settings it adds to a study's config, and the rates it is tuned over."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).resolve().parents[2]

Program = Literal["vineppo", "trl"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Method:
    """One row of the table."""

    name: str
    settings: tuple[str, ...]
    """Overrides of the study's config."""
    program: Program = "vineppo"
    has_critic: bool = False
    plans_its_own_length: bool = False
    """Few iterations of many trajectories, as the config's variant says: as many trajectories in all as the others."""


METHODS = (
    Method(name="vine K = 9", settings=("credit=vine",)),
    Method(name="coupled", settings=("credit=coupled",)),
    Method(name="coupled + rollouts", settings=("credit=coupled", "credit.learn_from_rollouts=true")),
    Method(name="ppo", settings=("credit=ppo",), has_critic=True),
    Method(name="grpo", settings=("credit=grpo",)),
    Method(name="rloo", settings=("credit=rloo",)),
    Method(name="TRL grpo", settings=("credit=grpo", "learner.kl_coefficient=0"), program="trl"),
    Method(name="rest_em", settings=("recipe=rest_em",), plans_its_own_length=True),
    Method(name="dpo_positive", settings=("recipe=dpo_positive",), plans_its_own_length=True),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """A task in one size, and how much is spent on it."""

    name: str
    config: Path
    learning_rates: tuple[float, ...]
    critic_rates: tuple[float, ...]
    iterations: int
    shorter: Mapping[str, int] = field(default_factory=dict)
    """Iterations of methods that are long done by then, and whose iterations cost the most."""
    tuning_share: float = 0.4
    """Of a run's length, for the whole grid."""
    finalists: int = 2
    """The best points of a method's grid, which then run to the end."""
    tuning_seeds: tuple[int, int] = (100, 101)
    """Of the grid, and of the finals."""
    tuning_settings: tuple[str, ...] = ()
    """What tuning sees instead of the test: other questions."""

    def length(self, method: Method, share: float) -> tuple[str, ...]:
        """The override of how long a method trains, for a share of its whole length."""
        if method.plans_its_own_length:
            return ()
        return (f"training.iterations={round(share * self.shorter.get(method.name, self.iterations))}",)

    def grid(self, method: Method) -> list["Point"]:
        """Everything the method is tuned over: the same learning rates for all, PPO's critic's beside them."""
        critics: Sequence[float | None] = self.critic_rates if method.has_critic else (None,)
        return [Point(learning_rate=rate, critic_rate=own) for rate, own in product(self.learning_rates, critics)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One choice of rates."""

    learning_rate: float
    critic_rate: float | None = None

    @property
    def overrides(self) -> tuple[str, ...]:
        """As settings."""
        critic = () if self.critic_rate is None else (f"credit.critic_learning_rate={self.critic_rate}",)
        return (f"learner.learning_rate={self.learning_rate}", *critic)

    @property
    def name(self) -> str:
        """For a folder, and for the table."""
        return f"{self.learning_rate:g}" + ("" if self.critic_rate is None else f", critic {self.critic_rate:g}")


STUDIES = {
    "small": Study(
        name="small",
        config=ROOT / "configs/registers.yaml",
        learning_rates=(4e-5, 8e-5, 1.6e-4),
        critic_rates=(1e-4, 5e-4),
        iterations=80,
        shorter={"vine K = 9": 16},
        tuning_settings=("task.seed=1", "evaluation.every=20"),
    ),
    "gpu": Study(
        name="gpu",
        config=ROOT / "configs/registers_gpu.yaml",
        learning_rates=(2e-5, 5e-5, 1e-4, 2e-4),
        critic_rates=(1e-4, 1e-3),
        iterations=300,
        tuning_settings=("task.seed=1",),
    ),
}


def slug(words: str) -> str:
    """For a file or a folder."""
    for mark, instead in ((" = ", ""), (" + ", "_and_"), (",", ""), (" ", "_")):
        words = words.replace(mark, instead)
    return words


def chosen(names: Sequence[str]) -> Iterator[Method]:
    """Methods by name; all of them where none is named."""
    known = {method.name: method for method in METHODS}
    for name in names or known:
        if name not in known:
            raise SystemExit(f"there is no method {name!r}; choose from {', '.join(known)}")
        yield known[name]
