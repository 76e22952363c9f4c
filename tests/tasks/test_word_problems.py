import random
import re
from collections import Counter
from dataclasses import replace
from math import sqrt

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vineppo.config.load import load_config
from vineppo.doctor.finding import Verdict
from vineppo.doctor.judge import check_judge
from vineppo.errors import UserError
from vineppo.seams import Split
from vineppo.settings.shapes import ANSWER_TOKENS
from vineppo.tasks.arithmetic import judge_one
from vineppo.tasks.asked import make_question
from vineppo.tasks.build import build_task
from vineppo.tasks.demonstrations import endless_demonstrations
from vineppo.tasks.word_problems import phrases
from vineppo.tasks.word_problems.misreadings import Misreadings, make_misreadings
from vineppo.tasks.word_problems.phrases import CHANGES, change, giving, parts, price, restart
from vineppo.tasks.word_problems.story import NUMBERS, Story, calculate, demonstrate, follow
from vineppo.tasks.word_problems.task import WordProblems, WordProblemsTask
from vineppo.tasks.word_problems.tokenizer import CHARACTERS, build_tokenizer

PHRASES = list(phrases.phrases())
NONE = Misreadings(pairs=frozenset(), probability=1.0)
ALL = Misreadings(pairs=frozenset(PHRASES), probability=1.0)
TOKENIZER = build_tokenizer()
BUYS, SOON = CHANGES[0], CHANGES[4]
STORY = Story(
    opening="There are Anna's 12 and Ben's 7 stamps.",
    start=(("Anna", 12), ("Ben", 7)),
    sentences=(
        change(BUYS, "Anna", "Ben", 5),
        giving("Anna", "Ben", 4),
        parts(0, "Ben", 2, 3),
        restart("Anna", 30),
    ),
    question="How many stamps does Ben have now?",
    asked="Ben",
)
SOLUTION = """\
In January Anna buys 5: Anna's 12 + 5 = Anna's 17
In February Anna gives Ben 4: Anna's 17 - 4 = Anna's 13
Ben gets 4: Ben's 7 + 4 = Ben's 11
In March 3 bags of 2: 3 * 2 = 6
Ben gets 6: Ben's 11 + 6 = Ben's 17
In April Anna starts again with 30: Anna's 30
So Ben's 17
#### 17"""


def small(seed: int = 0, **knobs: int) -> WordProblems:
    return WordProblems(**{"train_questions": 60, "test_questions": 20, "seed": seed} | knobs)


TASK = small()
STORIES = st.integers(0, 10**6).map(lambda seed: TASK.random_story(random.Random(seed)))
HABITS = st.builds(
    Misreadings, pairs=st.frozensets(st.sampled_from(PHRASES)), probability=st.sampled_from([0.3, 0.6, 1.0])
)


# --- stories by hand ---------------------------------------------------------------------------------------------


def test_a_story_by_hand():
    assert STORY.prompt == (
        "There are Anna's 12 and Ben's 7 stamps. In January Anna buys 5. In February Anna gives Ben 4. In March Ben "
        "buys 3 bags of 2. In April Anna starts again with 30. How many stamps does Ben have now?\n"
    )
    assert STORY.answer == 17
    assert demonstrate(STORY, NONE, random.Random(0)) == SOLUTION


def test_what_matters_is_read_backwards_from_what_is_asked():
    assert STORY.matters == (False, False, True, True, True, False)
    assert replace(STORY, asked="Anna").matters == (False, False, False, False, False, True)


@pytest.mark.parametrize(
    ("index", "number", "line"),
    [
        (1, 2, "In January Ben finds 2: Ben's 18 + 2 = Ben's 20"),
        (2, 5, "In January Ben loses 5: Ben's 18 - 5 = Ben's 13"),
        (4, 2, "In January Ben has twice as many as before: Ben's 18 * 2 = Ben's 36"),
        (5, 3, "In January Ben keeps one of 3 equal parts: Ben's 18 / 3 = Ben's 6"),
        (6, 4, "In January Ben has 4 more than Anna: Anna's 11 + 4 = Ben's 15"),
        (7, 4, "In January Ben has 4 fewer than Anna: Anna's 11 - 4 = Ben's 7"),
        (8, 3, "In January Ben has 3 times as many as Anna: Anna's 11 * 3 = Ben's 33"),
    ],
)
def test_what_changes_a_quantity_and_what_states_it_anew(index: int, number: int, line: str):
    sentence = change(CHANGES[index], "Ben", "Anna", number)
    story = replace(STORY, start=(("Anna", 11), ("Ben", 18)), sentences=(sentence,))
    assert demonstrate(story, NONE, random.Random(0)).splitlines()[0] == line
    assert story.prompt.split(". ")[1] == line.split(":")[0]


