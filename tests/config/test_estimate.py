import random

import pytest

from vineppo.config.estimate import (
    estimate,
    evaluations,
    expected_shape,
    render,
    render_sft,
)
from vineppo.config.load import load_config
from vineppo.config.schema import Config, SftConfig
from vineppo.settings.shapes import even_shape, lines_shape
from vineppo.steps import line_starts, token_bounds
from vineppo.tasks.arithmetic import ArithmeticTask, Chain, demonstrate, make_habits
from vineppo.tasks.arithmetic_tokenizer import build_tokenizer


def small(*overrides: str) -> Config:
    """Two operations: 2 lines of 6 tokens and an answer of 3. 2 questions x 4 trajectories, 5 iterations."""
    base = [
        "task.operations=2",
        "task.test_questions=10",
        "credit={name: vine, rollouts: 3}",
        "sampling.max_new_tokens=20",
        "training.questions=2",
        "training.trajectories=4",
        "training.iterations=5",
        "learner.minibatch=4",
        "evaluation.every=2",
        "evaluation.samples=2",
    ]
    if any(override.startswith("credit=") for override in overrides):
        base.remove("credit={name: vine, rollouts: 3}")
    if any(override.startswith("task=") for override in overrides):
        base = [override for override in base if not override.startswith("task.")]
    return load_config(None, [*base, *overrides])


def test_trajectories_cost_their_length():
    cost = estimate(small())
    assert (cost.trajectories.sequences, cost.trajectories.times) == (8, 5)
    assert cost.trajectories.tokens == 8 * 15
    assert cost.trajectories.at_most == 8 * 20


def test_rollouts_cost_what_is_left_at_each_state():
    cost = estimate(small())
    assert cost.rollouts.sequences == 8 * 3 * 2
    assert cost.rollouts.tokens == 8 * 3 * (15 + 9)
    assert cost.rollouts.at_most == 8 * 3 * 210  # 20 + 19 + ... + 1


def test_evaluation_costs_a_response_per_question_and_sample():
    cost = estimate(small())
    assert (cost.evaluation.sequences, cost.evaluation.times) == (20, 4)
    assert (cost.evaluation.tokens, cost.evaluation.at_most) == (300, 400)


def test_totals_are_over_the_run():
    cost = estimate(small())
    assert cost.tokens == 5 * 120 + 5 * 576 + 4 * 300
    assert cost.at_most == 5 * 160 + 5 * 5040 + 4 * 400
    assert cost.updates == 5 * 2 * 2  # 2 epochs of 8 / 4 minibatches


def test_max_states_limits_rollouts_and_their_upper_bound():
    rollouts = estimate(small("credit.max_states=1")).rollouts
    assert (rollouts.sequences, rollouts.tokens, rollouts.at_most) == (24, 8 * 3 * 15, 8 * 3 * 20)


