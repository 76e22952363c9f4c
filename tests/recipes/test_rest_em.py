"""RestEM: what is kept, which epoch is taken, and that every iteration starts from the start."""

from collections.abc import Iterator, Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_runs import metrics_of
from small_scored import scored_response

from tiny_models import tiny_model
from vineppo import Trainer, load_config
from vineppo.config.schema import Config
from vineppo.learner.logprobs import TokenLogprobs
from vineppo.learner.trained import TrainedPolicy
from vineppo.metrics import Metrics, check_names
from vineppo.policy import Policy
from vineppo.progress import Display
from vineppo.recipes.algorithm import Experience, whole_response_credit
from vineppo.recipes.rest_em import RestEm, best_epoch, is_exhausted, keep
from vineppo.recipes.settings import RestEmRecipe
from vineppo.seams import Progress
from vineppo.settings.learner import LearnerConfig
from vineppo.types import Scored

QUICK = [
    "task={name: arithmetic, train_questions: 60, test_questions: 20}",
    "sampling={temperature: 1.0, top_p: 1.0, max_new_tokens: 80}",
    "training={iterations: 2, questions: 40, trajectories: 4}",
    "learner={learning_rate: 1.0e-4, minibatch: 8, micro_batch: 32}",
    "recipe={name: rest_em, epochs: 3, validation_questions: 20, patience: 1}",
]

# --- what is kept ------------------------------------------------------------------------------------------------


def test_accepted_distinct_responses_are_kept_the_first_so_many_of_a_question():
    scored = [
        scored_response("a", (5, 0), 1.0),
        scored_response("a", (5, 0), 1.0),  # the same again
        scored_response("a", (6, 0), 0.5),  # not enough
        scored_response("a", (7, 0), 1.0),
        scored_response("a", (8, 0), 2.0),  # the third
        scored_response("b", (5, 0), 1.0),  # equal, but to another question
        scored_response("b", (5, 5), 1.0, truncated=True),
    ]
    assert keep(scored, accept=1.0, per_question=2) == [0, 3, 5]
    assert keep(scored, accept=1.0, per_question=9) == [0, 3, 4, 5]
    assert keep(scored, accept=0.5, per_question=9) == [0, 2, 3, 4, 5]
    assert keep(scored, accept=3.0, per_question=9) == []


responses = st.builds(
    scored_response,
    st.sampled_from("abc"),
    st.lists(st.integers(1, 2), min_size=1, max_size=2).map(tuple),
    st.sampled_from([0.0, 1.0]),
)


@given(st.lists(responses, max_size=20), st.integers(1, 4))
def test_nothing_kept_is_wrong_or_twice_and_nothing_right_is_missing_without_reason(scored: list[Scored], most: int):
    kept = keep(scored, accept=1.0, per_question=most)
    found = [(scored[i].trajectory.question.id, scored[i].trajectory.response_ids) for i in kept]
    assert len(set(found)) == len(found)
    assert all(scored[i].reward == 1 for i in kept)
    for question in "abc":
        right = {s.trajectory.response_ids for s in scored if s.trajectory.question.id == question and s.reward == 1}
        assert sum(id == question for id, _ in found) == min(len(right), most)


# --- early stopping ----------------------------------------------------------------------------------------------


def test_the_best_epoch_is_the_first_of_the_best():
    assert best_epoch([0.5]) == 1
    assert best_epoch([0.1, 0.4, 0.4, 0.2]) == 2


def test_patience_counts_epochs_without_a_new_best():
    assert not is_exhausted([0.3, 0.4], 1)
    assert is_exhausted([0.4, 0.4], 1), "as good is not better"
    assert not is_exhausted([0.4, 0.3], 2)
    assert is_exhausted([0.4, 0.3, 0.39], 2)
    assert not is_exhausted([0.4] + [0.1] * 50, None)


# --- learning ----------------------------------------------------------------------------------------------------


class NoEngine:
    """Takes weights, samples nothing."""

    def __init__(self):
        self.taken: list[dict[str, torch.Tensor]] = []

    def load_weights(self, state: dict[str, torch.Tensor], *, policy_version: int) -> None:
        self.taken.append({name: tensor.clone() for name, tensor in state.items()})

    def sleep(self) -> None:
        pass


class NoSampler:
    """Has an engine."""

    def __init__(self):
        self.environment = self
        self.engine = NoEngine()


