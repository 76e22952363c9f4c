"""How often a run updates, and what recipe and curriculum sample beyond trajectories and rollouts. Torch-free."""

from vineppo.config.schema import (
    Config,
    CoupledCredit,
    DpoPositiveRecipe,
    LearnabilityBufferCurriculum,
    LearnabilityCurriculum,
    PolicyIterationRecipe,
    PpoCredit,
    RestEmRecipe,
    TreeCredit,
    VineCredit,
)


def attempts(config: Config) -> int:
    """Responses sampled each time the curriculum tries questions, beyond those that serve as trajectories."""
    match config.curriculum:
        case LearnabilityCurriculum(candidates_per_question=factor, attempts=each, reuse=reuse):
            reused = min(each, config.training.trajectories) if reuse else 0
            return config.training.questions * (factor * each - reused)
        case LearnabilityBufferCurriculum(candidates=candidates, attempts=each):
            return candidates * each
        case _:
            return 0


def tryings(config: Config) -> int:
    """How often it does."""
    iterations = config.training.iterations
    match config.curriculum:
        case LearnabilityBufferCurriculum(every=every):
            return -(-iterations // every)
        case _:
            return iterations


def validation_responses(config: Config) -> int:
    """Of one iteration, over all epochs."""
    match config.recipe:
        case RestEmRecipe(validation_questions=questions, epochs=epochs):
            return questions * epochs * config.evaluation.samples
        case _:
            return 0


def updates(config: Config) -> int:
    """Over the run. Of RestEM and DPO-Positive, as if everything were accepted, or as much as makes most pairs."""
    training, minibatch = config.training, config.learner.minibatch
    match config.recipe:
        case RestEmRecipe(kept=kept, epochs=epochs):
            items = training.questions * min(kept, training.trajectories)
        case DpoPositiveRecipe(pairs=pairs, epochs=epochs):
            accepted = training.trajectories // 2
            items = training.questions * min(pairs, accepted * (training.trajectories - accepted))
        case _:
            warmup = config.credit.critic_warmup_iterations if isinstance(config.credit, PpoCredit) else 0
            return config.updates_per_iteration * max(training.iterations - warmup, 0)
    return training.iterations * epochs * -(-items // minibatch)


def uses_vines(config: Config) -> bool:
    """Whether rollouts measure the values of states."""
    measured = VineCredit | CoupledCredit | TreeCredit
    return isinstance(config.recipe, PolicyIterationRecipe) and isinstance(config.credit, measured)
