"""One analysis, from a config and a policy to a record: the instruments of `vineppo.analysis`, put together."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import fmean

import numpy as np
from safetensors.torch import load_file

from vineppo.analysis.fingerprint import policy_digest
from vineppo.analysis.gradient_study import score_gradients
from vineppo.analysis.gradients import PolicyGradients
from vineppo.analysis.records import Analysis, Search, Subject
from vineppo.analysis.reliability import reliability
from vineppo.analysis.stages import Stages
from vineppo.analysis.study import Findings, Study
from vineppo.analysis.summing_up import ceiling, choice_records, source_record, state_records, true_steps, truth_cost
from vineppo.analysis.truth import TruthMeter
from vineppo.analysis.truth_store import TruthStore
from vineppo.config.load import dump_config
from vineppo.config.schema import Config
from vineppo.environment import Environment
from vineppo.errors import UserError
from vineppo.learner.critic import Critic
from vineppo.learner.logprobs import TokenLogprobs, check_head
from vineppo.policy import Policy, load_policy
from vineppo.progress import Display
from vineppo.recipes.build import build_environment, build_workshop
from vineppo.recipes.fitting import check_prompts
from vineppo.recipes.scoring import judge_and_cut
from vineppo.recipes.sources import Word, build_sources, parse_sources
from vineppo.recipes.target import Target
from vineppo.rng import derive_seed
from vineppo.run_dir import provenance
from vineppo.seams import Task
from vineppo.steps import Pieces
from vineppo.types import Question

STAGES = 5
"""Besides the sources: trajectories, next steps, truth, large sample, gradients."""


def asked_sources(target: Target) -> list[Word]:
    """Whose values are examined. Raises UserError for one that there cannot be."""
    has_critic = target.critic is not None and target.config.credit.critic is not None
    return parse_sources(target.config, has_critic=has_critic)


def analyze(target: Target, task: Task, store: TruthStore) -> Analysis:
    """Sample, measure, sum up. Raises UserError for what cannot work before anything is sampled."""
    config, settings, words = target.config, target.config.analysis, asked_sources(target)
    analysed, others = pick_questions(config, task.questions(settings.split))
    policy = load_policy(
        config.policy.path, device=config.policy.device, template_kwargs=config.policy.chat_template_kwargs
    )
    gradients = build_gradients(config, policy) if settings.gradient_questions else None
    environment = build_environment(policy, task, config.engine)
    check_prompts(policy, [*analysed, *others], context=config.engine.context_for(policy))
    token_texts = Pieces(policy.decode, stop=config.sampling.stop)
    study = Study(
        environment=environment,
        score=partial(judge_and_cut, environment, config.steps.build(), token_texts),
        truth=build_truth(config, policy, environment, store),
        sampling=config.sampling.law,
        sources=build_sources(words, config, environment, load_critic(target, policy)),
        questions=analysed,
        trajectories=settings.trajectories,
        states=settings.states,
        choices=settings.choices,
        draws=settings.draws,
        alternatives=settings.alternatives,
        distinct=settings.distinct,
        seed=derive_seed(settings.seed, "analysis"),
    )
    with Display(len(words) + STAGES, unit="stage") as display:
        stages = Stages(display)
        findings = study.collect(stages)
        setting, scores = (
            score_gradients(study, findings, gradients, others, stages) if gradients is not None else (None, {})
        )
    most, most_interval = ceiling(findings)
    return Analysis(
        subject=describe(target, findings, study.truth.policy),
        states=state_records(findings),
        search=search_record(config, findings),
        choices=choice_records(findings, token_texts),
        sources=tuple(source_record(e, findings, scores.get(e.source.name)) for e in findings.examined),
        gradient=setting,
        reliability=reliability(true_steps(findings), configured=config.credit.rollouts_per_state),
        truth=truth_cost(findings, settings.truth_rollouts),
        returns_explained=most,
        returns_explained_interval=most_interval,
        config=dump_config(config),
        provenance=provenance(),
    )


# --- parts -------------------------------------------------------------------------------------------------------


def pick_questions(config: Config, questions: Sequence[Question]) -> tuple[list[Question], list[Question]]:
    """The analysed ones, and those of the large-sample gradient: others, or where all are analysed the same again."""
    settings = config.analysis
    order = np.random.default_rng(derive_seed(settings.seed, "analysed questions")).permutation(len(questions))
    shuffled = [questions[i] for i in order]
    analysed, rest = shuffled[: settings.questions], shuffled[settings.questions :]
    return analysed, (rest if len(rest) > 1 else analysed)[: settings.gradient_questions]


def build_gradients(config: Config, policy: Policy) -> PolicyGradients:
    """By the learner's own log-probs."""
    try:
        check_head(policy.model)
    except UserError as error:
        raise UserError(f"{error}; or leave gradients out with analysis.gradient_questions=0") from error
    scorer = TokenLogprobs(policy.model, temperature=config.sampling.temperature, chunk=config.learner.logprob_chunk)
    return PolicyGradients(scorer, passes=build_workshop(config).passes(policy))


def build_truth(config: Config, policy: Policy, environment: Environment, store: TruthStore) -> TruthMeter:
    """The truth of this policy on this task."""
    stops = f"end {policy.end_ids} context {policy.context}"
    return TruthMeter(
        environment=environment,
        sampling=config.sampling.law,
        rollouts=config.analysis.truth_rollouts,
        store=store,
        policy=f"{policy_digest(policy.model)} {stops}",
        task=task_identity(config),
    )


def task_identity(config: Config) -> str:
    """What decides rewards: the task's settings and the reward functions' source."""
    task = config.task
    return json.dumps(
        [task.model_dump(), [Path(file).read_text(encoding="utf-8") for file in task.code_files]], sort_keys=True
    )


def load_critic(target: Target, policy: Policy) -> Critic | None:
    """The run's value network as the checkpoint has it."""
    critic = build_workshop(target.config).critic(target.config.credit.critic, policy, updates=1)
    if critic is None or target.critic is None:
        return None
    critic.network.load_state_dict(load_file(target.critic))
    return critic


# --- records -----------------------------------------------------------------------------------------------------


def describe(target: Target, findings: Findings, digest: str) -> Subject:
    """What was analysed."""
    config, sampled = target.config, findings.trajectories
    return Subject(
        name=target.name,
        policy=config.policy.path,
        policy_digest=digest.partition(" ")[0],
        iteration=target.iteration,
        task=config.task.name,
        split=config.analysis.split,
        credit=config.credit.name,
        questions=len({scored.trajectory.question.id for scored in sampled}),
        trajectories=len(sampled),
        mean_length=fmean(len(scored.trajectory.response_ids) for scored in sampled),
        mean_reward=fmean(scored.reward for scored in sampled),
    )


def search_record(config: Config, findings: Findings) -> Search | None:
    """How the choices were found."""
    if not config.analysis.choices:
        return None
    return Search(
        examined=findings.places_examined,
        kept=len(findings.choices),
        draws=config.analysis.draws,
        alternatives=config.analysis.alternatives,
        distinct=config.analysis.distinct,
    )
