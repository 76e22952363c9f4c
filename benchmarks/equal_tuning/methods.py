"""What is compared: each method as the settings it adds to a study's config, and how its tokens may be spent."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).resolve().parents[2]
ADVISER = ROOT / "examples/registers_adviser.py"

Program = Literal["vineppo", "trl"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """How the tokens of one update are spent: trajectories, and rollouts besides."""

    questions: int
    trajectories: int
    settings: tuple[str, ...] = ()
    """Of the credit: how many rollouts, a value network's rate."""
    words: str = ""
    """What those say, for the table."""

    @property
    def overrides(self) -> tuple[str, ...]:
        """As settings: one update on all trajectories of an iteration."""
        batch = self.questions * self.trajectories
        return (
            f"training.questions={self.questions}",
            f"training.trajectories={self.trajectories}",
            f"learner.minibatch={batch}",
            f"learner.micro_batch={min(batch, 40)}",
            *self.settings,
        )

    @property
    def name(self) -> str:
        """For a folder, and for the table."""
        return f"{self.questions} x {self.trajectories}{self.words}"


def measured(questions: int, trajectories: int, tokens: int) -> Shape:
    """So many tokens of rollouts a trajectory; K or the restarts are what that affords."""
    own = (f"credit.token_budget={tokens}",)
    return Shape(questions=questions, trajectories=trajectories, settings=own, words=f" + {tokens}")


def vines(questions: int, trajectories: int, rollouts: int) -> Shape:
    """K rollouts from every state."""
    own = (f"credit.rollouts={rollouts}",)
    return Shape(questions=questions, trajectories=trajectories, settings=own, words=f", K = {rollouts}")


def guessed(questions: int, trajectories: int, rate: float) -> Shape:
    """A value network that learns at this rate."""
    own = (f"credit.critic_learning_rate={rate}",)
    return Shape(questions=questions, trajectories=trajectories, settings=own, words=f", critic {rate:g}")


def again(shape: Shape) -> Shape:
    """The same with two passes over each batch."""
    return replace(shape, settings=(*shape.settings, "learner.epochs=2"), words=f"{shape.words} twice")


def repeated(questions: int, trajectories: int, clip: float) -> Shape:
    """Two passes over each batch. With one, every ratio is 1 and nothing is clipped, whatever it is a ratio of."""
    twice = again(Shape(questions=questions, trajectories=trajectories))
    return replace(twice, settings=(*twice.settings, f"learner.clip={clip}"), words=f"{twice.words}, clip {clip:g}")


def traced(questions: int, trajectories: int, trace: str) -> Shape:
    """A style of GRPO-lambda's trace."""
    own = (f"credit.trace={trace}",)
    return Shape(questions=questions, trajectories=trajectories, settings=own, words=f", {trace}")


def grown(questions: int, branching: Sequence[int], segment_tokens: int) -> Shape:
    """A tree over each question. One update on all edges that an iteration learns from."""
    children, *deeper = branching
    own = (f"credit.branching={deeper}", f"credit.segment_tokens={segment_tokens}", "learner.minibatch=1024")
    words = "".join(f"-{count}" for count in deeper)
    return Shape(questions=questions, trajectories=children, settings=own, words=words)


def intervened(questions: int, trajectories: int, rate: float) -> Shape:
    """InT's finetuning at this rate, then batches like these."""
    own = (f"recipe.learning_rate={rate}",)
    return Shape(questions=questions, trajectories=trajectories, settings=own, words=f", finetuned at {rate:g}")


def scaled(shape: Shape) -> Shape:
    """PPO without the shift of its whitening, which makes much of noise where nearly all rewards are equal."""
    return replace(shape, settings=(*shape.settings, "credit.normalise=scale"), words=f"{shape.words}, scaled")


ALONE = tuple(Shape(questions=q, trajectories=t) for q, t in ((10, 8), (20, 4), (5, 16)))
"""Of about 8,000 tokens in responses of 99."""
MEASURED = tuple(measured(*own) for own in ((10, 4, 100), (10, 6, 33), (12, 6, 12), (8, 4, 150), (5, 4, 300)))
FEW_LARGE = Shape(questions=80, trajectories=4)
"""An iteration of a recipe that makes a quarter as many, each of four times the tokens."""


def passes(epochs: int) -> Shape:
    """RestEM without validation: so many epochs, the last is taken."""
    own = ("recipe.validation_questions=0", f"recipe.epochs={epochs}")
    return replace(FEW_LARGE, settings=own, words=f", {epochs} epochs")


