"""LILO: each iteration tries several times as many questions as it needs, and trains on the most learnable.

    candidates = uniform draw of factor * B questions           factor = 4
    p          = success rate of L attempts at each             L = 8
    batch      = the B candidates with the largest p (1 - p)

Foster et al., "Learning to Reason at the Frontier of Learnability", arXiv 2502.12272 v6, algorithm 2. Attempts come
from the policy that is about to be trained, under the law of trajectories, so those at the chosen questions can serve
as their trajectories; the paper does so with PPO and GRPO. That the batch was chosen by these very rewards is then not
forgotten by them: the price of the saved tokens.

Defined at the edges: fewer candidates than factor * B where the dataset is small; fewer learnable ones than B are
filled up with candidates that teach nothing, drawn at random, so that a batch always has B questions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from vineppo.curriculum.attempts import Examiner, rewards, tokens
from vineppo.curriculum.choice import Choice, State
from vineppo.curriculum.learnability import most_learnable_first, success_metrics
from vineppo.curriculum.uniform import draw
from vineppo.progress import Display
from vineppo.rng import derive_seed
from vineppo.types import Question


@dataclass(frozen=True, kw_only=True, slots=True)
class PerIteration:
    """`count` of `factor` times as many candidates, each time."""

    questions: Sequence[Question]
    count: int
    seed: int
    examine: Examiner
    factor: int
    reused: int
    """How many of the attempts at a chosen question become its trajectories; 0: none."""

    def choose(self, iteration: int, display: Display) -> Choice:
        """Try, then take the most learnable."""
        seed = derive_seed(self.seed, "learnability", iteration)
        size = min(self.factor * self.count, len(self.questions))
        candidates = draw(self.questions, count=size, seed=self.seed, iteration=iteration)
        attempts = self.examine(candidates, seed=derive_seed(seed, "attempts"), display=display)
        found = {id: rewards(own) for id, own in attempts.items()}
        chosen = most_learnable_first(found, seed=derive_seed(seed, "ties"))[: self.count]
        handed_on = {id: attempts[id][: self.reused] for id in chosen} if self.reused else {}
        by_id = {question.id: question for question in candidates}
        return Choice(
            questions=[by_id[id] for id in chosen],
            attempts=handed_on,
            metrics={
                **success_metrics(found, chosen),
                "tokens/curriculum": float(sum(map(tokens, attempts.values())) - sum(map(tokens, handed_on.values()))),
            },
        )

    def state(self) -> State:
        """None: each iteration starts from nothing."""
        return {}

    def restore(self, state: State) -> None:
        """Nothing to do."""
