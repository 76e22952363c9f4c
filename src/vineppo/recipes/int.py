"""InT: replace the first wrong step of failed attempts, learn to write the replacements, then train as usual.

iteration 1
    attempt    the policy answers all questions, `attempts` times each; the wrong answers go on
    propose    an adviser that sees the reference solution names the first critical error, and writes another step
    verify     `continuations` rollouts from prefix + intervention; kept where at least one succeeds
    finetune   likelihood of prefix + intervention, from the policy as it is, without an end token
iterations 2, 3, ...
    as in recipe policy_iteration, with the `credit` that is chosen

"InT", arXiv 2601.14209, and its repository intervention-training/int: 4 attempts, 4 proposals of which the first
valid one is taken (it can be read, and the answer does not occur in it), 32 continuations; finetuning for 4 epochs at
1e-6 with batches of 64. It assumes an adviser that, seeing a solution, can tell where an attempt goes wrong.

Beside the paper's localiser, which is the adviser's own reading (`localiser=prompt`), our values tell the first bad
step: the one with the largest significant drop, measured by `credit` (`localiser=values`); `both` places interventions
by the adviser and notes where the values point, and `int/localisers_agree` says how often they agree.

Differs from the paper in: steps are those of `steps`, not always cut at blank lines, and a replacement ends with the
blanks of the step it replaces; the words of the inquiries are ours; the learning rate falls linearly to 0, not as a
cosine to a tenth; the likelihood is the mean over a minibatch's tokens; attempts and continuations follow `sampling`;
the KL of later iterations is to the starting policy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from vineppo.advisers.settings import AdviserParts, AdviserSettings
from vineppo.credit.build import build_assigner
from vineppo.credit.settings import CreditParts
from vineppo.errors import UserError
from vineppo.learner.finetuning import Finetuning
from vineppo.learner.likelihood import accumulate_likelihood
from vineppo.learner.trained import TrainedPolicy
from vineppo.metrics import Metrics
from vineppo.progress import Display
from vineppo.recipes.algorithm import Experience, whole_response_credit
from vineppo.recipes.interventions import Plan, Stages
from vineppo.recipes.measurements import trajectory_metrics
from vineppo.recipes.parts import RecipeParts
from vineppo.recipes.policy_iteration import PolicyIteration, build_policy_iteration
from vineppo.recipes.sampler import Sampler
from vineppo.recipes.stage_files import Row, read_rows
from vineppo.rng import derive_seed
from vineppo.settings.learner import LearnerConfig
from vineppo.types import PromptAndResponse, Question

FOLDER = "interventions"
"""Of the run directory: the stages' products."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Int:
    """The loop's body and its parts, put together by `build_int`."""

    rl: PolicyIteration
    """What follows."""
    stages: Stages
    questions: Sequence[Question]
    prompts: Mapping[str, tuple[int, ...]]
    """Token ids by question id."""
    settings: LearnerConfig
    """Of the finetuning."""
    epochs: int

    @property
    def sampler(self) -> Sampler:
        """Of the iterations that follow."""
        return self.rl.sampler

    @property
    def policy(self) -> TrainedPolicy:
        """One and the same throughout."""
        return self.rl.policy

    def collect(self, iteration: int, display: Display) -> Experience:
        """First the stages, from the files that are there and what they lack."""
        if iteration > 1:
            return self.rl.collect(iteration, display)
        attempts, verified = self.stages.run(self.questions, display)
        return Experience(
            iteration=iteration,
            scored=attempts,
            credits=[whole_response_credit(own, 0.0) for own in attempts],
            metrics=trajectory_metrics(attempts) | stage_metrics(self.stages.folder, verified),
        )

    def learn(self, experience: Experience, display: Display) -> Metrics:
        """First on the interventions that some continuation vouches for."""
        if experience.iteration > 1:
            return self.rl.learn(experience, display)
        _, verified = self.stages.run(self.questions, display)
        items = [self._item(row) for row in verified if row["successes"]]
        metrics = self._finetune(items, display) if items else {"updates_made": 0.0}
        self.rl.keep_to_the_schedule(experience.iteration)
        self.sampler.environment.engine.load_weights(self.policy.weights(), policy_version=experience.iteration)
        return metrics

    def save(self, folder: Path) -> None:
        """What the iterations that follow depend on; finetuning leaves nothing but weights."""
        self.rl.save(folder)

    def load(self, folder: Path) -> None:
        """Continue where `save` was called."""
        self.rl.load(folder)

    def _item(self, row: Row) -> PromptAndResponse:
        prompt = self.prompts[row["question"]]
        return PromptAndResponse(token_ids=prompt + tuple(row["response_ids"]), prompt_length=len(prompt))

    def _finetune(self, items: Sequence[PromptAndResponse], display: Display) -> Metrics:
        scorer, processes = self.policy.scorer, self.policy.processes
        seed = derive_seed(self.stages.seed, "finetune")
        finetuning = Finetuning(scorer, self.settings, num_items=len(items), epochs=self.epochs, seed=seed)
        accumulate = partial(accumulate_likelihood, scorer, items, passes=self.policy.passes, processes=processes)
        with display.phase("update") as progress:
            self.sampler.environment.engine.sleep()
            for epoch in range(1, self.epochs + 1):
                finetuning.epoch(epoch, accumulate, progress=progress)
        return finetuning.metrics()