def validated(questions: int, trajectories: int, held_out: int) -> Shape:
    """RestEM as it is published: the best epoch on questions held out, whose responses are paid for, too."""
    own = (f"recipe.validation_questions={held_out}", "recipe.epochs=6", "recipe.patience=2")
    return Shape(questions=questions, trajectories=trajectories, settings=own, words=f", {held_out} held out")


@dataclass(frozen=True, kw_only=True, slots=True)
class Method:
    """One row of the table."""

    name: str
    settings: tuple[str, ...]
    """Overrides of the study's config."""
    shapes: tuple[Shape, ...] = ALONE
    """The first is where its rates are tuned first."""
    program: Program = "vineppo"
    worth: int = 1
    """How many updates' tokens one of its iterations spends: recipes make few iterations of many trajectories."""
    tuned_as: str = ""
    """The method whose choice it takes; "": its own."""
    seeds: int | None = None
    """Of the test, at most; None: the study's."""
    is_bound: bool = False
    """Whether it is told what nobody knows: what such a method can reach at most."""
    ahead: int = 0
    """How many updates' tokens its first iteration spends beyond those of an update."""

    def iterations(self, updates: float) -> int:
        """As many as spend the tokens of so many updates."""
        return round(updates / self.worth) - self.ahead


def advised(what: str, function: str) -> tuple[str, ...]:
    """By a program that executes each line: as an adviser that is never wrong."""
    return (f"{what}.adviser.name=function", f"{what}.adviser.function={ADVISER}:{function}")


