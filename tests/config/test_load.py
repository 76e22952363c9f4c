from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from vineppo.config.keys import describe_keys
from vineppo.config.load import dump_config, load_config
from vineppo.config.schema import Config, SftConfig
from vineppo.credit.gae import PpoCredit
from vineppo.credit.group import GrpoCredit, RlooCredit
from vineppo.credit.tree_assigner import TreeCredit
from vineppo.credit.vine import VineCredit
from vineppo.errors import UserError
from vineppo.settings.learner import LearnerConfig
from vineppo.settings.sections import EvaluationConfig, PolicyConfig, RunConfig, SamplingConfig
from vineppo.settings.strict import leaves
from vineppo.steps.delimiter import DelimiterSteps
from vineppo.steps.lines import LinesSteps
from vineppo.steps.math import MathSteps
from vineppo.steps.whole import WholeSteps
from vineppo.tasks.arithmetic import ArithmeticTask
from vineppo.tasks.gsm8k import Gsm8kTask

METHODS = "vine, coupled, tree, ppo, grpo, rloo, grpo_lambda, spo_tree, capo, srpo"
"""Of credit, as complaints name them."""


@pytest.fixture
def write(tmp_path):
    """Puts text into a file and returns its path."""

    def write_text(text: str) -> Path:
        path = tmp_path / "config.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write_text


def complaint(path: Path | None, *overrides: str, model: type[BaseModel] = Config) -> str:
    with pytest.raises(UserError) as caught:
        load_config(path, overrides, model)
    message = str(caught.value)
    assert "\n" not in message
    return message


# --- what wins ---------------------------------------------------------------------------------------------------


def test_nothing_given_is_the_defaults():
    assert load_config(None, []) == Config()
    assert load_config(None, [], SftConfig) == SftConfig()


def test_a_path_may_be_text_and_overrides_may_be_left_out(write):
    assert load_config(str(write("credit: ppo"))).credit == PpoCredit()


@pytest.mark.parametrize("text", ["", "# nothing but a remark\n", "---\n"])
def test_an_empty_file_is_the_defaults(write, text):
    assert load_config(write(text), []) == Config()


def test_the_file_wins_over_defaults_and_overrides_win_over_the_file(write):
    config = load_config(write("learner: {clip: 0.1, epochs: 3}"), ["learner.epochs=4"])
    assert (config.learner.clip, config.learner.epochs, config.learner.minibatch) == (0.1, 4, 64)


def test_the_last_of_two_overrides_of_a_key_wins():
    assert load_config(None, ["training.seed=1", "training.seed=2"]).training.seed == 2


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("evaluation.questions=null", None),
        ("evaluation.questions=7", 7),
        ("evaluation.temperature=0", 0.0),
        ("evaluation.temperature=1e-3", 0.001),
        ("evaluation.temperature=1E-3", 0.001),
        ("evaluation.temperature=.5e+1", 5.0),
        ("evaluation.temperature=2e0", 2.0),
    ],
)
def test_override_values_are_yaml(override, value):
    key = override.partition("=")[0].removeprefix("evaluation.")
    assert load_config(None, [override]).evaluation.model_dump()[key] == value


def test_numbers_with_an_exponent_need_no_dot_in_a_file(write):
    assert load_config(write("learner:\n  learning_rate: 1e-6\n"), []).learner.learning_rate == 1e-6


def test_quoted_numbers_stay_text():
    assert load_config(None, ["run.dir='1e-3'"]).run.dir == "1e-3"


def test_a_date_is_text():
    assert load_config(None, ["run.dir=2024-01-01"]).run.dir == "2024-01-01"


def test_an_override_value_may_hold_an_equals_sign():
    assert load_config(None, ["run.dir=runs/lr=1"]).run.dir == "runs/lr=1"


def test_an_override_may_fill_a_section_that_is_null_by_default():
    config = load_config(None, ["policy.path=somewhere"], SftConfig)
    assert config.policy == PolicyConfig(path="somewhere")


# --- variants ----------------------------------------------------------------------------------------------------


def test_a_name_alone_stands_for_its_section(write):
    assert load_config(None, ["credit=ppo"]).credit == PpoCredit()
    assert load_config(write("credit: rloo\ncurriculum: epoch"), []).credit == RlooCredit()
    assert load_config(None, ["curriculum=epoch"]).curriculum.name == "epoch"
    assert load_config(None, ["engine=torch"]) == Config()


