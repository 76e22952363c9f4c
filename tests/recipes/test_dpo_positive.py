"""DPO-Positive: which responses are paired, what is learned from them, and a whole run."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_runs import metrics_of
from small_scored import scored_response

from vineppo import Trainer, load_config
from vineppo.config.schema import Config
from vineppo.errors import UserError
from vineppo.recipes.dpo_positive import make_pairs
from vineppo.recipes.settings import DpoPositiveRecipe
from vineppo.types import Scored

QUICK = [
    "task={name: arithmetic, train_questions: 60, test_questions: 20}",
    "sampling={temperature: 1.0, top_p: 1.0, max_new_tokens: 80}",
    "training={iterations: 2, questions: 40, trajectories: 8}",
    "learner={learning_rate: 1.0e-4, minibatch: 16, micro_batch: 32}",
    "recipe={name: dpo_positive, pairs: 4, epochs: 2}",
]


def pairs(scored: list[Scored], most: int = 100, *, seed: int = 0) -> list[tuple[int, int]]:
    return make_pairs(scored, accept=0.5, per_question=most, seed=seed)


def test_every_accepted_response_meets_every_rejected_one_of_its_question():
    scored = [
        scored_response("a", (5,), 1.0),
        scored_response("a", (6,), 0.0),
        scored_response("a", (7,), 0.0),
        scored_response("a", (6,), 0.0),  # the same again
        scored_response("a", (8,), 1.0),
        scored_response("b", (5,), 1.0),  # nothing to compare with
        scored_response("c", (5,), 0.0),
        scored_response("d", (5,), 1.0, truncated=True),  # rejected, whatever its reward
        scored_response("d", (4,), 1.0),
    ]
    assert pairs(scored) == [(0, 1), (0, 2), (4, 1), (4, 2), (8, 7)]


def test_of_too_many_pairs_some_are_drawn_and_the_seed_decides_which():
    scored = [scored_response("a", (number,), float(number < 5)) for number in range(10)]
    drawn = {seed: pairs(scored, 4, seed=seed) for seed in range(200)}
    assert all(len(set(found)) == 4 for found in drawn.values())
    assert drawn[7] == pairs(scored, 4, seed=7)
    counts = {pair: sum(pair in found for found in drawn.values()) for pair in product(range(5), range(5, 10))}
    assert all(12 <= count <= 55 for count in counts.values()), "32 expected, standard deviation 5"


responses = st.builds(
    scored_response, st.sampled_from("ab"), st.integers(1, 6).map(lambda i: (i,)), st.sampled_from([0.0, 1.0])
)


@given(st.lists(responses, max_size=16), st.integers(1, 5))
def test_pairs_are_of_one_question_and_no_more_than_asked_for(scored: list[Scored], most: int):
    found = pairs(scored, most)
    questions = [scored[accepted].trajectory.question.id for accepted, _ in found]
    assert all(
        scored[rejected].trajectory.question.id == id for (_, rejected), id in zip(found, questions, strict=True)
    )
    assert all(scored[a].reward == 1 and scored[r].reward == 0 for a, r in found)
    texts = [
        (id, scored[a].trajectory.text, scored[r].trajectory.text) for (a, r), id in zip(found, questions, strict=True)
    ]
    assert len(set(texts)) == len(texts)
    assert all(questions.count(id) <= most for id in questions)


def test_a_small_run_learns_and_counts(tmp_path):
    assert Trainer(load_config(None, [*QUICK, f"run.dir={tmp_path}"])).train().finished
    history = metrics_of(tmp_path)
    updates = 0
    for line in history[1:]:
        assert 0 < line["dpo/pairs"] <= 4 * 40 * line["dpo/questions_paired"]
        updates += 2 * -(-int(line["dpo/pairs"]) // 16)
        assert line["updates"] == updates
        assert line["rewards/accuracies"] > 0.5
        assert line["rewards/margins"] > 0
        assert line["rewards/margins"] == pytest.approx(line["rewards/chosen"] - line["rewards/rejected"], abs=1e-6)


def test_the_defaults_are_the_papers():
    recipe = Config(recipe=DpoPositiveRecipe()).recipe
    assert isinstance(recipe, DpoPositiveRecipe)
    assert (recipe.pairs, recipe.epochs, recipe.beta, recipe.penalty) == (64, 3, 0.1, 50)


def test_one_response_a_question_can_not_be_paired():
    with pytest.raises(UserError, match=r"dpo_positive pairs the responses .* training.trajectories is 1"):
        load_config(None, ["recipe=dpo_positive", "training.trajectories=1"])