def rest_em(accuracies: Sequence[float] = (), *, epochs: int = 3, patience: int | None = None) -> RestEm:
    """Validation finds the given accuracies, one after the other."""
    model = tiny_model("llama")
    found: Iterator[float] = iter(accuracies)

    def validate(progress: Progress) -> Metrics:
        return {"eval/accuracy": next(found), "tokens/evaluation": 10.0}

    trained = TrainedPolicy(
        policy=Policy(model=model, tokenizer=None),  # pyright: ignore[reportArgumentType]
        scorer=TokenLogprobs(model, temperature=1.0, chunk=1000),
    )
    return RestEm(
        sampler=NoSampler(),  # pyright: ignore[reportArgumentType]
        policy=trained,
        start=trained.snapshot(),
        settings=LearnerConfig(learning_rate=1e-3, minibatch=2, warmup_ratio=0),
        accept=1.0,
        kept=10,
        epochs=epochs,
        validate=validate if accuracies else None,
        patience=patience,
        seed=0,
    )


def experience(iteration: int = 1, *, kept: bool = True) -> Experience:
    scored = [scored_response("a", (5, number, 1), 1.0) for number in (2, 3, 4)]
    return Experience(
        iteration=iteration, scored=scored, credits=[whole_response_credit(item, float(kept)) for item in scored]
    )


def learn(algorithm: RestEm, *args: Experience) -> list[Metrics]:
    with Display(1) as display:
        return [algorithm.learn(item, display) for item in args]


def weights(algorithm: RestEm) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in algorithm.policy.weights().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_every_iteration_starts_from_the_starting_policy():
    algorithm = rest_em()
    learn(algorithm, experience())
    once = weights(algorithm)
    learn(algorithm, experience())
    assert same(weights(algorithm), once), "the same iteration again, from other weights, ends at the same place"
    assert not same(once, dict(algorithm.start))


def test_the_epoch_that_validates_best_is_taken_and_all_updates_count():
    best_of_two = rest_em([0.2, 0.4, 0.3])
    (metrics,) = learn(best_of_two, experience())
    assert metrics["validation/best_epoch"] == 2
    assert metrics["validation/epochs"] == 3
    assert metrics["validation/accuracy"] == 0.4
    assert metrics["tokens/validation"] == 30
    assert metrics["updates_made"] == 6  # 3 epochs of 3 responses in twos
    check_names(metrics)
    engine = best_of_two.sampler.environment.engine
    assert same(weights(best_of_two), engine.taken[2]), "0: the start, then the epochs"
    assert same(weights(best_of_two), engine.taken[-1]), "and the engine samples from it"


def test_it_stops_when_patience_is_exhausted():
    (metrics,) = learn(rest_em([0.4, 0.3, 0.9], patience=1), experience())
    assert (metrics["validation/epochs"], metrics["updates_made"]) == (2, 4)


def test_without_validation_the_last_epoch_is_taken():
    algorithm = rest_em()
    (metrics,) = learn(algorithm, experience())
    assert "validation/accuracy" not in metrics
    assert same(weights(algorithm), algorithm.sampler.environment.engine.taken[-1])


def test_where_nothing_was_accepted_the_policy_stays_as_it_is():
    algorithm = rest_em([0.5])
    with torch.no_grad():
        next(algorithm.policy.scorer.parameters()).add_(1)
    before = weights(algorithm)
    assert learn(algorithm, experience(kept=False)) == [{"updates_made": 0.0}]
    assert same(weights(algorithm), before)


# --- a whole run -------------------------------------------------------------------------------------------------


def test_a_small_run_learns_and_counts(tmp_path):
    config = load_config(None, [*QUICK, f"run.dir={tmp_path}"])
    assert Trainer(config).train().finished
    history = metrics_of(tmp_path)
    assert [line["updates"] for line in history[1:]] == [
        sum(line["updates_made"] for line in history[1 : 1 + count]) for count in (1, 2)
    ]
    for line in history[1:]:
        assert 0 < line["rest_em/kept"] <= line["rest_em/questions_kept"] * 40 * 4
        assert line["rest_em/kept"] <= line["reward"] * 160 + 1e-6
        tokens = sum(value for name, value in line.items() if name.startswith("tokens/"))
        assert line["num_tokens"] - history[int(line["iteration"]) - 1]["num_tokens"] == tokens
        assert line["tokens/validation"] > 0
        assert line["time/validate"] > 0
    assert history[-1]["loss/likelihood"] < 0.5


def test_the_defaults_are_the_papers():
    recipe = Config(recipe=RestEmRecipe()).recipe
    assert isinstance(recipe, RestEmRecipe)
    assert (recipe.kept, recipe.epochs, recipe.patience) == (10, 8, None)


def test_too_few_questions_to_hold_some_out_are_refused(tmp_path):
    config = load_config(None, [*QUICK, f"run.dir={tmp_path / 'run'}", "recipe.validation_questions=60"])
    with pytest.raises(Exception, match=r"recipe.validation_questions is 60, but .* only 60 .* e\.g\. to 12"):
        Trainer(config)
    assert not (tmp_path / "run").exists()