def test_work_by_the_day_and_a_sale():
    story = replace(STORY, sentences=(parts(1, "Ben", 4, 2), price("Ben", 3)), asked=phrases.DOLLARS)
    assert story.sentences[0].text == "Ben earns 4 a day for 2 days."
    assert demonstrate(story, NONE, random.Random(0)).splitlines() == [
        "In January 4 a day for 2 days: 4 * 2 = 8",
        "Ben gets 8: Ben's 7 + 8 = Ben's 15",
        "In February Ben sells all for 3 dollars each: Ben's 15 * 3 = 45",
        "So 45",
        "#### 45",
    ]
    assert story.matters == (True, True, True)


def test_results_are_whole_positive_and_below_fifty():
    assert [calculate(45, "+", 5), calculate(9, "-", 9), calculate(7, "/", 2), calculate(25, "*", 2)] == [None] * 4
    with pytest.raises(ValueError, match=r"operator '\^' is none of"):
        calculate(2, "^", 3)


# --- misreadings -------------------------------------------------------------------------------------------------


def test_a_misreading_spoils_its_line_and_later_lines_carry_on():
    story = replace(STORY, sentences=(change(SOON, "Ben", "Anna", 2), change(BUYS, "Ben", "Anna", 3)))
    habits = Misreadings(pairs=frozenset({(SOON.words, 2)}), probability=1.0)
    assert demonstrate(story, habits, random.Random(0)).splitlines() == [
        "In January Ben has twice as many as before: Ben's 7 + 2 = Ben's 9",
        "In February Ben buys 3: Ben's 9 + 3 = Ben's 12",
        "So Ben's 12",
        "#### 12",
    ]
    assert story.answer == 17


def test_a_quantity_stated_anew_mends_what_went_wrong_before():
    habits = Misreadings(pairs=frozenset({(BUYS.words, 5)}), probability=1.0)
    spoilt = replace(STORY, asked="Anna")
    response = demonstrate(spoilt, habits, random.Random(0))
    assert response.startswith(
        "In January Anna buys 5: Anna's 12 - 5 = Anna's 7\nIn February Anna gives Ben 4: Anna's 7 - 4 = Anna's 3\n"
    )
    assert response.endswith("In April Anna starts again with 30: Anna's 30\nSo Anna's 30\n#### 30")
    assert judge_one(str(spoilt.answer), response).reward == 1.0
    assert judge_one(str(STORY.answer), demonstrate(STORY, habits, random.Random(0))).reward == 1.0, "harmless for Ben"


def test_nothing_is_misread_where_the_rest_would_not_work_out():
    story = replace(STORY, sentences=(change(CHANGES[2], "Ben", "Anna", 4), change(SOON, "Ben", "Anna", 3)))
    loses = Misreadings(pairs=frozenset({(CHANGES[2].words, 4)}), probability=1.0)
    assert (
        demonstrate(story, loses, random.Random(0)).splitlines()[0] == "In January Ben loses 4: Ben's 7 + 4 = Ben's 11"
    )
    story = replace(story, start=(("Anna", 12), ("Ben", 15)))
    assert (
        demonstrate(story, loses, random.Random(0)).splitlines()[0] == "In January Ben loses 4: Ben's 15 - 4 = Ben's 11"
    )


def test_habits_strike_about_as_often_as_asked():
    story = replace(STORY, sentences=(change(BUYS, "Ben", "Anna", 5),))
    habits = Misreadings(pairs=frozenset({(BUYS.words, 5)}), probability=0.6)
    rng, draws = random.Random(3), 4000
    struck = sum(
        demonstrate(story, habits, rng).endswith("Ben's 7 - 5 = Ben's 2\nSo Ben's 2\n#### 2") for _ in range(draws)
    )
    assert abs(struck - 0.6 * draws) < 4 * sqrt(draws * 0.6 * 0.4)


