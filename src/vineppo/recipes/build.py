"""From a config to the parts of the loop: the only place that reads all of it, every choice a visible match."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import numpy as np

from vineppo.chat import encode_prompt, opened, response_decoder
from vineppo.config.schema import (
    Config,
    CoupledCredit,
    DpoPositiveRecipe,
    EngineConfig,
    EpochCurriculum,
    GrpoCredit,
    LearnabilityBufferCurriculum,
    LearnabilityCurriculum,
    PolicyIterationRecipe,
    PpoCredit,
    RestEmRecipe,
    RlooCredit,
    SamplingConfig,
    TorchEngineConfig,
    TreeCredit,
    UniformCurriculum,
    VineCredit,
    VllmEngineConfig,
)
from vineppo.credit.coupled_assigner import CoupledAssigner
from vineppo.credit.gae import GaeAssigner
from vineppo.credit.group import GroupAssigner, grpo, rloo
from vineppo.credit.shuffle import Shuffled
from vineppo.credit.tree_assigner import TreeAssigner
from vineppo.credit.vine import VineAssigner
from vineppo.curriculum.attempts import Examiner
from vineppo.curriculum.buffer import Buffer
from vineppo.curriculum.choice import Curriculum
from vineppo.curriculum.epoch import Epoch
from vineppo.curriculum.per_iteration import PerIteration
from vineppo.curriculum.uniform import Uniform
from vineppo.engines.sharded import ShardedEngine
from vineppo.engines.torch.engine import TorchEngine
from vineppo.engines.torch.recordings import choose_capture
from vineppo.engines.vllm.start import Settings, start_vllm
from vineppo.environment import Environment
from vineppo.errors import UserError
from vineppo.learner.critic import Critic
from vineppo.learner.learner import Learner
from vineppo.learner.logprobs import check_head
from vineppo.metrics import Metrics
from vineppo.policy import Policy
from vineppo.processes import ALONE, Processes
from vineppo.recipes.algorithm import Algorithm
from vineppo.recipes.build_learner import (
    build_critic,
    build_passes,
    build_reference,
    build_trained,
    copy_reference,
)
from vineppo.recipes.dpo_positive import DpoPositive
from vineppo.recipes.evaluation import evaluate
from vineppo.recipes.policy_iteration import PolicyIteration
from vineppo.recipes.rest_em import RestEm
from vineppo.recipes.sampler import Sampler
from vineppo.rng import derive_seed
from vineppo.seams import CreditAssigner, Engine, Progress, Task
from vineppo.steps import Pieces, build_segmenter
from vineppo.tasks.sharded import ShardedTask
from vineppo.tasks.truncated import truncation_of
from vineppo.types import Question, Sampling, Scored


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingQuestions:
    """The train split, parted."""

    train: Sequence[Question]
    validation: Sequence[Question]
    """Never trained on; empty for recipes that do not validate."""


def build_questions(config: Config, task: Task) -> TrainingQuestions:
    """Hold out what the recipe validates on, drawn from the seed. Raises UserError when too few are left."""
    questions = task.questions("train")
    held_out = config.recipe.validation_questions if isinstance(config.recipe, RestEmRecipe) else 0
    wanted = config.training.questions
    if len(questions) < wanted + held_out:
        also = f" and recipe.validation_questions {held_out}" if held_out else ""
        left = max(len(questions) - held_out, 0)
        raise UserError(
            f"training.questions is {wanted}{also}, but the task has only {len(questions)} training questions; "
            f"set training.questions to at most {left} or add questions"
        )
    rng = np.random.default_rng(derive_seed(config.training.seed, "validation"))
    chosen = set(rng.choice(len(questions), size=held_out, replace=False).tolist())
    return TrainingQuestions(
        train=[question for index, question in enumerate(questions) if index not in chosen],
        validation=[questions[index] for index in sorted(chosen)],
    )


def build_algorithm(
    config: Config,
    policy: Policy,
    environment: Environment,
    questions: TrainingQuestions,
    processes: Processes = ALONE,
) -> Algorithm:
    """The method, with all its parts. `policy` is still the starting policy, and becomes the trained one."""
    check_head(policy.model)
    sampler = build_sampler(config, policy, environment, questions.train)
    match config.recipe:
        case PolicyIterationRecipe():
            return build_policy_iteration(config, policy, sampler, processes)
        case RestEmRecipe() as rest_em:
            trained = build_trained(config, policy, build_passes(config, policy), processes)
            return RestEm(
                sampler=sampler,
                policy=trained,
                start=trained.snapshot(),
                settings=config.learner,
                accept=rest_em.accept,
                kept=rest_em.kept,
                epochs=rest_em.epochs,
                validate=build_validation(config, environment, questions.validation),
                patience=rest_em.patience,
                seed=config.training.seed,
            )
        case DpoPositiveRecipe() as dpo:
            return DpoPositive(
                sampler=sampler,
                policy=build_trained(config, policy, build_passes(config, policy), processes),
                settings=config.learner,
                accept=dpo.accept,
                pairs=dpo.pairs,
                epochs=dpo.epochs,
                beta=dpo.beta,
                penalty=dpo.penalty,
                seed=config.training.seed,
            )


def build_policy_iteration(config: Config, policy: Policy, sampler: Sampler, processes: Processes) -> PolicyIteration:
    """The PPO family, with the credit that `config.credit` names."""
    warmup = config.credit.critic_warmup_iterations if isinstance(config.credit, PpoCredit) else 0
    updates = config.training.iterations * config.updates_per_iteration
    # The policy's schedule begins with its own first update, after the critic's warm-up.
    own = max(0, config.training.iterations - warmup) * config.updates_per_iteration
    frozen = copy_reference(config, policy)
    passes = build_passes(config, policy)
    critic = build_critic(config, policy, passes, updates=updates, processes=processes)
    trained = build_trained(config, policy, passes, processes)
    reference = build_reference(config, frozen, trained, processes)
    return PolicyIteration(
        sampler=sampler,
        assign=build_assigner(config, sampler.environment, critic),
        normalise=config.credit.normalise,
        learner=Learner(
            trained.scorer,
            reference,
            config.learner,
            updates=own,
            average=config.credit.average,
            limit=config.sampling.max_new_tokens,
            passes=passes,
            processes=processes,
        ),
        critic=critic,
        critic_warmup=warmup,
        updates_per_epoch=config.updates_per_iteration // config.learner.epochs,
        policy=trained,
        seed=config.training.seed,
    )


def build_sampler(config: Config, policy: Policy, environment: Environment, questions: Sequence[Question]) -> Sampler:
    """What all methods share."""
    return Sampler(
        environment=environment,
        curriculum=build_curriculum(config, environment, questions),
        segment=build_segmenter(config.steps),
        token_texts=Pieces(response_decoder(policy.tokenizer, policy.end_ids)),
        count=config.training.trajectories,
        sampling=build_sampling(config.sampling),
        seed=config.training.seed,
    )


def build_curriculum(config: Config, environment: Environment, questions: Sequence[Question]) -> Curriculum:
    """Which questions come next."""
    count, seed = config.training.questions, config.training.seed
    examiner = partial(Examiner, environment=environment, sampling=build_sampling(config.sampling))
    match config.curriculum:
        case UniformCurriculum():
            return Uniform(questions=questions, count=count, seed=seed)
        case EpochCurriculum():
            return Epoch(questions=questions, count=count, seed=seed)
        case LearnabilityCurriculum() as lilo:
            return PerIteration(
                questions=questions,
                count=count,
                seed=seed,
                examine=examiner(count=lilo.attempts, branches=lilo.reuse),
                factor=lilo.candidates_per_question,
                reused=min(lilo.attempts, config.training.trajectories) if lilo.reuse else 0,
            )
        case LearnabilityBufferCurriculum() as sfl:
            return Buffer(
                questions=questions,
                count=count,
                seed=seed,
                examine=examiner(count=sfl.attempts),
                candidates=sfl.candidates,
                keep=sfl.keep,
                every=sfl.every,
                share=sfl.share,
            )


def build_validation(
    config: Config, environment: Environment, questions: Sequence[Question]
) -> Callable[[Progress], Metrics] | None:
    """Accuracy on held-out training questions, under the law of evaluation; None where there are none."""
    if not questions:
        return None
    sampling, seed = build_evaluation_sampling(config), derive_seed(config.training.seed, "validation")
    samples = config.evaluation.samples
    return lambda progress: evaluate(
        environment, questions, samples=samples, sampling=sampling, seed=seed, progress=progress
    )


def build_environment(policy: Policy, task: Task, engine: EngineConfig, processes: Processes = ALONE) -> Environment:
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
    sampler = build_pool(policy, engine) if engine.pool.replicas else build_engine(policy, engine)
    if processes.count > 1:
        sampler, task = ShardedEngine(sampler, processes), ShardedTask(task, processes)
    # Not the policy's methods: its model may be a copy that only vLLM or a pool was started from, and can go now.
    encode = partial(encode_prompt, policy.tokenizer, template_kwargs=policy.template_kwargs)
    begun = lru_cache(maxsize=4096)(partial(opened, policy.tokenizer, template_kwargs=policy.template_kwargs))
    decode = response_decoder(policy.tokenizer, policy.end_ids)
    return Environment(engine=sampler, task=task, encode=encode, decode=decode, opened=begun, truncation=truncation)


def build_pool(policy: Policy, engine: EngineConfig) -> Engine:
    """Several of what `build_engine` makes, in processes of their own."""
    from vineppo.engines.ray_pool.pool import RayPool
    from vineppo.recipes.replica import ReplicaMaker

    pool, model = engine.pool, policy.model
    make = ReplicaMaker(
        architecture=model.config,
        dtype=model.dtype,
        generation=model.generation_config,
        tokenizer=policy.tokenizer,
        engine=engine,
        device="cuda" if pool.gpus else "cpu",
        # Of the processor's memory all that may be on one machine get a share alike.
        neighbours=max(1, int(1 / pool.gpus)) if pool.gpus else pool.replicas,
    )
    return RayPool(
        make,
        model.state_dict(),
        replicas=pool.replicas,
        address=pool.address,
        timeout=pool.timeout,
        cpus=pool.cpus,
        gpus=pool.gpus,
    )


def build_engine(policy: Policy, engine: EngineConfig) -> Engine:
    """What samples: from the policy's own weights, or from a copy that follows them."""
    memory_bytes = None if engine.memory_gib is None else int(engine.memory_gib * 2**30)
    match engine:
        case TorchEngineConfig():
            return TorchEngine(
                policy.model,
                end_ids=policy.end_ids,
                context=min(policy.context, engine.context or policy.context),
                rows=engine.rows,
                memory_bytes=memory_bytes,
                capture=choose_capture(policy.device, engine.compile),
            )
        case VllmEngineConfig():
            settings = Settings(
                rows=engine.rows,
                dtype=engine.dtype,
                context=min(policy.context, engine.context or policy.context),
                gpu_memory_share=engine.gpu_memory_share,
                memory_bytes=memory_bytes,
                eager=engine.eager,
                tensor_parallel=engine.tensor_parallel,
                sleep=engine.sleep,
            )
            return start_vllm(policy.model, end_ids=policy.end_ids, settings=settings)


