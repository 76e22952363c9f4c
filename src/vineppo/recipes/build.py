"""From a config to the parts of the loop: the only place that reads all of it, every choice a visible match."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from vineppo.config.schema import (
    Config,
    CoupledCredit,
    EngineConfig,
    GrpoCredit,
    PpoCredit,
    RlooCredit,
    SamplingConfig,
    VineCredit,
)
from vineppo.credit.coupled_assigner import CoupledAssigner
from vineppo.credit.gae import GaeAssigner
from vineppo.credit.group import GroupAssigner, grpo, rloo
from vineppo.credit.vine import VineAssigner
from vineppo.engines.torch.engine import TorchEngine
from vineppo.environment import Environment
from vineppo.errors import UserError
from vineppo.learner.critic import Critic, ValueNetwork
from vineppo.learner.learner import Learner
from vineppo.learner.logprobs import TokenLogprobs, check_head
from vineppo.policy import Policy
from vineppo.recipes.policy_iteration import PolicyIteration
from vineppo.seams import CreditAssigner, Engine, Task
from vineppo.steps import Pieces, build_segmenter
from vineppo.types import Question, Sampling, Scored


def build_loop(config: Config, policy: Policy, task: Task) -> PolicyIteration:
    """Everything a run needs."""
    check_head(policy.model)
    environment = build_environment(policy, task, config.engine)
    updates = config.training.iterations * config.updates_per_iteration
    scorer = partial(TokenLogprobs, temperature=config.sampling.temperature, chunk=config.learner.logprob_chunk)
    reference = scorer(copy.deepcopy(policy.model).requires_grad_(False)) if config.learner.kl_coefficient else None
    critic = build_critic(config, policy, updates=updates)
    return PolicyIteration(
        environment=environment,
        segment=build_segmenter(config.steps),
        token_texts=Pieces(policy.decode),
        assign=build_assigner(config, environment, critic),
        learner=Learner(scorer(policy.model), reference, config.learner, updates=updates),
        critic=critic,
        critic_warmup=config.credit.critic_warmup_iterations if isinstance(config.credit, PpoCredit) else 0,
        weights=policy.model.state_dict,
        questions=task.questions("train"),
        curriculum=config.curriculum.name,
        num_questions=config.training.questions,
        num_trajectories=config.training.trajectories,
        sampling=build_sampling(config.sampling),
        seed=config.training.seed,
    )


def build_environment(policy: Policy, task: Task, engine: EngineConfig) -> Environment:
    """The task, spoken in the policy's tokens."""
    return Environment(engine=build_engine(policy, engine), task=task, encode=policy.encode, decode=policy.decode)


def build_engine(policy: Policy, engine: EngineConfig) -> Engine:
    """The embedded engine, sharing the policy's weights."""
    return TorchEngine(
        policy.model,
        end_ids=policy.end_ids,
        context=policy.context,
        rows=engine.rows,
        memory_bytes=None if engine.memory_gib is None else int(engine.memory_gib * 2**30),
    )


def build_assigner(config: Config, environment: Environment, critic: Critic | None) -> CreditAssigner:
    """The one thing that differs between the methods."""
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
        case PpoCredit() as ppo:
            assert critic is not None, "build_critic makes one for PPO"
            return GaeAssigner(_predictor(critic), gae_lambda=ppo.gae_lambda)
        case GrpoCredit() as group:
            return GroupAssigner(partial(grpo, scale=group.scale))
        case RlooCredit():
            return GroupAssigner(rloo)


def build_critic(config: Config, policy: Policy, *, updates: int) -> Critic | None:
    """PPO's value network, initialised from the policy; None for the others."""
    if not isinstance(config.credit, PpoCredit):
        return None
    return Critic(ValueNetwork(policy.model), config.learner, config.credit, updates=updates)


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


def check_enough(questions: Sequence[Question], wanted: int) -> None:
    """An iteration takes distinct questions."""
    if len(questions) < wanted:
        raise UserError(
            f"training.questions is {wanted}, but the task has only {len(questions)} training questions; "
            f"set training.questions to at most {len(questions)} or add questions"
        )


def check_prompts(environment: Environment, questions: Sequence[Question], context: int) -> None:
    """Every prompt must leave room for a response."""
    lengths = [len(environment.encode(question.prompt)) for question in questions]
    longest = max(range(len(lengths)), key=lengths.__getitem__)
    if lengths[longest] >= context:
        raise UserError(
            f"the prompt of question {questions[longest].id} has {lengths[longest]} tokens, but the model's context is "
            f"{context}; drop such questions, shorten task.template or take a model with a longer context"
        )


def _predictor(critic: Critic) -> Callable[[Sequence[Scored]], list[list[float]]]:
    return lambda trajectories: critic.predict([scored.trajectory.tokens for scored in trajectories])