def test_keys_of_the_default_variant_need_no_name():
    assert load_config(None, ["credit.restarts=3"]).credit == TreeCredit(restarts=3)


def test_a_new_name_drops_the_files_keys_that_only_the_old_variant_has(write):
    path = write("credit: {name: vine, rollouts: 3}")
    assert load_config(path, ["credit=ppo"]).credit == PpoCredit()
    assert load_config(path, ["credit=vine"]).credit == VineCredit(rollouts=3)


class Cat(BaseModel, extra="forbid"):
    name: Literal["cat"] = "cat"
    age: int = 1
    lives: int = 9


class Dog(BaseModel, extra="forbid"):
    name: Literal["dog"] = "dog"
    age: int = 2
    tricks: int = 0


class Household(BaseModel, extra="forbid"):
    pet: Cat | Dog = Field(default=Cat(), discriminator="name")


def test_a_new_name_keeps_the_files_keys_that_both_variants_have(write):
    path = write("pet: {name: cat, age: 5, lives: 7}")
    assert load_config(path, ["pet=dog"], Household).pet == Dog(age=5)


def test_a_preset_wins_over_a_key_kept_from_the_other_variant(write):
    path = write("pet: {name: cat, age: 5}\nvariants: {pet: {dog: {age: 6}}}")
    assert load_config(path, ["pet=dog"], Household).pet == Dog(age=6)


def test_an_override_of_a_key_that_the_chosen_variant_lacks_is_refused_wherever_it_stands(write):
    expected = (
        "key credit.rollouts (given 3) is unknown; allowed here: normalise, shuffle, name, gae_lambda, "
        "critic_learning_rate, value_clip, critic_epochs, critic_warmup_iterations; it belongs to credit=vine or "
        "coupled"
    )
    assert complaint(None, "credit=ppo", "credit.rollouts=3") == expected
    assert complaint(None, "credit.rollouts=3", "credit=ppo") == expected


def test_a_misspelt_key_in_the_file_is_refused_even_when_its_section_changes_name(write):
    message = complaint(write("credit: {name: vine, rolouts: 3}"), "credit=ppo")
    assert message.startswith("key credit.rolouts (given 3) is unknown")


PLAIN = "policy, sampling, learner, training, evaluation, analysis, checkpoint, processes, run"
"""Sections without variants."""

PRESETS = """
credit: {name: vine, rollouts: 3}
variants:
  credit:
    ppo: {critic_learning_rate: 1e-3, gae_lambda: 0.9}
    vine: {max_states: 4}
"""


def test_a_preset_holds_only_while_its_variant_is_chosen(write):
    path = write(PRESETS)
    assert load_config(path, []).credit == VineCredit(rollouts=3, max_states=4)
    assert load_config(path, ["credit=ppo"]).credit == PpoCredit(critic_learning_rate=1e-3, gae_lambda=0.9)
    assert load_config(path, ["credit=rloo"]).credit == RlooCredit()


def test_overrides_win_over_presets_in_any_order(write):
    path = write(PRESETS)
    expected = PpoCredit(critic_learning_rate=1e-3, gae_lambda=0.5)
    assert load_config(path, ["credit=ppo", "credit.gae_lambda=0.5"]).credit == expected
    assert load_config(path, ["credit.gae_lambda=0.5", "credit=ppo"]).credit == expected


def test_a_preset_of_the_default_variant_holds_when_the_section_is_not_mentioned(write):
    path = write("variants: {credit: {tree: {restarts: 2}}}")
    assert load_config(path, []).credit == TreeCredit(restarts=2)


ALSO = """
training: {iterations: 7, questions: 8}
variants:
  credit:
    ppo: {gae_lambda: 0.9, also: {training: {iterations: 3}, learner: {clip: 0.3}}}
"""


def test_a_preset_may_bring_settings_of_sections_without_variants(write):
    path = write(ALSO)
    usual, chosen = load_config(path, []), load_config(path, ["credit=ppo"])
    assert (usual.training.iterations, usual.learner.clip) == (7, 0.2)
    assert (chosen.training.iterations, chosen.training.questions, chosen.learner.clip) == (3, 8, 0.3)
    assert chosen.credit == PpoCredit(gae_lambda=0.9)


def test_overrides_win_over_what_a_preset_brings_along(write):
    assert load_config(write(ALSO), ["training.iterations=4", "credit=ppo"]).training.iterations == 4