def stage_metrics(folder: Path, verified: Sequence[Row]) -> Metrics:
    """What the stages found, and what they decoded; attempts are counted as trajectories."""
    proposals = [row for path in sorted((folder / "proposals").glob("*.jsonl")) for row in read_rows(path)]
    both = [row for row in proposals if row["location"] is not None and row["location_by_values"] is not None]
    agree = [row["location"] == row["location_by_values"] for row in both]
    continued = sum(row["continuations"] for row in verified)
    rollouts = sum(row["rollout_tokens"] for row in (*proposals, *verified))
    return {
        "int/wrong": float(len(proposals)),
        "int/proposed": float(sum(row["location"] is not None for row in proposals)),
        "int/verified": float(sum(row["successes"] > 0 for row in verified)),
        **({"int/success": sum(row["successes"] for row in verified) / continued} if continued else {}),
        **({"int/localisers_agree": sum(agree) / len(agree)} if agree else {}),
        "tokens/proposals": float(sum(row["tokens"] for row in proposals)),
        "tokens/rollouts": float(rollouts),
    }


def build_int(
    parts: RecipeParts,
    *,
    adviser: AdviserSettings,
    plan: Plan,
    questions: int | None,
    settings: LearnerConfig,
    epochs: int,
) -> Int:
    """With the credit that the configuration names; `settings` and `epochs` are of the finetuning. Raises UserError
    where values are asked for that the credit has not."""
    if plan.localiser != "prompt" and parts.credit.values != "rollouts":
        raise UserError(
            f"recipe.localiser is {plan.localiser}, but credit={parts.credit.called} measures no values by rollouts; "
            "set credit=coupled or vine, or recipe.localiser=prompt"
        )
    environment, sampling, shop = parts.sampler.environment, parts.sampler.sampling, parts.workshop
    asks = AdviserParts(where="recipe.adviser", open_engine=parts.open_engine, on_main=shop.processes.ask_main)
    measuring, tokenizer = CreditParts(environment=environment, sampling=sampling), parts.policy.tokenizer
    stages = Stages(
        environment=environment,
        segment=parts.sampler.segment,
        token_texts=parts.sampler.token_texts,
        tokenize=lambda text: tuple(tokenizer(text, add_special_tokens=False).input_ids),
        adviser=adviser.build(asks),
        assign=None if plan.localiser == "prompt" else build_assigner(parts.credit, measuring),
        plan=plan,
        sampling=sampling,
        folder=parts.folder / FOLDER,
        seed=derive_seed(parts.training.seed, "int"),
        processes=shop.processes,
    )
    attempted = list(parts.questions)[:questions]
    return Int(
        rl=build_policy_iteration(parts),
        stages=stages,
        questions=attempted,
        prompts={question.id: environment.encode(question.prompt) for question in attempted},
        settings=settings,
        epochs=epochs,
    )
