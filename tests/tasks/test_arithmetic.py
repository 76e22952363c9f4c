import random
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vineppo.errors import UserError
from vineppo.tasks.arithmetic import Arithmetic, Chain, Habits, apply, demonstrate, judge_one, make_habits
from vineppo.tasks.arithmetic_tokenizer import SIGNS, build_tokenizer
from vineppo.types import Outcome

NO_HABITS = Habits(offsets={}, probability=1.0)
CHAIN = Chain(start=12, links=(("*", 7), ("+", 5)), modulus=50)
TOKENIZER = build_tokenizer(50)


def small(seed: int = 0) -> Arithmetic:
    return Arithmetic(operations=3, train_questions=60, test_questions=20, seed=seed)


# --- chains ------------------------------------------------------------------------------------------------------


def test_a_chain_by_hand():
    assert CHAIN.prompt == "12*7+5=?\n"
    assert CHAIN.answer == 39  # 84 is 34 modulo 50, and 5 more
    assert demonstrate(CHAIN, NO_HABITS, random.Random(0)) == "12*7=34\n34+5=39\n####39"


@pytest.mark.parametrize(
    ("operator", "left", "right", "result"), [("+", 48, 4, 2), ("-", 48, 4, 44), ("-", 3, 7, 46), ("*", 48, 4, 42)]
)
def test_results_live_below_the_modulus(operator, left, right, result):
    assert apply(operator, left, right, 50) == result


def test_an_unknown_operator_is_refused():
    with pytest.raises(ValueError, match="'/' is none of"):
        apply("/", 8, 2, 50)


# --- questions ---------------------------------------------------------------------------------------------------


def test_train_and_test_have_their_sizes_and_share_no_prompt():
    task = small()
    train, test = ([question.prompt for question in task.questions(split)] for split in ("train", "test"))
    assert (len(train), len(test)) == (60, 20)
    assert len({*train, *test}) == 80


def test_is_test_knows_the_test_chains():
    task = small()
    rng = random.Random(1)
    chains = [task.random_chain(rng) for _ in range(2000)]
    test_prompts = {question.prompt for question in task.questions("test")}
    assert [task.is_test(chain) for chain in chains] == [chain.prompt in test_prompts for chain in chains]


def test_the_seed_alone_decides_the_questions():
    assert small().questions("train") == small().questions("train")
    assert small().questions("train") != small(seed=1).questions("train")


def test_more_questions_than_half_the_chains_are_refused():
    with pytest.raises(UserError, match=r"task\.train_questions 200 .* half of the 240 chains .* fewer questions"):
        Arithmetic(operations=1, modulus=10, train_questions=200, test_questions=10)


# --- demonstrations and habits -----------------------------------------------------------------------------------


def test_demonstrations_without_habits_are_judged_correct():
    task = small()
    rng = random.Random(2)
    for _ in range(200):
        chain = task.random_chain(rng)
        assert judge_one(str(chain.answer), demonstrate(chain, NO_HABITS, rng)).outcome == Outcome.CORRECT


def test_a_habit_shifts_its_line_and_later_lines_carry_on():
    habits = Habits(offsets={("*", 7): 3}, probability=1.0)
    assert demonstrate(CHAIN, habits, random.Random(0)) == "12*7=37\n37+5=42\n####42"


def test_habits_strike_about_as_often_as_asked():
    habits = Habits(offsets={("+", 2): 1}, probability=0.6)
    chain = Chain(start=1, links=(("+", 2),), modulus=50)
    rng, draws = random.Random(3), 4000
    struck = sum(demonstrate(chain, habits, rng) == "1+2=4\n####4" for _ in range(draws))
    assert abs(struck - 0.6 * draws) < 4 * sqrt(draws * 0.6 * 0.4)


def test_habits_are_distinct_pairs_with_real_offsets():
    habits = make_habits(operators="+-*", count=10, probability=0.6, seed=0)
    assert len(habits.offsets) == 10
    assert set(habits.offsets.values()) <= set(range(1, 10))
    assert habits == make_habits(operators="+-*", count=10, probability=0.6, seed=0)