def test_the_files_own_choice_brings_its_settings_along_too(write):
    path = write(f"credit: ppo\n{ALSO}")
    assert load_config(path, []).training.iterations == 3
    assert load_config(path, ["credit=rloo"]).training.iterations == 7


def test_presets_work_for_the_sft_config_too(write):
    path = write("variants: {task: {gsm8k: {path: here}}}")
    assert load_config(path, ["task=gsm8k"], SftConfig).task == Gsm8kTask(path="here")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "variants: {crdit: {}}",
            "key variants.crdit (given {}) is unknown; allowed here: recipe, task, steps, credit, engine, curriculum; "
            "did you mean credit?",
        ),
        (
            "variants: {learner: {}}",
            "key variants.learner (given {}) is unknown; allowed here: recipe, task, steps, credit, engine, curriculum",
        ),
        (
            "variants: {credit: {pppo: {}}}",
            "key variants.credit.pppo (given {}) is unknown; allowed here: " + METHODS + "; did you mean ppo?",
        ),
        (
            "variants: {credit: {grpo: {scales: true}}}",
            "key variants.credit.grpo.scales (given true) is unknown; allowed here: normalise, shuffle, scale, "
            "also; did you mean scale?",
        ),
        (
            "variants: {credit: {vine: {name: vine}}}",
            'key variants.credit.vine.name (given "vine") is unknown; allowed here: normalise, shuffle, '
            "mask_above, rollouts, max_states, also",
        ),
        (
            "variants: {credit: {vine: {rollouts: 0}}}",
            "variants.credit.vine.rollouts is 0, but must be a whole number >= 1",
        ),
        (
            "variants: {credit: {grpo: 3}}",
            "variants.credit.grpo is 3, but must be a mapping of any of normalise, shuffle, scale, also",
        ),
        (
            "variants: {credit: vine}",
            'variants.credit is "vine", but must be a mapping of any of ' + METHODS,
        ),
        (
            "variants:",
            "variants is null, but must be a mapping of any of recipe, task, steps, credit, engine, curriculum",
        ),
        (
            "variants: {credit: {ppo: {also: 3}}}",
            f"variants.credit.ppo.also is 3, but must be a mapping of any of {PLAIN}",
        ),
        (
            "variants: {credit: {ppo: {also: {task: {}}}}}",
            f"key variants.credit.ppo.also.task (given {{}}) is unknown; allowed here: {PLAIN}",
        ),
        (
            "variants: {credit: {ppo: {also: {learner: {clipp: 1}}}}}",
            "key variants.credit.ppo.also.learner.clipp (given 1) is unknown; allowed here: "
            f"{', '.join(LearnerConfig.model_fields)}; did you mean clip?",
        ),
        (
            "variants: {credit: {ppo: {also: {learner: {clip: 0}}}}}",
            "variants.credit.ppo.also.learner.clip is 0, but must be a number > 0",
        ),
    ],
)
def test_bad_presets_are_refused_even_when_not_chosen(write, text, message):
    assert complaint(write(text), "credit=rloo") == message


# --- complaints --------------------------------------------------------------------------------------------------

