"""The batch arithmetic in plain words."""

from vineppo.config.schema import Config
from vineppo.doctor.finding import Finding, Verdict


def check_batch(config: Config) -> Finding:
    """Whether minibatches come out even, and what an iteration is made of."""
    samples = config.credit.samples_of(config.batch)
    found, remainder = describe_batch(config), samples % min(config.learner.minibatch, samples)
    if remainder and config.recipe.assigns_credit:
        return Finding(
            check="batch",
            verdict=Verdict.WARN,
            found=f"{found} The last minibatch of a pass has only {remainder}, and counts as much as a whole one.",
            remedy=f"set learner.minibatch to a divisor of {samples}",
        )
    return Finding(check="batch", verdict=Verdict.OK, found=found)


def describe_batch(config: Config) -> str:
    """From questions to updates."""
    training, learner = config.training, config.learner
    updates = config.recipe.updates(training, learner, config.credit)
    words = config.credit.rollouts_in_words if config.recipe.assigns_credit else ""
    rollouts = f", {words}" if words else ""
    sampled = (
        f"{training.questions} questions x {training.trajectories} trajectories = {config.batch} trajectories "
        f"an iteration{rollouts}."
    )
    samples = config.credit.samples_of(config.batch)
    size = min(learner.minibatch, samples)
    rows = min(learner.micro_batch, size)
    if not config.recipe.assigns_credit:
        return f"{sampled} {config.recipe.name} learns from what the judge accepts, in minibatches of {size}."
    return (
        f"{sampled} {plural(-(-samples // size), 'minibatch', 'minibatches')} of {size} x "
        f"{plural(learner.epochs, 'pass', 'passes')} = "
        f"{plural(config.updates_per_iteration, 'update', 'updates')}, "
        f"each in {plural(-(-size // rows), 'forward pass', 'forward passes')} of {rows}. "
        f"{training.iterations:,} iterations: {updates:,} updates."
    )


def plural(count: int, one: str, many: str) -> str:
    """1 update, 2 updates."""
    return f"{count:,} {one if count == 1 else many}"
