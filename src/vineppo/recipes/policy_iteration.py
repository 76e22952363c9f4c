"""The PPO family: sample, judge, segment, credit, update. Which credit is the only thing that differs.

for each iteration:
    questions    -> trajectories           the policy answers
    trajectories -> judgements, steps      the task judges, the segmenter cuts
    scored       -> credit                 what did each token earn?
    credit       -> update                 PPO-clip
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from vineppo.checkpoint import CRITIC
from vineppo.credit.build import build_assigner
from vineppo.credit.normalise import normalised, normalised_samples
from vineppo.credit.settings import CreditParts, Normalisation, PredictValues
from vineppo.errors import UserError
from vineppo.learner.critic import Critic
from vineppo.learner.learner import Learner
from vineppo.learner.parallel import WholeTensors, bare, load_whole, on_main
from vineppo.learner.samples import to_branch_samples, to_samples
from vineppo.learner.trained import TrainedPolicy
from vineppo.metrics import Metrics
from vineppo.progress import Display
from vineppo.recipes.algorithm import Experience
from vineppo.recipes.measurements import credit_metrics
from vineppo.recipes.parts import RecipeParts
from vineppo.recipes.replay import ReplayBuffer
from vineppo.recipes.sampler import Sampler
from vineppo.rng import derive_seed
from vineppo.seams import CreditAssigner
from vineppo.types import Sample

REPLAY = "replay.json"
"""In a checkpoint: what waits to be learned from."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicyIteration:
    """The loop's body and its parts, put together by `build_policy_iteration`."""

    sampler: Sampler
    assign: CreditAssigner
    normalise: Normalisation
    replay: ReplayBuffer | None
    """None: an iteration learns from all it brought, and from nothing else."""
    learner: Learner
    critic: Critic | None
    critic_warmup: int
    """Iterations in which only the critic learns."""
    policy: TrainedPolicy
    seed: int
    updates_per_epoch: int
    """In an iteration whose trajectories all teach."""

    def collect(self, iteration: int, display: Display) -> Experience:
        """Sample, judge, segment, value and credit."""
        scored, metrics = self.sampler.sample(iteration, display)
        if not scored:
            return Experience(iteration=iteration, scored=[], credits=[], metrics=metrics)
        with display.phase("credit") as progress:
            credits = self.assign(scored, seed=self.sampler.iteration_seed(iteration), progress=progress)
        metrics |= credit_metrics(credits)
        return Experience(iteration=iteration, scored=scored, credits=credits, metrics=metrics)

    def learn(self, experience: Experience, display: Display) -> Metrics:
        """Update the critic and the policy."""
        samples, branches, metrics = self._lessons(experience)
        seed = derive_seed(self.seed, "update", experience.iteration)
        engine = self.sampler.environment.engine
        with display.phase("update") as progress:
            engine.sleep()
            if self.critic is not None and samples:
                metrics |= self.critic.update(samples, seed=seed)
            if experience.iteration > self.critic_warmup and samples:
                metrics |= self.learner.update(samples, branches=branches, seed=seed, progress=progress)
            self.keep_to_the_schedule(experience.iteration)
            engine.load_weights(self.policy.weights(), policy_version=experience.iteration)
        return metrics

    def _lessons(self, experience: Experience) -> tuple[list[Sample], list[Sample], Metrics]:
        """Samples and branches, with their advantages on the method's scale."""
        if self.replay is None:
            credits = normalised(experience.credits, self.normalise)
            return to_samples(experience.scored, credits), to_branch_samples(experience.scored, credits), {}
        drawn, metrics = self.replay.draw(experience.iteration, experience.scored, experience.credits)
        return normalised_samples(drawn, self.normalise), [], metrics

    def keep_to_the_schedule(self, iteration: int) -> None:
        """Where trajectories were left out there are fewer updates; learning rates go by iterations all the same."""
        if self.critic is not None:
            self.critic.finished(iteration * self.updates_per_epoch)
        self.learner.finished(max(0, iteration - self.critic_warmup) * self.updates_per_epoch)

    def save(self, folder: Path) -> None:
        """The critic, what waits to be learned from, and both optimizers with their schedules."""
        optimizers = {"learner": self.learner.state_dict()}
        critic: Mapping[str, Tensor] = {}
        if self.critic is not None:
            critic = on_main(WholeTensors(bare(self.critic.network).state_dict()), self.policy.processes)
            optimizers["critic"] = self.critic.state_dict()
        if not self.policy.processes.is_main:
            return
        with (folder / "optimizers.pt").open("wb") as file:  # given a path, torch hides why it cannot write
            torch.save(optimizers, file)
        if self.replay is not None:
            (folder / REPLAY).write_text(json.dumps(self.replay.state()))
        if critic:
            save_file(dict(critic), folder / CRITIC)

    def load(self, folder: Path) -> None:
        """Continue where `save` was called."""
        optimizers = read_optimizers(folder / "optimizers.pt")
        self.learner.load_state_dict(optimizers["learner"])
        if self.replay is not None:
            self.replay.restore(json.loads((folder / REPLAY).read_text()))
        if self.critic is not None:
            load_whole(bare(self.critic.network), load_file(folder / CRITIC))
            self.critic.load_state_dict(optimizers["critic"])


def read_optimizers(file: Path) -> Any:
    """Tensors, numbers and names. Raises UserError for anything else, of which nothing is run."""
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # of several kinds, and torch's advice would be to run it all the same
        raise UserError(
            f"{file} holds something else than tensors and numbers, or is damaged; it is not read, since that can run "
            f"anything. Delete {file.parent} to resume from the checkpoint before it, or start another run from its "
            f"policy with policy.path={file.parent / 'policy'}"
        ) from error


def build_policy_iteration(parts: RecipeParts) -> PolicyIteration:
    """With the credit that the configuration names."""
    settings, credit, training, shop = parts.workshop.settings, parts.credit, parts.training, parts.workshop
    each = settings.updates_of(credit.samples_of(training.batch))
    warmup = 0 if credit.critic is None else credit.critic.warmup_iterations
    frozen, passes = shop.frozen(parts.policy), shop.passes(parts.policy)
    critic = shop.critic(credit.critic, parts.policy, updates=training.iterations * each, passes=passes)
    trained = shop.trained(parts.policy, passes)
    environment, sampling = parts.sampler.environment, parts.sampler.sampling
    credit_parts = CreditParts(
        environment=environment,
        sampling=sampling,
        predict_values=None if critic is None else predictor(critic),
        open_engine=parts.open_engine,
        on_main=shop.processes.ask_main,
    )
    return PolicyIteration(
        sampler=parts.sampler,
        assign=build_assigner(credit, credit_parts),
        normalise=credit.normalise,
        replay=None if credit.replay is None else ReplayBuffer(credit.replay, seed=training.seed),
        learner=Learner(
            trained.scorer,
            shop.reference(frozen, trained),
            settings,
            # The policy's schedule begins with its own first update, after the critic's warm-up.
            updates=max(0, training.iterations - warmup) * each,
            average=credit.average,
            ratio=credit.ratio,
            limit=sampling.max_new_tokens,
            passes=passes,
            processes=shop.processes,
        ),
        critic=critic,
        critic_warmup=warmup,
        updates_per_epoch=each // settings.epochs,
        policy=trained,
        seed=training.seed,
    )


def predictor(critic: Critic) -> PredictValues:
    """The value before each token of trajectories."""
    return lambda trajectories: critic.predict([scored.trajectory.tokens for scored in trajectories])
