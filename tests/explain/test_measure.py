"""Values of a policy that is known exactly, and log-probs of solutions that nobody sampled."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from vineppo.config.load import load_config
from vineppo.credit.vine import VineAssigner
from vineppo.engines.fake import FakeEngine
from vineppo.environment import Environment
from vineppo.errors import UserError
from vineppo.explain.given import given_trajectory, response_logprobs
from vineppo.explain.measure import Explainer, build_explainer, check_credit
from vineppo.explain.source import Item
from vineppo.policy import load_policy
from vineppo.progress import Display
from vineppo.recipes.build import build_environment
from vineppo.steps import Pieces, Tokens
from vineppo.tasks.asked import Asked
from vineppo.types import Finish, Judgement, Outcome, Question, Sampling, Trajectory

LETTERS = "?abgx."
"""Token ids are places in this text; the last ends a response."""
QUESTION = Question(id="q", prompt="?", answer="g")
SAMPLING = Sampling(max_new_tokens=4)


def law(prefix: tuple[int, ...]) -> Sequence[float]:
    """First a or b, evenly; after a always g, after b always x; then the end."""
    match "".join(LETTERS[token] for token in prefix):
        case "?":
            return [0, 0.5, 0.5, 0, 0, 0]
        case "?a":
            return [0, 0, 0, 1, 0, 0]
        case "?b":
            return [0, 0, 0, 0, 1, 0]
        case _:
            return [0, 0, 0, 0, 0, 1]


def decode(token_ids: Sequence[int]) -> str:
    return "".join(LETTERS[token] for token in token_ids if token != 5)


def take(question: Question, text: str) -> Trajectory:
    ids = (*(LETTERS.index(letter) for letter in text), 5)
    return Trajectory(
        question=question,
        prompt_ids=(0,),
        response_ids=ids,
        logprobs=(0.0,) * len(ids),
        text=text,
        finish=Finish.TERMINATED,
        policy_version=0,
    )


def judge(questions: Sequence[Question], responses: Sequence[str]) -> list[Judgement]:
    return [
        Judgement(reward=float("g" in r), outcome=Outcome.CORRECT if "g" in r else Outcome.WRONG) for r in responses
    ]


@pytest.fixture
def explainer() -> Explainer:
    environment = Environment(
        engine=FakeEngine(law, end_ids=[5]),
        task=Asked([QUESTION], judge),
        encode=lambda prompt: (0,),
        decode=decode,
    )
    return Explainer(
        environment=environment,
        segment=Tokens(1),
        token_texts=Pieces(decode),
        read_prompt=decode,
        assign=VineAssigner(environment, rollouts=400, max_states=None, sampling=SAMPLING),
        take=take,
        sampling=SAMPLING,
        count=None,
        seed=0,
    )


# --- values ------------------------------------------------------------------------------------------------------


def test_the_step_that_decides_gets_the_credit(explainer):
    [good, bad] = explainer([Item(question=QUESTION, solutions=("ag", "bx"))], Display(1)).records
    assert [step["text"] for step in good["steps"]] == ["a", "g", ""]
    assert good["steps"][0]["value"] == pytest.approx(0.5, abs=0.08)
    assert [step["value"] for step in good["steps"][1:]] == [1.0, 1.0]
    assert [step["value"] for step in bad["steps"][1:]] == [0.0, 0.0]
    assert good["steps"][0]["advantage"] == pytest.approx(0.5, abs=0.08)
    assert bad["steps"][0]["advantage"] == pytest.approx(-0.5, abs=0.08)
    assert [step["advantage"] for step in good["steps"][1:]] == [0.0, 0.0]
    low, high = good["steps"][0]["interval"]
    assert low < 0.5 < high


def test_a_state_that_solutions_share_is_measured_once(explainer):
    measured = explainer([Item(question=QUESTION, solutions=("ag", "ag", "bx"))], Display(1))
    first = [record["steps"][0] for record in measured.records]
    assert first[0]["value"] == first[1]["value"] == first[2]["value"]
    # the prompt, then a, b, ag and bx: each rollout runs to the end
    assert measured.rollout_tokens == 400 * (3 + 2 + 2 + 1 + 1)
    assert measured.solution_tokens == 0


def test_there_is_an_example_that_succeeds_and_one_that_fails(explainer):
    [record] = explainer([Item(question=QUESTION, solutions=("ag",))], Display(1)).records
    first, second = record["steps"][0]["rollouts"]
    assert (first, second) == ({"text": "ag", "reward": 1.0}, {"text": "bx", "reward": 0.0})
    assert record["steps"][0]["num_rollouts"] == 400


def test_where_none_is_given_some_are_sampled_question_after_question(explainer):
    other = replace(QUESTION, id="other")
    items = [Item(question=QUESTION), Item(question=other, solutions=("ag",)), Item(question=replace(QUESTION, id="z"))]
    records = explainer(items, Display(1)).records
    assert [record["question"] for record in records] == ["q", "q", "other", "z", "z"]
    assert {record["response"] for record in records} <= {"ag", "bx"}


def test_a_count_samples_whatever_is_given(explainer):
    asked = replace(explainer, count=3)
    records = asked([Item(question=QUESTION, solutions=("ag",))], Display(1)).records
    assert len(records) == 3


# --- given solutions ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def policy():
    return load_policy("bundled:arithmetic", device="cpu")


@pytest.mark.parametrize("sampling", [Sampling(max_new_tokens=80), Sampling(temperature=0.7, top_p=0.9, top_k=5)])
def test_log_probs_of_a_response_are_those_it_was_sampled_with(policy, sampling):
    question = Question(id="q", prompt="12*7+5-3=?\n", answer="36")
    config = load_config(None)
    environment = build_environment(policy, Asked([question], judge), config.engine)
    for sampled in environment.sample([question], count=3, sampling=sampling, seed=1):
        again = response_logprobs(policy, sampled.prompt_ids, sampled.response_ids, sampling)
        assert again == pytest.approx(sampled.logprobs, abs=1e-4)


def test_a_given_text_becomes_tokens_once_and_ends(policy):
    question = Question(id="q", prompt="3*7+1=?\n", answer="22")
    given = given_trajectory(policy, question, "3*7=21\n21+1=22\n####22", Sampling(max_new_tokens=80))
    assert given.text == "3*7=21\n21+1=22\n####22"
    assert given.response_ids[-1] in policy.end_ids
    assert given.finish is Finish.TERMINATED
    assert len(given.logprobs) == len(given.response_ids)


def test_a_given_text_goes_as_far_as_the_policy_would_have_gone(policy):
    question = Question(id="q", prompt="3*7+1=?\n", answer="22")
    sampling = Sampling(max_new_tokens=80, stop=("\n21", "####"))
    given = given_trajectory(policy, question, "3*7=21\n21+1=22\n####22", sampling)
    assert given.text == "3*7=21"
    assert policy.decode(given.response_ids) == "3*7=21\n21"
    assert given.finish is Finish.TERMINATED
    assert given_trajectory(policy, question, "3*7=22", sampling).response_ids[-1] in policy.end_ids


def test_what_the_law_forbids_has_no_probability(policy):
    question = Question(id="q", prompt="3*7+1=?\n", answer="22")
    given = given_trajectory(policy, question, "9*9=1", Sampling(top_k=1, max_new_tokens=80))
    assert float("-inf") in given.logprobs


def test_a_given_solution_that_leaves_no_room_is_refused(policy):
    question = Question(id="q", prompt="3*7+1=?\n", answer="22")
    with pytest.raises(UserError, match="q: a given solution has 13 tokens, but a response may have only 8"):
        given_trajectory(policy, question, "1+1=2\n2+2=4\n", Sampling(max_new_tokens=8))
    with pytest.raises(UserError, match="but the policy's context is 512; shorten them"):
        given_trajectory(policy, question, "1+1=2\n" * 100, Sampling(max_new_tokens=2000))


# --- what cannot be measured -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("credit", "message"),
    [
        (
            "ppo",
            "credit is ppo, which takes its values from a network that exists only in a training run; set credit=vine",
        ),
        ("grpo", "credit is grpo, which measures no values of states; set credit=vine"),
        ("rloo", "credit is rloo, which measures no values of states"),
    ],
)
def test_methods_that_measure_no_values_are_refused(credit, message):
    with pytest.raises(UserError, match=message):
        check_credit(load_config(None, [f"credit={credit}"]).credit)


def test_a_prompt_that_fills_the_context_is_refused(policy):
    question = Question(id="long", prompt="1+" * 300, answer="1")
    with pytest.raises(UserError, match="question long: 600 tokens"):
        build_explainer(load_config(None), policy, Asked([question], judge), [Item(question=question)], count=1)
