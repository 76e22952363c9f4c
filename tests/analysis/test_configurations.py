from vineppo.analysis.configurations import differing_keys, names_of, settings_of

VINE = {"credit.name": "vine", "credit.rollouts": 9, "learner.clip": 0.2}


def test_seed_folder_and_checkpoints_make_no_other_experiment():
    config = {
        "credit": {"name": "vine"},
        "training": {"seed": 3, "iterations": 5},
        "run": {"dir": "runs/x"},
        "checkpoint": {"every": 2},
        "runs": 1,
    }
    assert settings_of(config) == {"credit.name": "vine", "training.iterations": 5, "runs": 1}


def test_only_what_differs_makes_the_name():
    assert names_of([VINE, {**VINE, "credit.rollouts": 3}], ["a", "b"]) == ["rollouts=9", "rollouts=3"]


def test_a_setting_that_the_other_does_not_have_is_no_difference():
    ppo = {"credit.name": "ppo", "credit.gae_lambda": 1.0, "learner.clip": 0.2}
    assert differing_keys([VINE, ppo]) == ["credit.name"]
    assert names_of([VINE, ppo], ["a", "b"]) == ["vine", "ppo"]


def test_a_methods_own_default_goes_without_saying():
    grpo, rloo = (
        {"credit.name": "grpo", "credit.normalise": "none"},
        {"credit.name": "rloo", "credit.normalise": "none"},
    )
    vine = {"credit.name": "vine", "credit.normalise": "whiten"}
    assert names_of([grpo, rloo, vine], ["a", "b", "c"]) == ["grpo", "rloo", "vine"]
    scaled = {**vine, "credit.normalise": "scale"}
    assert names_of([grpo, vine, scaled], ["a", "b", "c"])[1:] == ["vine normalise=whiten", "vine normalise=scale"]


def test_settings_with_one_last_word_are_told_apart():
    warm = {"sampling.temperature": 1.0, "evaluation.temperature": 0.5}
    cold = {"sampling.temperature": 0.6, "evaluation.temperature": 0.7}
    assert names_of([warm, cold], ["a", "b"])[0] == "sampling.temperature=1.0 evaluation.temperature=0.5"


def test_a_single_experiment_is_called_by_its_method():
    assert names_of([VINE], ["runs/a"]) == ["vine"]


def test_what_no_setting_tells_apart_the_folders_do():
    older = {key: value for key, value in VINE.items() if key != "learner.clip"}
    assert names_of([VINE, older], ["new", "old"]) == ["vine (new)", "vine (old)"]
    assert names_of([{}, {}], ["x", "y"]) == ["(x)", "(y)"]


def test_a_long_value_is_cut():
    [name, _] = names_of([{"task.template": "x" * 99}, {"task.template": "y"}], ["a", "b"])
    assert name == f"template={'x' * 23}\N{HORIZONTAL ELLIPSIS}"