METHODS = (
    Method(name="grpo", settings=("credit=grpo",)),
    Method(name="rloo", settings=("credit=rloo",)),
    Method(name="Dr. GRPO", settings=("credit=grpo", "credit.scale=false"), shapes=ALONE[:1]),
    Method(
        name="ppo",
        settings=("credit=ppo",),
        shapes=(
            guessed(10, 8, 5e-4),
            guessed(10, 8, 2e-3),
            guessed(20, 4, 5e-4),
            guessed(10, 8, 1e-4),
            scaled(guessed(10, 8, 5e-4)),
            again(guessed(10, 8, 2e-3)),
        ),
    ),
    Method(
        name="ppo, critic pretrained",
        settings=("credit=ppo", "credit.critic_warmup_iterations=10"),
        tuned_as="ppo",
    ),
    Method(
        name="vine",
        settings=("credit=vine",),
        shapes=(vines(5, 2, 1), vines(10, 1, 1), vines(2, 2, 3), vines(1, 2, 6), again(vines(5, 2, 1))),
    ),
    Method(
        name="coupled",
        settings=("credit=coupled", "credit.rollouts=27"),
        shapes=(*MEASURED, again(measured(10, 6, 33))),
    ),
    Method(name="coupled, shuffled", settings=("credit=coupled", "credit.rollouts=27", "credit.shuffle=true"),
           tuned_as="coupled"),
    Method(name="tree", settings=("credit=tree", "credit.restarts=27"), shapes=MEASURED),
    Method(name="tree, shuffled", settings=("credit=tree", "credit.restarts=27", "credit.shuffle=true"),
           tuned_as="tree"),
    Method(
        name="TRL grpo",
        settings=("credit=grpo", "learner.kl_coefficient=0"),
        shapes=ALONE[:1],
        program="trl",
    ),
    Method(
        name="rest_em",
        settings=("recipe=rest_em",),
        shapes=(passes(2), passes(4), validated(55, 4, 20)),
        worth=4,
    ),
    Method(name="dpo_positive", settings=("recipe=dpo_positive",), shapes=(FEW_LARGE,), worth=4),
    Method(
        name="spo_tree",
        settings=("credit=spo_tree",),
        shapes=(grown(6, (3, 3, 3), 33), grown(11, (2, 2, 2, 2), 25), grown(3, (4, 4, 4), 33), grown(1, (6, 6, 6), 33)),
        seeds=3,
    ),
    Method(
        name="grpo_lambda",
        settings=("credit=grpo_lambda",),
        shapes=(traced(10, 8, "both"), traced(10, 8, "recent")),
        seeds=3,
    ),
    Method(name="vine, shuffled", settings=("credit=vine", "credit.shuffle=true"), tuned_as="vine", seeds=3),
    Method(
        name="capo, perfect critic",
        settings=("credit=capo", *advised("credit", "critique")),
        is_bound=True,
        shapes=ALONE[:1],
        seeds=3,
    ),
    Method(
        name="int, perfect adviser",
        settings=("recipe=int", "credit=grpo", "recipe.questions=40", "recipe.continuations=4",
                  *advised("recipe", "intervene")),
        shapes=(intervened(10, 8, 4e-5), intervened(10, 8, 1e-5), intervened(10, 8, 1.6e-4),
                intervened(10, 8, 6.4e-4)),
        ahead=5,
        is_bound=True,
        seeds=3,
    ),
    Method(
        name="gspo",
        settings=("credit=grpo", "learner.ratio=sequence"),
        shapes=(repeated(10, 8, 4e-4), repeated(10, 8, 0.02)),
        seeds=3,
    ),
    Method(name="grpo, twice", settings=("credit=grpo",), shapes=(repeated(10, 8, 0.2),)),
    Method(name="rloo, twice", settings=("credit=rloo",), shapes=(repeated(10, 8, 0.2),)),
    Method(name="tree, twice", settings=("credit=tree", "credit.restarts=27"), shapes=(again(measured(10, 4, 100)),)),
    Method(name="ppo, shuffled", settings=("credit=ppo", "credit.shuffle=true"), tuned_as="ppo", seeds=3),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """A task in one size, and how much is spent on it."""

    name: str
    config: Path
    learning_rates: tuple[float, ...]
    """Where every method's grid begins; it goes on while the best lies on an edge."""
    iterations: int
    seeds: int = 5
    """Of the test, where the command line says nothing else."""
    tuned_by: str = ""
    """The study whose choices it takes; "": its own."""
    extensions: int = 3
    """Further rates at most, beyond each end."""
    settings: tuple[str, ...] = ()
    """Equal for all, besides the config."""
    tuning_share: float = 0.5
    """Of a run's length, while points are tried."""
    finalists: int = 3
    """Points of a method that then run to the end: the best of each shape first."""
    tuning_seeds: tuple[int, int] = (100, 101)
    """Of the trials, and of the finals."""
    tuning_settings: tuple[str, ...] = ()
    """What tuning sees instead of the test: other questions."""

    def length(self, method: Method, share: float) -> tuple[str, ...]:
        """The override of how long a method trains, for a share of its whole length."""
        return (f"training.iterations={method.iterations(share * self.iterations)}",)

    def test_seeds(self, method: Method, most: int | None) -> range:
        """Of the test. most: what the command line says."""
        count = most or self.seeds
        return range(min(count, method.seeds or count))


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One choice."""

    learning_rate: float
    shape: Shape

    @property
    def overrides(self) -> tuple[str, ...]:
        """As settings."""
        return (f"learner.learning_rate={self.learning_rate}", *self.shape.overrides)

    @property
    def name(self) -> str:
        """For a folder, and for the table."""
        return f"{self.learning_rate:g}, {self.shape.name}"


STUDIES = {
    "small": Study(
        name="small",
        config=ROOT / "configs/registers.yaml",
        learning_rates=(4e-5, 8e-5, 1.6e-4),
        iterations=40,
        settings=("learner.average=tokens", "evaluation.every=8"),
        tuning_settings=("task.seed=1", "evaluation.every=10"),
    ),
    "quick": Study(
        name="quick",
        config=ROOT / "configs/registers.yaml",
        learning_rates=(),
        iterations=16,
        seeds=2,
        tuned_by="small",
        settings=("learner.average=tokens", "evaluation.every=4"),
    ),
    "gpu": Study(
        name="gpu",
        config=ROOT / "configs/registers_gpu.yaml",
        learning_rates=(5e-5, 1e-4, 2e-4),
        iterations=300,
        settings=("learner.average=tokens",),
        tuning_settings=("task.seed=1",),
    ),
}


def slug(words: str) -> str:
    """For a file or a folder."""
    for mark, instead in ((" = ", ""), (" + ", "_and_"), (",", ""), (". ", "_"), (" x ", "x"), (" ", "_")):
        words = words.replace(mark, instead)
    return words


def chosen(names: Sequence[str]) -> Iterator[Method]:
    """Methods by name, and those that are tuned for them; all where none is named."""
    known = {method.name: method for method in METHODS}
    for name in names:
        if name not in known:
            raise SystemExit(f"there is no method {name!r}; choose from {', '.join(known)}")
    wanted = {*names, *(known[name].tuned_as for name in names)} if names else set(known)
    yield from (method for method in METHODS if method.name in wanted)