def test_there_are_no_more_habits_than_pairs():
    assert len(make_habits(operators="+", count=100, probability=0.6, seed=0).offsets) == 8


# --- judge -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        ("12*7=34\n34+5=39\n####39", Outcome.CORRECT),
        ("####39\n", Outcome.CORRECT),
        ("####1\n####39", Outcome.CORRECT),
        ("####38", Outcome.WRONG),
        ("####39\n####38", Outcome.WRONG),
        ("12*7=34\n34+5=39\n", Outcome.UNPARSEABLE),
        ("####", Outcome.UNPARSEABLE),
        ("####39+", Outcome.UNPARSEABLE),
        ("####" + "9" * 100_000, Outcome.UNPARSEABLE),
        ("", Outcome.UNPARSEABLE),
    ],
)
def test_the_judge_reads_the_end_of_the_response(response, outcome):
    judgement = judge_one("39", response)
    assert judgement.outcome == outcome
    assert judgement.reward == (1.0 if outcome == Outcome.CORRECT else 0.0)


def test_each_response_is_judged_against_its_own_question():
    task = small()
    questions = task.questions("test")[:3]
    responses = [f"####{question.answer}" for question in questions]
    assert [judgement.reward for judgement in task.judge(questions, responses)] == [1.0, 1.0, 1.0]
    with pytest.raises(ValueError, match="zip"):
        task.judge(questions, responses[:2])


@given(st.text() | st.text(alphabet="#0123456789 \n").map("####{}".format))
def test_no_text_upsets_the_judge(response):
    assert judge_one("39", response).reward in (0.0, 1.0)


# --- tokenizer ---------------------------------------------------------------------------------------------------


def round_trip(text: str):
    return TOKENIZER.decode(TOKENIZER(text)["input_ids"])


@given(st.lists(st.sampled_from([*SIGNS, *"0123456789"])).map("".join))
def test_texts_of_the_alphabet_round_trip(text):
    assert round_trip(text) == text


@given(st.integers(0, 2**32))
def test_demonstrations_round_trip_with_one_token_a_number_or_sign(seed):
    rng = random.Random(seed)
    chain = Arithmetic(operations=2, train_questions=1, test_questions=1).random_chain(rng)
    text = chain.prompt + demonstrate(chain, make_habits(operators="+-*", count=10, probability=0.6, seed=seed), rng)
    assert round_trip(text) == text
    # prompt: 3 numbers, 2 signs, "=", "?", line break; two lines of 3 numbers, sign, "=", line break; "####", number
    assert len(TOKENIZER(text)["input_ids"]) == 8 + 2 * 6 + 2


# --- mixed difficulty --------------------------------------------------------------------------------------------


def mixed(**knobs: int) -> Arithmetic:
    return Arithmetic(
        **{"operations": 4, "fewest_operations": 1, "train_questions": 400, "test_questions": 100, **knobs}
    )


def test_chains_of_mixed_difficulty_have_evenly_many_of_each_length():
    lengths = [sum(map(q.prompt.count, "+-*")) for split in ("train", "test") for q in mixed().questions(split)]
    assert all(90 <= lengths.count(length) <= 160 for length in (1, 2, 3, 4))  # 125 expected, standard deviation 9.7
    assert len(lengths) == 500


def test_one_length_only_is_what_it_was_without_the_knob():
    asked = Arithmetic(operations=3, fewest_operations=3, train_questions=60, test_questions=20)
    assert asked.questions("train") == small().questions("train")


def test_fewer_operations_at_most_than_at_least_are_refused():
    with pytest.raises(UserError, match=r"fewest_operations is 5, but task.operations is only 4; .* at most 4"):
        mixed(fewest_operations=5)


def test_all_lengths_count_when_questions_run_out():
    with pytest.raises(UserError, match=r"half of the 6000 chains"):
        Arithmetic(operations=2, fewest_operations=1, modulus=10, operators="+-*", train_questions=3000)
    assert len(mixed(operations=2, modulus=10, train_questions=1200).questions("train")) == 1200