SECTIONS = (
    "recipe, task, policy, sampling, steps, credit, engine, learner, training, curriculum, "
    "evaluation, analysis, checkpoint, processes, run"
)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "credit.restart=3",
            "key credit.restart (given 3) is unknown; allowed here: normalise, shuffle, mask_above, token_budget, "
            "name, restarts, share, prior; did you mean restarts?",
        ),
        (
            "lerner.clip=1",
            f'key lerner (given {{"clip": 1}}) is unknown; allowed here: {SECTIONS}; did you mean learner?',
        ),
        ("clip=1", f"key clip (given 1) is unknown; allowed here: {SECTIONS}; did you mean learner.clip?"),
        ("zzz=1", f"key zzz (given 1) is unknown; allowed here: {SECTIONS}"),
        (
            "credit=pppo",
            'credit.name is "pppo", but must be one of ' + METHODS + "; did you mean ppo?",
        ),
        ("credit=5", "credit.name is 5, but must be one of " + METHODS),
        (
            "credit={name: [ppo]}",
            'credit.name is ["ppo"], but must be one of ' + METHODS + "; did you mean ppo?",
        ),
        ("credit=null", "credit is null, but must be a section of settings"),
        (
            "curriculum=epoc",
            'curriculum.name is "epoc", but must be one of uniform, epoch, learnability, learnability_buffer; '
            "did you mean epoch?",
        ),
        ("engine=vlm", 'engine.name is "vlm", but must be one of torch, vllm; did you mean vllm?'),
        (
            "learner.schedule=linaer",
            'learner.schedule is "linaer", but must be one of linear, constant; did you mean linear?',
        ),
        ("learner.clip=-1", "learner.clip is -1, but must be a number > 0"),
        ("learner.clip=abc", 'learner.clip is "abc", but must be a number > 0'),
        ("learner.clip=true", "learner.clip is true, but must be a number > 0"),
        ("learner.clip=.nan", "learner.clip is NaN, but must be a number > 0"),
        ("learner.clip.x=1", 'learner.clip is {"x": 1}, but must be a number > 0'),
        ("credit.shuffle=1", "credit.shuffle is 1, but must be true or false"),
        ("learner=5", "learner is 5, but must be a section of settings"),
        ("learner=", "learner is null, but must be a section of settings"),
        ("sampling.top_p=1.5", "sampling.top_p is 1.5, but must be a number > 0 and <= 1"),
        ("sampling.stop=END", 'sampling.stop is "END", but must be a list'),
        (
            "sampling.stop=[A, '']",
            "sampling.stop holds '' of 0 characters, but a stop string has 1 to 200 and no U+FFFD, which stands "
            "for bytes that are no text; correct it or leave it out",
        ),
        (
            "sampling.stop=[A, B, A]",
            "sampling.stop is ['A', 'B', 'A'], where a stop string stands twice; name each once",
        ),
        ("training.iterations=2.5", "training.iterations is 2.5, but must be a whole number >= 1"),
        ("training.iterations=true", "training.iterations is true, but must be a whole number >= 1"),
        ("training.iterations='3'", 'training.iterations is "3", but must be a whole number >= 1'),
        ("evaluation.questions=0", "evaluation.questions is 0, but must be a whole number >= 1 or null"),
        ("run.dir=7", "run.dir is 7, but must be text; quote it to make it text"),
        ("task.operators=x", r'task.operators is "x", but must be text of length >= 1 and matching ^[+\-*]+$'),
        (
            "checkpoint={every: 0, between: false}",
            "checkpoint.every is 0, and neither every_seconds nor between asks for a checkpoint, so that a crash would "
            "lose the whole run; set checkpoint.every_seconds, e.g. to 300",
        ),
        ("credit.rollouts", "'credit.rollouts' is no override; write key=value, e.g. credit.rollouts=3"),
        ("=3", "'=3' is no override; write key=value, e.g. credit.rollouts=3"),
        ("credit..rollouts=3", "'credit..rollouts=3' is no override; write key=value, e.g. credit.rollouts=3"),
        (
            "learner.clip=[1",
            "override 'learner.clip=[1', line 1: expected ',' or ']', but got '<stream end>'; "
            "correct the YAML, or quote what is meant as text",
        ),
    ],
)
def test_a_bad_override_is_named_with_what_was_got_and_what_is_allowed(override, message):
    assert complaint(None, override) == message


def test_a_bad_value_in_a_union_is_named_without_the_union_s_tag(write):
    assert complaint(write("credit: {name: ppo, gae_lambda: 2}")) == (
        "credit.gae_lambda is 2, but must be a number >= 0 and <= 1"
    )


def test_bad_keys_of_the_sft_config_are_named_too():
    message = complaint(None, "policy.dir=x", "batch=0", model=SftConfig)
    assert 'key policy.dir (given "x") is unknown; allowed here: path, device' in message.split("; did")[0]
    assert message.endswith("batch is 0, but must be a whole number >= 1")
    assert complaint(None, "policy=x", model=SftConfig) == 'policy is "x", but must be a section of settings or null'


def test_a_minibatch_counts_what_is_learned_from_where_that_is_no_trajectory():
    small = ("credit={name: spo_tree, edges_per_iteration: 100}", "training.questions=2", "training.trajectories=3")
    assert load_config(None, [*small, "learner.minibatch=100"]).updates_per_iteration == 2  # learner.epochs
    assert load_config(None, [*small, "learner.minibatch=101"]).updates_per_iteration == 2, "it is an upper bound"


def test_all_problems_are_reported_at_once():
    assert complaint(None, "learner.clip=0", "training.questions=0") == (
        "learner.clip is 0, but must be a number > 0; training.questions is 0, but must be a whole number >= 1"
    )