def test_coupled_vines_are_assumed_to_leave_every_other_step():
    rollouts = estimate(small("credit=coupled", "credit.rollouts=3")).rollouts
    assert (rollouts.sequences, rollouts.tokens) == (8 * 3, 8 * 3 * (15 + 9) // 2)
    assert rollouts.at_most == 8 * 4 * 210  # every step left, every number rounded up
    assert "leave its trajectory in a step with probability 0.5" in render(estimate(small("credit=coupled")))


def test_a_token_budget_holds_for_each_trajectory():
    rollouts = estimate(small("credit=coupled", "credit.rollouts=3", "credit.token_budget=18")).rollouts
    assert (rollouts.sequences, rollouts.tokens) == (8 * 2, 8 * 18)


def test_a_first_look_at_segments_may_double_the_upper_bound():
    plain, looking = (
        estimate(small("credit=coupled", f"credit.segments={segments}")).rollouts for segments in ("null", "2")
    )
    assert looking.at_most == 2 * plain.at_most


@pytest.mark.parametrize("name", ["ppo", "grpo", "rloo", "grpo_lambda"])
def test_only_vines_need_rollouts(name):
    rollouts = estimate(small(f"credit={name}")).rollouts
    assert (rollouts.sequences, rollouts.tokens, rollouts.at_most) == (0, 0, 0)


def test_iterations_that_only_warm_the_critic_update_no_policy():
    assert estimate(small("credit=ppo", "credit.critic_warmup_iterations=2")).updates == 3 * 4
    assert estimate(small("credit=ppo", "credit.critic_warmup_iterations=9")).updates == 0


def test_the_whole_response_as_one_step_has_one_state():
    rollouts = estimate(small("steps=whole")).rollouts
    assert (rollouts.tokens, rollouts.at_most) == (8 * 3 * 15, 8 * 3 * 20)


def test_steps_of_a_fixed_length_begin_where_they_must():
    shape = expected_shape(small("steps=tokens", "steps.length=6"))
    assert (shape.length, list(shape.states)) == (15, [0, 6, 12])
    assert estimate(small("steps=tokens", "steps.length=6")).rollouts.at_most == 8 * 3 * (20 + 14 + 8 + 2)


@pytest.mark.parametrize("steps", ["math", "delimiter", "uncertain"])
def test_steps_that_depend_on_the_response_are_as_many_as_the_tasks(steps):
    assert expected_shape(small(f"steps={steps}")).length == 15
    assert estimate(small(f"steps={steps}")).rollouts.at_most == 8 * 3 * 210


def test_an_answer_line_that_is_its_own_step_is_one_state_more():
    assert estimate(small("steps.answer_prefix=''")).rollouts.tokens == 8 * 3 * (15 + 9 + 3)
    assert estimate(small("steps.answer_prefix=Answer")).rollouts.tokens == 8 * 3 * (15 + 9 + 3)
    assert estimate(small("steps.answer_prefix='##'")).rollouts.tokens == 8 * 3 * (15 + 9)


def test_no_response_is_longer_than_the_limit():
    shape = expected_shape(small("sampling.max_new_tokens=8"))
    assert (shape.length, list(shape.states)) == (8, [0, 6])
    shape = expected_shape(small("sampling.max_new_tokens=6"))
    assert (shape.length, list(shape.states)) == (6, [0])


def test_gsm8k_is_assumed_to_take_150_tokens_in_4_steps():
    shape = expected_shape(load_config(None, ["task=gsm8k"]))
    assert (shape.length, list(shape.states)) == (150, [0, 37, 75, 112])
    assert estimate(load_config(None, ["task=gsm8k", "evaluation.samples=3"])).evaluation.sequences == 3957


def test_another_task_is_assumed_to_take_half_the_limit_in_8_steps():
    shape = expected_shape(small("task=custom"))
    assert (shape.length, list(shape.states)) == (10, [0, 1, 2, 3, 5, 6, 7, 8])
    assert estimate(small("task=custom", "evaluation.questions=7")).evaluation.sequences == 14


def test_there_are_never_more_steps_than_tokens():
    assert list(even_shape(2, 4).states) == [0, 1]
    assert expected_shape(small("task=custom", "sampling.max_new_tokens=1")).length == 1


def test_evaluation_takes_no_more_questions_than_there_are():
    assert estimate(small("evaluation.questions=4")).evaluation.sequences == 8
    assert estimate(small("evaluation.questions=400")).evaluation.sequences == 20


@pytest.mark.parametrize(
    ("iterations", "every", "times"),
    [(5, 0, 2), (5, 1, 6), (5, 2, 4), (4, 2, 3), (5, 5, 2), (5, 10, 2)],
)
def test_evaluations_are_at_the_start_every_so_often_and_at_the_end(iterations, every, times):
    assert evaluations(iterations, every) == times


# --- curricula and recipes: 8 trajectories of 15 tokens an iteration, 5 iterations ----------------------------------


def test_attempts_that_serve_as_trajectories_are_not_counted_twice():
    cost = estimate(small("curriculum={name: learnability, candidates_per_question: 3, attempts: 6}"))
    assert (cost.curriculum.sequences, cost.curriculum.times) == (2 * (3 * 6 - 4), 5)
    assert estimate(small("curriculum={name: learnability, reuse: false}")).curriculum.sequences == 2 * 4 * 8
    assert cost.tokens - estimate(small()).tokens == 5 * 28 * 15


def test_a_buffer_is_filled_every_so_often():
    cost = estimate(small("curriculum={name: learnability_buffer, candidates: 10, attempts: 6, every: 2}"))
    assert (cost.curriculum.sequences, cost.curriculum.times, cost.curriculum.tokens) == (60, 3, 900)


def test_rest_em_validates_every_epoch_and_needs_no_rollouts():
    cost = estimate(small("recipe={name: rest_em, epochs: 4, validation_questions: 7}"))
    assert (cost.validation.sequences, cost.validation.times) == (4 * 7 * 2, 5)
    assert cost.rollouts.tokens == 0
    assert cost.updates == 5 * 4 * 2  # 8 responses in minibatches of 4
    kept = estimate(small("recipe={name: rest_em, epochs: 4, kept: 1}"))
    assert kept.updates == 5 * 4 * 1


def test_dpo_positive_makes_most_pairs_where_half_is_accepted():
    assert estimate(small("recipe=dpo_positive")).updates == 5 * 3 * 2  # 2 x 2 pairs of each of 2 questions
    assert estimate(small("recipe={name: dpo_positive, pairs: 1}")).updates == 5 * 3 * 1


INT = "recipe={name: int, attempts: 2, proposals: 3, continuations: 4, adviser: {max_new_tokens: 200}}"


def test_int_has_stages_before_all_else():
    cost = estimate(small(INT, "recipe.questions=10"))
    decoded = {name: (own.sequences, own.tokens, own.at_most, own.times) for name, own in cost.stages.items()}
    assert decoded == {
        "attempts": (20, 20 * 15, 20 * 20, 1),
        "proposals": (80, 80 * 3 * 40, 80 * 200, 1),  # three and the solution, of two steps and an answer
        "continuations": (80, 80 * 12, 80 * 20, 1),  # 15 tokens are left of one state, 9 of the other
    }
    assert (cost.iterations, cost.trajectories.times, cost.rollouts.times) == (5, 4, 4)
    assert cost.tokens == 300 + 9600 + 960 + 4 * 8 * 15 + 4 * 8 * 3 * 24 + cost.evaluation.tokens * 4


def test_values_that_localise_are_paid_for_and_a_function_decodes_nothing():
    function = ("recipe.localiser=values", "recipe.adviser={name: function, function: advise.py:advise}")
    stages = estimate(small(INT, "recipe.questions=10", *function)).stages
    assert (stages["proposals"].sequences, stages["proposals"].tokens) == (60, 0)
    assert (stages["localising"].sequences, stages["localising"].tokens) == (20 * 6, 20 * 3 * 24)
    assert stages["localising"].at_most == 20 * 3 * 210


def test_stages_of_an_unknown_number_of_questions_are_not_counted_and_that_is_said():
    assert estimate(small(INT)).stages["attempts"].sequences == 2 * 4000
    unknown = estimate(small(INT, "task={name: gsm8k}"))
    assert not unknown.stages
    assert "Not counted: stages of the recipe on all training questions" in render(unknown)
    counted = estimate(small(INT, "task={name: gsm8k}"), train_size=7)
    assert counted.stages["attempts"].sequences == 2 * 7
    assert "Not counted" not in render(counted)


def test_the_table_shows_attempts_and_validation_where_there_are_any():
    assert "validation" not in render(estimate(small())).replace("evaluation", "")
    text = render(estimate(small("recipe=rest_em", "curriculum=learnability")))
    assert [line.split()[0] for line in text.splitlines()[1:7]] == [
        "trajectories",
        "rollouts",
        "curriculum",
        "validation",
        "evaluation",
        "total",
    ]
    assert "Updates and validation: at most, as if every response counted" in text
    assert "A rollout is assumed" not in text


def test_chains_of_mixed_length_are_assumed_to_be_of_the_mean_length():
    shape = expected_shape(small("task.operations=4", "task.fewest_operations=1", "sampling.max_new_tokens=90"))
    assert shape.length == 3 * 6 + 3


@pytest.mark.parametrize(("answer_prefix", "answer_is_step"), [("####", False), ("", True)])
def test_the_arithmetic_shape_is_that_of_a_real_demonstration(answer_prefix, answer_is_step):
    chain = Chain(start=7, links=(("+", 9), ("*", 3), ("-", 2)), modulus=50)
    text = demonstrate(chain, make_habits(operators="+", count=0, probability=0, seed=0), random.Random(0))
    tokenizer = build_tokenizer(50)
    pieces = [tokenizer.decode([token]) for token in tokenizer(text).input_ids] + [""]  # the end token is no text
    shape = lines_shape(3, ArithmeticTask.line_tokens, answer_is_step=answer_is_step)
    assert token_bounds(line_starts(text, answer_prefix), pieces) == (*shape.states, shape.length)


def test_the_table_shows_the_figures():
    lines = render(estimate(small())).splitlines()
    assert [line.split() for line in lines[1:5]] == [
        ["trajectories", "8", "120", "5", "600", "800"],
        ["rollouts", "48", "576", "5", "2,880", "25,200"],
        ["evaluation", "20", "300", "4", "1,200", "1,600"],
        ["total", "4,680", "27,600"],
    ]
    assert len({len(line) for line in lines[:5]}) == 1
    assert "5 iterations, 40 trajectories, 20 updates." in lines


def test_the_table_says_what_is_assumed():
    text = render(estimate(small()))
    assert "Assumed of a response: tokens 15, steps 2 (2 well-formed lines of 6 tokens" in text
    assert "A rollout is assumed to be as long as what is left" in text
    assert "Identical states are measured once but counted here each time, which only lowers the true figure." in text
    assert "At most: every response and rollout runs to sampling.max_new_tokens = 20" in text


def test_assumptions_that_do_not_apply_are_left_out():
    assert "ollout is assumed" not in render(estimate(small("credit=rloo")))
    assert "The test split is assumed to have 1,319 questions." in render(estimate(load_config(None, ["task=gsm8k"])))
    assert "The test split" not in render(estimate(small()))


@pytest.mark.parametrize(
    ("task", "questions"),
    [("math", 5000), ("dataset", 1000), ("reasoning_gym", 200), ("gsm8k", 1319), ("word_problems", 400)],
)
def test_every_task_has_an_estimate(task, questions):
    config = load_config(None, [f"task={task}"])
    assert estimate(config).evaluation.sequences == questions
    assert "Assumed of a response" in render(estimate(config))


def test_supervised_finetuning_counts_demonstrations():
    assert render_sft(SftConfig(updates=1000, batch=8)) == (
        "1,000 updates of 8 demonstrations: 8,000. Nothing is decoded."
    )
