"""The batch arithmetic in plain words."""

from vineppo.config.estimate_counts import updates
from vineppo.config.schema import Config, CoupledCredit, PolicyIterationRecipe, TreeCredit, VineCredit
from vineppo.doctor.finding import Finding, Verdict


def check_batch(config: Config) -> Finding:
    """Whether minibatches come out even, and what an iteration is made of."""
    found, remainder = describe_batch(config), config.batch % config.learner.minibatch
    if remainder and isinstance(config.recipe, PolicyIterationRecipe):
        return Finding(
            check="batch",
            verdict=Verdict.WARN,
            found=f"{found} The last minibatch of a pass has only {remainder}, and counts as much as a whole one.",
            remedy=f"set learner.minibatch to a divisor of {config.batch}",
        )
    return Finding(check="batch", verdict=Verdict.OK, found=found)


def describe_batch(config: Config) -> str:
    """From questions to updates."""
    training, learner = config.training, config.learner
    sampled = (
        f"{training.questions} questions x {training.trajectories} trajectories = {config.batch} trajectories "
        f"an iteration{rollouts(config)}."
    )
    size = min(learner.minibatch, config.batch)
    rows = min(learner.micro_batch, size)
    if not isinstance(config.recipe, PolicyIterationRecipe):
        return f"{sampled} {config.recipe.name} learns from what the judge accepts, in minibatches of {size}."
    return (
        f"{sampled} {plural(-(-config.batch // size), 'minibatch', 'minibatches')} of {size} x "
        f"{plural(learner.epochs, 'pass', 'passes')} = {plural(config.updates_per_iteration, 'update', 'updates')}, "
        f"each in {plural(-(-size // rows), 'forward pass', 'forward passes')} of {rows}. "
        f"{training.iterations:,} iterations: {updates(config):,} updates."
    )


def rollouts(config: Config) -> str:
    """What measures their values."""
    match config.recipe, config.credit:
        case PolicyIterationRecipe(), VineCredit(rollouts=count):
            return f", {count} rollouts from each distinct state"
        case PolicyIterationRecipe(), CoupledCredit(rollouts=count):
            return f", {count} rollouts from each state times the chance of leaving it"
        case PolicyIterationRecipe(), TreeCredit(restarts=count):
            return f", {count:g} restarts from each token times the chance of leaving what is known"
        case _:
            return ""


def plural(count: int, one: str, many: str) -> str:
    """1 update, 2 updates."""
    return f"{count:,} {one if count == 1 else many}"