def test_text_that_yaml_does_not_know_as_text_is_explained():
    assert complaint(None, "steps.answer_prefix=####") == (
        "steps.answer_prefix is null, but must be text; quote it to make it text"
    )
    assert load_config(None, ["steps.answer_prefix='####'"]) == Config()


# --- files -------------------------------------------------------------------------------------------------------

YAML_REMEDY = "correct the YAML, or quote what is meant as text"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("learner: {clip: 1}\nlearner: {clip: 2}", "line 2: key learner stands twice"),
        ("learner:\n  clip: 1\n  epochs: 2\n  clip: 3", "line 4: key clip stands twice"),
        ("yes: 1", "line 1: a key is not text"),
        ("run: {}\n7: 1", "line 2: a key is not text"),
        ("run: [1", "line 1: expected ',' or ']', but got '<stream end>'"),
        ("run: {}\n---\nrun: {}", "line 2: but found another document"),
        (
            "run: !!python/object:os.system {}",
            "line 1: could not determine a constructor for the tag 'tag:yaml.org,2002:python/object:os.system'",
        ),
    ],
)
def test_unreadable_yaml_is_refused_with_its_line(write, text, problem):
    path = write(text)
    assert complaint(path) == f"{path}, {problem}; {YAML_REMEDY}"


def test_yaml_problems_without_a_line_are_refused_too(write):
    path = write("run: \x00")
    assert complaint(path) == (
        f"{path}: unacceptable character #x0000: special characters are not allowed; {YAML_REMEDY}"
    )
    path = write("run: !!timestamp 2024-13-45")
    assert complaint(path) == f"{path}: month must be in 1..12; {YAML_REMEDY}"


def test_merged_yaml_mappings_may_be_overridden(write):
    path = write("learner: &base {clip: 0.1, epochs: 3}\n")
    assert load_config(path, []).learner.clip == 0.1
    path = write("learner:\n  <<: {clip: 0.1, epochs: 3}\n  clip: 0.3\n")
    assert load_config(path, []).learner == LearnerConfig(clip=0.3, epochs=3)


@pytest.mark.parametrize(("text", "shown"), [("- a", '["a"]'), ("hello", '"hello"'), ("false", "false"), ("[]", "[]")])
def test_a_file_that_is_no_mapping_is_refused(write, text, shown):
    path = write(text)
    assert complaint(path) == f"{path} holds {shown}, but must be a mapping, e.g. `credit: {{name: vine}}`"


def test_a_missing_file_is_refused_with_a_remedy(tmp_path, write):
    path = tmp_path / "qqxx.yaml"
    assert complaint(path) == f"{path} is not there; name a YAML file (`vineppo configs` lists some)"
    near = write("credit: ppo").with_name("confg.yaml")
    assert f"is not there (did you mean {near.with_name('config.yaml')}?);" in complaint(near)


def test_a_folder_or_another_encoding_is_refused(tmp_path):
    assert complaint(tmp_path) == f"{tmp_path} is a folder; name a YAML file"
    (tmp_path / "config.yaml").touch()
    assert complaint(tmp_path).endswith(f"name a YAML file, e.g. {tmp_path / 'config.yaml'}")
    path = tmp_path / "latin.yaml"
    path.write_bytes("run: {dir: é}".encode("latin-1"))
    assert complaint(path).endswith("; name a YAML file in UTF-8")


# --- dump --------------------------------------------------------------------------------------------------------

positive = st.floats(min_value=0, exclude_min=True, allow_infinity=False)
share = st.floats(min_value=0, max_value=1)
numeric_text = st.sampled_from(
    ["\x85", " \u2028 ", "a\r\nb", "1e-3", "1e3", ".5", "1_0", "1:30", "0x1f", "2024-01-01", "null", "~", "yes", "<<"]
)
text = (st.text() | numeric_text).filter(lambda words: not words.startswith("~/"))  # that is read as the home folder
configs = st.builds(
    Config,
    task=st.one_of(
        st.builds(ArithmeticTask, operators=st.text("+-*", min_size=1), habit_probability=share, seed=st.integers()),
        st.builds(Gsm8kTask, path=text, subset=st.none() | text, template=text),
    ),
    policy=st.builds(PolicyConfig, path=text),
    sampling=st.builds(SamplingConfig, temperature=positive),
    steps=st.one_of(
        st.builds(LinesSteps, answer_prefix=text),
        st.builds(DelimiterSteps, delimiter=text.filter(bool)),
        st.builds(MathSteps, longest=st.none() | st.integers(min_value=1)),
        st.builds(WholeSteps),
    ),
    credit=st.one_of(
        st.builds(VineCredit, max_states=st.none() | st.integers(min_value=1)),
        st.builds(PpoCredit, critic_learning_rate=positive, value_clip=st.none() | positive),
        st.builds(GrpoCredit, scale=st.booleans()),
    ),
    learner=st.builds(LearnerConfig, learning_rate=positive, warmup_ratio=share, skip_idle=st.just(False)),
    evaluation=st.builds(EvaluationConfig, temperature=st.none() | positive),
    run=st.builds(RunConfig, dir=text),
)