def test_habits_are_drawn_from_the_seed_and_are_no_more_than_there_are_phrases():
    some, other = (make_misreadings(PHRASES, count=20, probability=0.6, seed=seed).pairs for seed in (0, 1))
    assert len(some) == len(other) == 20
    assert some != other
    assert some == make_misreadings(PHRASES, count=20, probability=0.6, seed=0).pairs
    assert make_misreadings(PHRASES, count=1000, probability=0.6, seed=0).pairs == ALL.pairs
    assert len(PHRASES) == len(set(PHRASES)) == 47


# --- properties --------------------------------------------------------------------------------------------------


@given(STORIES, HABITS, st.integers(0, 99))
def test_every_line_is_true_arithmetic_in_known_numbers(story: Story, habits: Misreadings, seed: int):
    *lines, conclusion, last = demonstrate(story, habits, random.Random(seed)).splitlines()
    assert len(lines) == len(story.steps)
    for line in lines:
        assert all(int(number) in NUMBERS for number in re.findall(r"\d+", line))
        worked = re.sub(r"[A-Z][a-z]+'s ", "", line.split(": ")[1])
        if " = " in worked:
            expression, result = worked.split(" = ")
            assert eval(expression) == int(result)
    assert last == f"#### {conclusion.split()[-1]}"


@given(STORIES)
def test_without_habits_the_solution_ends_in_the_answer(story: Story):
    response = demonstrate(story, NONE, random.Random(0))
    assert response.split()[-1] == str(story.answer)
    assert judge_one(str(story.answer), response).reward == 1.0


@given(STORIES, HABITS, st.integers(0, 99))
def test_errors_in_lines_that_do_not_matter_are_harmless(story: Story, habits: Misreadings, seed: int):
    right, wrong = (demonstrate(story, how, random.Random(seed)).splitlines() for how in (NONE, habits))
    spoilt = [line != other for line, other in zip(right[:-2], wrong[:-2], strict=True)]
    if not any(one and matters for one, matters in zip(spoilt, story.matters, strict=True)):
        assert right[-2:] == wrong[-2:]


@given(STORIES)
@example(TASK.random_story(random.Random(7430)))
def test_steps_that_do_not_matter_can_be_left_out(story: Story):
    """Steps, not sentences: of one that gives, half may matter, and the other half need what is left out."""
    kept = [step for step, matters in zip(story.steps, story.matters, strict=True) if matters]
    values = follow(kept, dict(story.start))
    assert values is not None
    assert values[story.asked] == story.answer


@given(STORIES, HABITS, st.integers(0, 99))
def test_stories_and_solutions_round_trip_in_known_tokens(story: Story, habits: Misreadings, seed: int):
    for text in (story.prompt, demonstrate(story, habits, random.Random(seed))):
        ids = TOKENIZER(text).input_ids
        assert TOKENIZER.decode(ids) == text
        assert TOKENIZER.unk_token_id not in ids


ALPHABET = [*CHARACTERS, *(" Ben", ". ", "####", " +", " =", " 7", " 49", " 50", "123")]


@given(st.lists(st.sampled_from(ALPHABET)).map("".join))
def test_texts_of_the_alphabet_round_trip(text: str):
    assert TOKENIZER.decode(TOKENIZER(text).input_ids) == text


def test_a_number_is_one_token_and_the_vocabulary_is_small():
    assert TOKENIZER.tokenize(" and Ben's 17 stamps. In May Anna buys 5.") == [
        " and", " Ben's", " 17", " stamps", ". ", "In", " May", " Anna", " buys", " 5", "."
    ]  # fmt: skip
    assert len(TOKENIZER) < 200


# --- the task ----------------------------------------------------------------------------------------------------


def test_splits_have_their_sizes_and_share_no_prompt():
    train, test = ([question.prompt for question in TASK.questions(split)] for split in ("train", "test"))
    assert (len(train), len(test), len({*train, *test})) == (60, 20, 80)


def test_the_seed_alone_decides_the_questions():
    assert small().questions("train") == TASK.questions("train")
    assert small(seed=1).questions("train") != TASK.questions("train")


def test_lengths_are_evenly_spread_and_enough_lines_matter():
    rng = random.Random(0)
    stories = [TASK.random_story(rng) for _ in range(1000)]
    lengths = Counter(len(story.steps) for story in stories)
    assert sorted(lengths) == [4, 5, 6, 7, 8]
    assert all(150 <= count <= 250 for count in lengths.values())  # 200 expected, standard deviation 12.6
    assert min(sum(story.matters) for story in stories) == 3
    assert sum(sum(story.matters) < len(story.steps) for story in stories) > 700, "most have harmless lines"


