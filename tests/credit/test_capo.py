"""CAPO by hand: votes, what a token earns, the group's advantages, and how critiques are read."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tabular import END, LIMIT, PROMPT, Tabular
from tabular import PLAIN as PLAIN_LAW

from vineppo.advisers.function import FunctionAdviser, Scripted
from vineppo.advisers.policy import PolicyAdviser
from vineppo.advisers.settings import Answer, Answers, Inquiry
from vineppo.credit.capo import CapoAssigner, CapoCredit, Earned, group_advantages, step_rewards, voted
from vineppo.credit.critique import inquiry_messages, read_critique
from vineppo.errors import UserError
from vineppo.recipes.measurements import critique_metrics
from vineppo.settings.shapes import Shape
from vineppo.types import Critique, Finish, Judgement, Outcome, Question, Scored, Trajectory

QUESTION = Question(id="q", prompt="2+3=?", answer="5")
PLAIN = {"weigh": "tokens", "others_only": False, "scale": False}


def critique(*wrong: int) -> Critique:
    return Critique(wrong=wrong, text="", tokens=1)


UNREADABLE = Critique(wrong=None, text="?", tokens=1)

# --- the vote ------------------------------------------------------------------------------------------------------

FOUR = [critique(0, 1), critique(1), critique(1, 2), critique(1, 2)]
"""Of 4 critiques step 0 has 1 vote, step 1 has 4, step 2 has 2, step 3 none."""


@pytest.mark.parametrize(
    ("vote", "wrong"),
    [
        ("intersection", [0, 1, 0, 0]),
        ("majority", [0, 1, 1, 0]),  # half is enough
        ("union", [1, 1, 1, 0]),
        ("average", [0.25, 1, 0.5, 0]),
        ("greedy", [0.25, 1, 0.5, 0]),
    ],
)
def test_votes(vote, wrong: list[float]):
    assert voted(FOUR, vote, 4) == wrong


def test_a_critique_that_cannot_be_read_votes_for_no_step():
    assert voted([critique(0), UNREADABLE], "intersection", 2) == [0, 0]
    assert voted([critique(0), UNREADABLE], "average", 2) == [0.5, 0]
    assert voted([UNREADABLE], "greedy", 2) == [0, 0]


# --- rewards and advantages ------------------------------------------------------------------------------------------


def test_the_papers_four_rewards():
    assert step_rewards(1, [0, 1], whole=2, process=1) == [2, 1]
    assert step_rewards(0, [0, 1], whole=2, process=1) == [0, -1]
    assert step_rewards(1, [0.25], whole=2, process=1) == [1.75]


GROUP = [Earned(rewards=[2, 1], tokens=[3, 1]), Earned(rewards=[0, -1], tokens=[1, 3])]
"""Eight tokens: 2 2 2 1 and 0 -1 -1 -1. Mean 4 / 8; squares from it 3 x 2.25, .25, .25, 3 x 2.25: variance 14 / 8."""


def test_advantages_by_hand():
    assert group_advantages(GROUP, **PLAIN) == [[1.5, 0.5], [-0.5, -1.5]]
    scaled = group_advantages(GROUP, **{**PLAIN, "scale": True})
    assert scaled[0][0] == pytest.approx(1.5 / 1.75**0.5, rel=1e-3)
    assert scaled[1] == [-scaled[0][1], -scaled[0][0]]


def test_the_mean_of_the_other_responses_by_hand():
    # the other's tokens have the mean -3/4 for the first response and 7/4 for the second
    others = group_advantages(GROUP, **{**PLAIN, "others_only": True})
    assert others == [[2.75, 1.75], [-1.75, -2.75]]


def test_responses_may_weigh_alike_by_hand():
    group = [Earned(rewards=[2], tokens=[9]), Earned(rewards=[0], tokens=[1])]
    assert group_advantages(group, **PLAIN) == [[pytest.approx(0.2)], [pytest.approx(-1.8)]]
    assert group_advantages(group, **{**PLAIN, "weigh": "responses"}) == [[1.0], [-1.0]]


EARNED = st.lists(st.tuples(st.sampled_from([-1.0, 0.0, 1.0, 2.0]), st.integers(1, 5)), min_size=1, max_size=4).map(
    lambda steps: Earned(rewards=[r for r, _ in steps], tokens=[n for _, n in steps])
)


@given(st.lists(EARNED, min_size=2, max_size=5))
def test_a_groups_tokens_have_mean_0_and_variance_1_or_teach_nothing(group: list[Earned]):
    steps = group_advantages(group, weigh="tokens", others_only=False, scale=True)
    counts = [count for own in group for count in own.tokens]
    tokens = [a for a, count in zip([a for own in steps for a in own], counts, strict=True) for _ in range(count)]
    assert sum(tokens) / len(tokens) == pytest.approx(0, abs=1e-9)
    variance = sum(a * a for a in tokens) / len(tokens)
    teaches = len({reward for own in group for reward in own.rewards}) > 1
    assert variance == (pytest.approx(1, rel=1e-2) if teaches else 0)


# --- reading a critique ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("Step 2 adds wrongly.\nWrong steps: 2", (1,)),
        ("Wrong steps: 3, 1, 3", (0, 2)),
        ("**Wrong steps:** 1 and 2.", (0, 1)),
        ("wrong step: none", ()),
        ("Wrong steps: 1\nNo: on reflection\nWrong steps: none\n", ()),
        ("Wrong steps: 4", None),  # there are three
        ("Wrong steps: 0", None),
        ("Wrong steps: 2 I think, as 7", None),
        ("Wrong steps: 2\nbut who knows", None),
        ("All is well.", None),
        ("", None),
    ],
)
def test_what_a_critique_names(text: str, wrong: tuple[int, ...] | None):
    assert read_critique(text, num_steps=3, tokens=9) == Critique(wrong=wrong, text=text, tokens=9)


def test_the_critic_sees_question_answer_and_numbered_steps():
    [message] = inquiry_messages(QUESTION, ["2+3=6\n", "####6"], reference=True)
    for part in (
        "2+3=?",
        "right answer",
        "Right answer: 5",
        "<step 1>\n2+3=6\n</step 1>",
        "<step 2>\n####6\n</step 2>",
    ):
        assert part in message.content
    [blind] = inquiry_messages(QUESTION, ["2+3=6\n"], reference=False)
    assert "ight answer" not in blind.content


# --- the method at work ----------------------------------------------------------------------------------------------


def scored(letters: str, reward: float, bounds: tuple[int, ...]) -> Scored:
    trajectory = Trajectory(
        question=QUESTION,
        prompt_ids=(1,),
        response_ids=tuple(map(ord, letters)),
        logprobs=(0.0,) * len(letters),
        text=letters,
        finish=Finish.TERMINATED,
        policy_version=0,
    )
    return Scored(trajectory=trajectory, judgement=Judgement(reward=reward, outcome=Outcome.SCORED), bounds=bounds)


class Critic:
    """Finds fault with every step that has an x; remembers what it was asked."""

    def __init__(self):
        self.asked: list[Inquiry] = []
        self.temperature: float | None = None

    def __call__(self, inquiries: Sequence[Inquiry], *, count, seed, temperature=None, progress=None) -> Answers:
        self.asked += inquiries
        self.temperature = temperature
        found = [[str(k) for k, step in enumerate(own.steps, 1) if "x" in step] for own in inquiries]
        return [(Answer(text=f"Wrong steps: {', '.join(own) or 'none'}", tokens=5),) * count for own in found]


def decode(ids: Sequence[int]) -> str:
    return "".join(map(chr, ids))


def test_each_token_gets_what_its_step_earned():
    critic = Critic()
    batch = [scored("aaax", 1, (0, 3, 4)), scored("bxxx", 0, (0, 1, 4)), scored("aaax", 1, (0, 3, 4))]
    settings = CapoCredit(scale=False)
    credits = CapoAssigner(critic, settings, decode)(batch, seed=0)
    # R: 2 2 2 1, 0 -1 -1 -1, 2 2 2 1, their mean 11 / 12
    mean = 11 / 12
    assert credits[0].advantages == pytest.approx([2 - mean] * 3 + [1 - mean])
    assert credits[1].advantages == pytest.approx([-mean] + [-1 - mean] * 3)
    assert credits[2].advantages == credits[0].advantages
    assert [own.steps for own in critic.asked] == [("aaa", "x"), ("b", "xxx")], "the same response is read once"
    assert critique_metrics(credits) == {
        "credit/critiques": 8.0,
        "credit/critiques_unparseable": 0.0,
        "credit/wrong_steps": 1.0,
        "tokens/critiques": 40.0,
    }


def test_greedy_takes_one_critique_at_temperature_0():
    critic = Critic()
    [credit, _] = CapoAssigner(critic, CapoCredit(vote="greedy"), decode)(
        [scored("ax", 1, (0, 1, 2)), scored("aa", 1, (0, 1, 2))], seed=0
    )
    assert critic.temperature == 0
    assert len(credit.critiques) == 1
    assert credit.advantages[1] < credit.advantages[0]


def test_unreadable_critiques_leave_the_outcome_and_are_counted():
    assign = CapoAssigner(Scripted(lambda question, steps: "hm", "credit.adviser"), CapoCredit(scale=False), decode)
    credits = assign([scored("ab", 1, (0, 1, 2)), scored("cd", 0, (0, 1, 2))], seed=0)
    assert [credit.advantages for credit in credits] == [(1, 1), (-1, -1)]
    assert critique_metrics(credits)["credit/critiques_unparseable"] == 1
    assert "credit/wrong_steps" not in critique_metrics(credits)


def test_what_it_decodes_is_told_beforehand():
    shape = Shape(length=50, states=range(0, 50, 5))
    asked = CapoCredit(adviser=PolicyAdviser(max_new_tokens=300))
    assert (asked.rollouts_of(shape).count, asked.rollouts_of(shape).tokens, asked.most_tokens(shape)) == (
        4,
        1200,
        1200,
    )
    assert CapoCredit(adviser=PolicyAdviser(max_new_tokens=1000), vote="greedy").rollouts_of(shape).tokens == 440
    assert CapoCredit(adviser=FunctionAdviser()).rollouts_of(shape).tokens == 0


def test_a_function_must_return_text():
    with pytest.raises(UserError, match=r"credit.adviser returned list \[2\]; return text"):
        CapoAssigner(Scripted(lambda q, s: [2], "credit.adviser"), CapoCredit(), decode)(  # pyright: ignore
            [scored("ab", 1, (0, 1, 2))], seed=0
        )


def test_on_an_enumerated_policy_the_baseline_is_the_mean_over_its_tokens():
    policy, earned, length, ahead = Tabular(PLAIN_LAW), 0.0, 0.0, [((), 1.0)]

    def rewards(response: tuple[int, ...], reward: float) -> list[float]:
        steps = [response[at : at + 2] for at in range(0, len(response), 2)]
        return [2 * reward - (1 in step) for step in steps for _ in step]

    while ahead:  # all responses, each as probable as it is
        prefix, reached = ahead.pop()
        if (prefix and prefix[-1] == END) or len(prefix) == LIMIT:
            earned += reached * sum(rewards(prefix, policy.value(prefix)))
            length += reached * len(prefix)
        else:
            ahead += [((*prefix, token), reached * p) for token, p in enumerate(policy.law(PROMPT + prefix)) if p]
    faults = Scripted(
        lambda question, steps: (
            f"Wrong steps: {', '.join(str(k) for k, s in enumerate(steps, 1) if '1' in s) or 'none'}"
        ),
        "",
    )
    group = policy.trajectories(2000, seed=0, step=2)
    credits = CapoAssigner(faults, CapoCredit(scale=False), policy.environment().decode)(group, seed=0)
    for scored_one, credit in zip(group[:20], credits, strict=False):
        expected = [own - earned / length for own in rewards(scored_one.trajectory.response_ids, scored_one.reward)]
        assert credit.advantages == pytest.approx(expected, abs=0.1)