@given(config=configs)
@settings(max_examples=200, deadline=None)
def test_a_dumped_config_loads_back_equal(tmp_path_factory, config):
    path = tmp_path_factory.getbasetemp() / "round_trip.yaml"
    path.write_text(dump_config(config), encoding="utf-8", newline="")
    assert load_config(path, []) == config


def test_a_dumped_sft_config_loads_back_equal(write):
    config = SftConfig(policy=PolicyConfig(path="x"), learning_rate=3e-4)
    assert load_config(write(dump_config(config)), [], SftConfig) == config


def test_a_dump_shows_line_breaks_in_one_line():
    task = Gsm8kTask(template="Problem:\n{question}\n\nSolution:")
    assert 'template: "Problem:\\n{question}\\n\\nSolution:"' in dump_config(Config(task=task))


# --- keys --------------------------------------------------------------------------------------------------------


def rows(model: type[BaseModel], key: str) -> list[tuple[str, str, str, str]]:
    found = [row for row in describe_keys(model) if row.key == key]
    return [(row.variant, row.type, row.default, row.meaning) for row in found]


def test_keys_are_described_with_type_default_and_meaning():
    assert rows(Config, "learner.epochs") == [
        ("", "a whole number >= 1", "2", "Passes over each iteration's trajectories.")
    ]
    assert rows(Config, "credit.rollouts")[0] == ("vine", "a whole number >= 1", "9", "K, rollouts per distinct state.")


def test_a_preset_may_leave_the_name_of_a_choice_within_a_choice_out(tmp_path: Path):
    path = tmp_path / "own.yaml"
    path.write_text("variants: {credit: {capo: {adviser: {policy: {path: CRITIC}}}}}")
    capo = load_config(path, ["credit=capo"]).credit
    assert (capo.adviser.name, capo.adviser.policy.path) == ("policy", "CRITIC")  # pyright: ignore


def test_a_choice_within_a_choice_has_a_default():
    capo = load_config(None, ["credit=capo", "credit.adviser.policy.path=CRITIC"]).credit
    assert (capo.adviser.name, capo.adviser.policy.path) == ("policy", "CRITIC")  # pyright: ignore
    capo = load_config(None, ["credit=capo", "credit.adviser.name=endpoint", "credit.adviser.model=m"]).credit
    assert (capo.adviser.name, capo.adviser.model) == ("endpoint", "m")  # pyright: ignore
    with pytest.raises(UserError, match=r"credit\.adviser\.name"):
        load_config(None, ["credit=capo", "credit.adviser.name=oracle"])


def test_keys_of_all_variants_are_described():
    described = {row.key: row.variant for row in describe_keys(Config)}
    assert described["credit.gae_lambda"] == "ppo"
    assert described["credit.restarts"] == "tree"
    assert described["task.operations"] == "arithmetic"


def test_a_union_s_name_is_described_once_with_all_its_choices():
    [(variant, kind, default, meaning)] = rows(Config, "credit.name")
    assert (variant, kind, default) == ("", "one of " + METHODS, '"tree"')
    assert "ppo: PPO: a value network guesses, GAE mixes." in meaning


def test_an_optional_section_and_its_keys_are_described():
    [(_, kind, default, _)] = rows(SftConfig, "policy")
    assert (kind, default) == ("a section of settings or null", "null")
    assert rows(SftConfig, "policy.path")[0][1:3] == ("text", '"bundled:arithmetic"')


def test_every_key_of_a_dump_is_described():
    assert leaves(Config().model_dump()).keys() <= {row.key for row in describe_keys(Config)}