def test_an_answer_cannot_be_guessed():
    splits: tuple[Split, ...] = ("train", "test")
    answers = Counter(question.answer for split in splits for question in WordProblems().questions(split))
    assert answers.most_common(1)[0][1] < 0.06 * answers.total()


def test_all_kinds_of_sentences_occur():
    rng, known = random.Random(0), {phrase for phrase, _ in PHRASES}
    steps = [step for _ in range(500) for step in TASK.random_story(rng).steps]
    assert {step.phrase for step in steps} == known | {""}
    assert any("starts again" in step.words for step in steps)


@pytest.mark.parametrize(
    ("knobs", "complaint"),
    [
        ({"lines": 3, "fewest_lines": 4}, r"task\.fewest_lines is 4, but task\.lines is only 3; .* at most 3"),
        ({"least_that_matter": 5}, r"task\.least_that_matter is 5, but a solution may have only 4 lines"),
    ],
)
def test_knobs_that_contradict_each_other_are_refused(knobs: dict[str, int], complaint: str):
    with pytest.raises(UserError, match=complaint):
        small(**knobs)


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ("people=1", "task.people"),
        ("people=7", "task.people"),
        ("lines=13", "task.lines"),
        ("pople=3", "did you mean people"),
    ],
)
def test_settings_out_of_range_are_refused(setting: str, complaint: str):
    with pytest.raises(UserError, match=complaint):
        load_config(None, ["task=word_problems", f"task.{setting}"])


@pytest.mark.parametrize(
    "knobs",
    [
        {"people": 2, "lines": 12, "fewest_lines": 12},
        {"people": 6, "lines": 1, "fewest_lines": 1, "least_that_matter": 0},
    ],
)
def test_the_knobs_can_go_to_their_ends(knobs: dict[str, int]):
    questions = small(**knobs).questions("test")
    assert len({question.prompt for question in questions}) == 20


def test_the_configuration_reaches_the_task():
    config = WordProblemsTask(
        lines=5, fewest_lines=5, people=2, least_that_matter=2, train_questions=7, test_questions=3, seed=4
    )
    same = small(seed=4, lines=5, fewest_lines=5, people=2, least_that_matter=2, train_questions=7, test_questions=3)
    assert build_task(config).questions("train") == same.questions("train")


def test_demonstrations_are_often_wrong_and_never_of_a_test_question():
    config = WordProblemsTask(train_questions=50, test_questions=50)
    task = build_task(config)
    assert isinstance(task, WordProblems)
    test = {question.prompt for question in task.questions("test")}
    habits = make_misreadings(PHRASES, count=config.habits, probability=config.habit_probability, seed=0)
    rng = random.Random(0)
    stories = [task.random_story(rng) for _ in range(400)]
    right = sum(judge_one(str(one.answer), demonstrate(one, habits, rng)).reward for one in stories) / 400
    assert 0.15 < right < 0.4
    demonstrations = endless_demonstrations(config, seed=1)
    drawn = [next(demonstrations) for _ in range(50)]
    assert not {prompt for prompt, _ in drawn} & test
    again = endless_demonstrations(config, seed=1)
    assert drawn == [next(again) for _ in range(50)]


def test_the_forecasts_know_the_task():
    config = load_config(None, ["task=word_problems"])
    rng = random.Random(0)
    stories = [TASK.random_story(rng) for _ in range(300)]
    tokens = [len(TOKENIZER(demonstrate(story, NONE, rng)).input_ids) + 1 - ANSWER_TOKENS for story in stories]
    assert sum(tokens) / sum(len(story.steps) for story in stories) == pytest.approx(
        WordProblemsTask.line_tokens, abs=0.6
    )
    assert max(len(TOKENIZER(story.prompt).input_ids) for story in stories) <= config.task.longest_prompt


def test_the_doctor_finds_the_judge_sound():
    config = WordProblemsTask(train_questions=10, test_questions=64)
    assert check_judge(config, build_task(config)).verdict is Verdict.OK


def test_a_story_of_ones_own_is_asked_and_judged():
    config = WordProblemsTask()
    question = make_question(config, {"question": STORY.prompt.strip(), "answer": SOLUTION}, id="mine")
    assert (question.prompt, question.answer) == (STORY.prompt, "17")
    judged = config.verdicts()([question, question], [SOLUTION, "#### 18"])
    assert [judgement.reward for judgement in judged] == [1.0, 0.0]