def build_assigner(config: Config, environment: Environment, critic: Critic | None) -> CreditAssigner:
    """The one thing that differs between the methods; dealt at random for the control arm."""
    assign = build_method(config, environment, critic)
    return Shuffled(assign) if config.credit.shuffle else assign


def build_method(config: Config, environment: Environment, critic: Critic | None) -> CreditAssigner:
    """What each token earned."""
    match config.credit:
        case VineCredit() as vine:
            return VineAssigner(
                environment,
                rollouts=vine.rollouts,
                max_states=vine.max_states,
                mask_above=vine.mask_above,
                sampling=build_sampling(config.sampling),
            )
        case CoupledCredit() as coupled:
            return CoupledAssigner(
                environment,
                rollouts=coupled.rollouts,
                token_budget=coupled.token_budget,
                segments=coupled.segments,
                mask_above=coupled.mask_above,
                sampling=build_sampling(config.sampling),
            )
        case TreeCredit() as tree:
            return TreeAssigner(
                environment,
                restarts=tree.restarts,
                token_budget=tree.token_budget,
                share=tree.share,
                prior=tree.prior,
                mask_above=tree.mask_above,
                sampling=build_sampling(config.sampling),
            )
        case PpoCredit() as ppo:
            assert critic is not None, "build_critic makes one for PPO"
            return GaeAssigner(_predictor(critic), gae_lambda=ppo.gae_lambda)
        case GrpoCredit() as group:
            return GroupAssigner(partial(grpo, scale=group.scale))
        case RlooCredit():
            return GroupAssigner(rloo)


def build_sampling(sampling: SamplingConfig) -> Sampling:
    """The law of trajectories and rollouts."""
    return Sampling(
        temperature=sampling.temperature,
        top_k=sampling.top_k,
        top_p=sampling.top_p,
        max_new_tokens=sampling.max_new_tokens,
    )


def build_evaluation_sampling(config: Config) -> Sampling:
    """The law of evaluation: the training law unless the evaluation section says otherwise."""
    base, asked = build_sampling(config.sampling), config.evaluation
    return replace(
        base,
        temperature=base.temperature if asked.temperature is None else asked.temperature,
        top_p=base.top_p if asked.top_p is None else asked.top_p,
    )


def _predictor(critic: Critic) -> Callable[[Sequence[Scored]], list[list[float]]]:
    return lambda trajectories: critic.predict([scored.trajectory.tokens for scored in trajectories])
