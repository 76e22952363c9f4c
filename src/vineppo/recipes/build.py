"""From a config to the parts of the loop. It composes; what each choice is made of is known in its own room."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from vineppo.chat import encode_prompt, opened, prompt_reader, response_decoder
from vineppo.config.schema import Config
from vineppo.curriculum.choice import Curriculum
from vineppo.curriculum.settings import CurriculumParts
from vineppo.engines.build import alone, build_engine
from vineppo.engines.settings import EngineSettings
from vineppo.engines.sharded import ShardedEngine
from vineppo.environment import Environment
from vineppo.errors import UserError
from vineppo.learner.build import Workshop
from vineppo.learner.logprobs import check_head
from vineppo.metrics import Metrics
from vineppo.policy import DTYPES, Policy
from vineppo.processes import ALONE, Processes
from vineppo.recipes.algorithm import Algorithm
from vineppo.recipes.evaluation import evaluate
from vineppo.recipes.parts import RecipeParts
from vineppo.recipes.sampler import Sampler
from vineppo.rng import derive_seed, generator
from vineppo.seams import Progress, Task
from vineppo.steps import Pieces
from vineppo.tasks.sharded import ShardedTask
from vineppo.tasks.truncated import truncation_of
from vineppo.types import Question


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingQuestions:
    """The train split, parted."""

    train: Sequence[Question]
    validation: Sequence[Question]
    """Never trained on; empty for recipes that do not validate."""


def build_questions(config: Config, task: Task) -> TrainingQuestions:
    """Hold out what the recipe validates on, drawn from the seed. Raises UserError when none is left."""
    questions, held_out = task.questions("train"), config.recipe.held_out
    if len(questions) <= held_out:
        if not held_out:
            raise UserError("the task has no training questions; add some")
        raise UserError(
            f"recipe.validation_questions is {held_out}, but the task has only {len(questions)} training questions; "
            f"lower it, e.g. to {len(questions) // 5}, or add questions"
        )
    rng = generator(config.training.seed, "validation")
    chosen = set(rng.choice(len(questions), size=held_out, replace=False).tolist())
    return TrainingQuestions(
        train=[question for index, question in enumerate(questions) if index not in chosen],
        validation=[questions[index] for index in sorted(chosen)],
    )


def within(config: Config, questions: TrainingQuestions) -> Config:
    """The same run with no more questions an iteration than there are."""
    training = config.training
    fewer = training.model_copy(update={"questions": min(training.questions, len(questions.train))})
    return config.model_copy(update={"training": fewer})


def build_algorithm(
    config: Config,
    policy: Policy,
    environment: Environment,
    questions: TrainingQuestions,
    processes: Processes = ALONE,
) -> Algorithm:
    """The method, with all its parts. `policy` is still the starting policy, and becomes the trained one."""
    check_head(policy.model)
    config = within(config, questions)
    return config.recipe.build(
        RecipeParts(
            sampler=build_sampler(config, policy, environment, questions.train),
            policy=policy,
            workshop=build_workshop(config, processes),
            credit=config.credit,
            questions=questions.train,
            folder=Path(config.run.dir),
            training=config.training,
            open_engine=partial(build_engine, alone(config.engine)),
            validate=build_validation(config, environment, questions.validation),
        )
    )


def build_workshop(config: Config, processes: Processes = ALONE) -> Workshop:
    """Makes all that learns."""
    return Workshop(
        settings=config.learner,
        dtype=DTYPES[config.policy.dtype],
        temperature=config.sampling.temperature,
        context=config.engine.context,
        seed=config.training.seed,
        processes=processes,
    )


def build_sampler(config: Config, policy: Policy, environment: Environment, questions: Sequence[Question]) -> Sampler:
    """What all methods share."""
    return Sampler(
        environment=environment,
        curriculum=build_curriculum(config, environment, questions),
        segment=config.steps.build(),
        token_texts=Pieces(response_decoder(policy.tokenizer, policy.end_ids), stop=config.sampling.stop),
        read_prompt=prompt_reader(policy.tokenizer),
        count=config.training.trajectories,
        sampling=config.sampling.law,
        seed=config.training.seed,
    )


def build_curriculum(config: Config, environment: Environment, questions: Sequence[Question]) -> Curriculum:
    """Which questions come next."""
    return config.curriculum.build(
        CurriculumParts(
            questions=questions, training=config.training, environment=environment, sampling=config.sampling.law
        )
    )


def build_validation(
    config: Config, environment: Environment, questions: Sequence[Question]
) -> Callable[[Progress], Metrics] | None:
    """Accuracy on held-out training questions, under the law of evaluation; None where there are none."""
    if not questions:
        return None
    sampling, seed = config.evaluation.law(config.sampling.law), derive_seed(config.training.seed, "validation")
    samples = config.evaluation.samples
    return lambda progress: evaluate(
        environment, questions, samples=samples, sampling=sampling, seed=seed, progress=progress
    )


def build_environment(policy: Policy, task: Task, engine: EngineSettings, processes: Processes = ALONE) -> Environment:
    """The task, spoken in the policy's tokens; of several processes, each samples and judges a share."""
    if engine.pool.replicas and processes.count > 1:
        raise UserError(
            f"engine.pool.replicas is {engine.pool.replicas}, but the run has {processes.count} processes, which "
            "sample a share each already; set engine.pool.replicas to 0, or launch one process"
        )
    if not policy.end_ids:
        raise UserError(
            "policy.path: neither its generation config nor its tokenizer nor its chat template names a token that "
            "ends a response, so that all would be cut off; set eos_token_id in its generation_config.json"
        )
    truncation = truncation_of(task)
    sampler = build_engine(engine, policy)
    if processes.count > 1:
        sampler, task = ShardedEngine(sampler, processes), ShardedTask(task, processes)
    # Not the policy's methods: its model may be a copy that only vLLM or a pool was started from, and can go now.
    encode = partial(encode_prompt, policy.tokenizer, template_kwargs=policy.template_kwargs)
    begun = lru_cache(maxsize=4096)(partial(opened, policy.tokenizer, template_kwargs=policy.template_kwargs))
    decode = response_decoder(policy.tokenizer, policy.end_ids)
    return Environment(engine=sampler, task=task, encode=encode, decode=decode, opened=begun, truncation=truncation)
