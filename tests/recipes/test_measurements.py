"""What is told of an iteration: metrics, records and the summary, by hand."""

from collections.abc import Sequence
from math import sqrt

import pytest

from vineppo.config.load import load_config
from vineppo.metrics import Metrics, check_names
from vineppo.recipes.algorithm import Experience
from vineppo.recipes.measurements import credit_metrics, trajectory_metrics
from vineppo.recipes.records import trajectory_record, trajectory_records
from vineppo.recipes.summary import summarise
from vineppo.recipes.warnings import MOST, failures
from vineppo.types import (
    Completion,
    Credit,
    Finish,
    Judgement,
    Outcome,
    Question,
    Rollout,
    Scored,
    StateValue,
    Trajectory,
)

END = 0
CORRECT, WRONG = Judgement(reward=1.0, outcome=Outcome.CORRECT), Judgement(reward=0.0, outcome=Outcome.WRONG)
CUT_OFF = Judgement(reward=0.0, outcome=Outcome.TRUNCATED)


def scored(question: str, length: int, judgement: Judgement, bounds: tuple[int, ...] | None = None) -> Scored:
    """A response of 1s that ends with the end token, unless it was cut off."""
    cut = judgement is CUT_OFF
    response = (1,) * length if cut else (*(1,) * (length - 1), END)
    trajectory = Trajectory(
        question=Question(id=question, prompt=f"{question}?", answer="gold"),
        prompt_ids=(9,),
        response_ids=response,
        logprobs=(0.0,) * length,
        text="".join(texts(response)),
        finish=Finish.TRUNCATED if cut else Finish.TERMINATED,
        policy_version=4,
    )
    return Scored(trajectory=trajectory, judgement=judgement, bounds=bounds or (0, length))


def texts(ids: Sequence[int]) -> list[str]:
    return ["" if token == END else "xy" for token in ids]


def seen(ids: Sequence[int]) -> str:
    return "".join(f"<{token}>" for token in ids)


def rollout(length: int, reward: float, *, written: str = "", cut: bool = False) -> Rollout:
    completion = Completion(
        token_ids=(1,) * length,
        logprobs=(0.0,) * length,
        finish=Finish.TRUNCATED if cut else Finish.TERMINATED,
        policy_version=4,
    )
    return Rollout(completion=completion, text=f"{written}+{length}", reward=reward)


# --- metrics -----------------------------------------------------------------------------------------------------


def test_trajectories_by_hand():
    batch = [
        scored("a", 2, CORRECT, (0, 1, 2)),
        scored("a", 4, WRONG, (0, 1, 2, 4)),
        scored("b", 6, CUT_OFF, (0, 6)),
        scored("b", 4, WRONG, (0, 2, 4)),
    ]
    metrics = trajectory_metrics(batch)
    assert metrics == {
        "reward": 0.25,
        "reward_std": 0.25,  # 0.5 in group a, 0 in group b
        "frac_reward_zero_std": 0.5,
        "outcome/correct": 0.25,
        "outcome/wrong": 0.5,
        "outcome/truncated": 0.25,
        "completions/mean_length": 4.0,
        "completions/clipped_ratio": 0.25,
        "steps/mean": 2.0,
        "tokens/trajectories": 16.0,
    }
    check_names(metrics)


def test_a_group_need_not_lie_together():
    one, two = scored("a", 1, CORRECT), scored("b", 1, WRONG)
    assert trajectory_metrics([one, two, one, two])["frac_reward_zero_std"] == 1


def test_rollouts_of_a_shared_state_are_counted_once():
    prompt = (rollout(3, 1.0), rollout(5, 0.0, cut=True))
    own = (rollout(2, 1.0), rollout(2, 1.0))
    first = Credit(
        advantages=(1.0, -1.0),
        values=(
            StateValue(position=0, value=0.5, rollouts=prompt),
            StateValue(position=1, value=1.0, rollouts=own),
            StateValue(position=2, value=0.0, standard_error=0.0),
        ),
    )
    second = Credit(advantages=(1.0, -1.0, 1.0, -1.0), values=(StateValue(position=0, value=0.5, rollouts=prompt),))
    metrics = credit_metrics([first, second])
    assert metrics == {
        "credit/advantage_std": 1.0,
        "credit/states": 2.0,
        "credit/rollouts": 4.0,
        "credit/rollouts_truncated": 0.25,
        "tokens/rollouts": 12.0,
    }
    check_names(metrics)


def test_rollouts_that_only_decided_where_to_measure_are_counted_too():
    credit = Credit(advantages=(0.0,), pilot=(rollout(3, 1.0), rollout(4, 1.0)))
    metrics = credit_metrics([credit, Credit(advantages=(0.0,))])
    assert (metrics["credit/states"], metrics["credit/rollouts"], metrics["tokens/rollouts"]) == (0, 2, 7)


def test_a_step_is_significant_beyond_two_standard_errors():
    ends = tuple(StateValue(position=at, value=0.0) for at in (0, 1, 3, 4))
    credit = Credit(
        advantages=(0.5, -0.5, -0.5, 1e-17), standard_errors=(0.26, 0.24, 0.24, 0.0), values=ends
    )  # 1.9 errors, 2.1 errors, an error of 0 but nothing beyond rounding
    silent = Credit(advantages=(0.5,), values=(StateValue(position=0, value=0.0),))
    assert credit_metrics([credit, silent])["credit/significant"] == pytest.approx(1 / 3)
    assert "credit/significant" not in credit_metrics([silent])


def test_rollouts_that_came_out_alike_are_still_counted_each():
    alike = [(rollout(2, 1.0),) for _ in range(2)]
    credits = [Credit(advantages=(0.0,), values=(StateValue(position=0, value=1.0, rollouts=own),)) for own in alike]
    assert alike[0] == alike[1]
    assert credit_metrics(credits)["credit/states"] == 2


def test_without_rollouts_none_are_told_of():
    metrics = credit_metrics([Credit(advantages=(2.0, 2.0)), Credit(advantages=(-1.0, -1.0))])
    assert metrics == {"credit/advantage_std": 1.5}


def test_the_spread_of_advantages_is_over_tokens():
    metrics = credit_metrics([Credit(advantages=(3.0,)), Credit(advantages=(0.0, 0.0))])
    assert metrics["credit/advantage_std"] == pytest.approx(sqrt(2))


# --- records -----------------------------------------------------------------------------------------------------


def test_a_record_by_hand():
    item = scored("a", 4, WRONG, (0, 2, 4))
    credit = Credit(
        advantages=(0.5, 0.5, -0.75, -0.25),
        standard_errors=(0.2, 0.2, 0.3, 0.3),
        values=(
            StateValue(position=0, value=0.25, standard_error=0.1, rollouts=(rollout(1, 1.0),)),
            StateValue(
                position=2,
                value=0.75,
                standard_error=0.2,
                rollouts=tuple(rollout(n, float(n == 2), written="xyxy") for n in (1, 2, 3)),
            ),
            StateValue(position=4, value=0.0, standard_error=0.0),
        ),
    )
    assert trajectory_record(item, credit, texts, seen) == {
        "question": "a",
        "asked": "a?",
        "prompt": "<9>",
        "response": "xyxyxy",
        "answer": "gold",
        "reward": 0.0,
        "outcome": "wrong",
        "finish": "terminated",
        "policy_version": 4,
        "steps": [
            {
                "text": "xyxy",
                "position": 0,
                "tokens": 2,
                "advantage": 0.5,
                "advantage_error": 0.2,
                "advantage_interval": pytest.approx((0.056, 0.717), abs=1e-3),
                "value": 0.25,
                "standard_error": 0.1,
                "interval": pytest.approx((0.108, 0.478), abs=1e-3),
                "num_rollouts": 1,
                "rollouts": [{"text": "+1", "reward": 1.0}],
            },
            {
                "text": "xy",
                "position": 2,
                "tokens": 2,
                "advantage": -0.5,
                "advantage_error": 0.3,
                "advantage_interval": pytest.approx((-0.953, -0.308), abs=1e-3),
                "value": 0.75,
                "standard_error": 0.2,
                "interval": pytest.approx((0.308, 0.953), abs=1e-3),
                "num_rollouts": 3,
                "rollouts": [{"text": "+2", "reward": 1.0}, {"text": "+1", "reward": 0.0}],
            },
        ],
    }


def test_a_credit_without_values_leaves_them_open():
    (step,) = trajectory_record(scored("a", 2, CORRECT), Credit(advantages=(1.0, 1.0)), texts, seen)["steps"]
    assert (step["value"], step["standard_error"], step["interval"]) == (None, None, None)
    assert (step["num_rollouts"], step["rollouts"]) == (0, [])
    assert step["advantage"] == 1.0


@pytest.mark.parametrize(("count", "questions"), [(0, []), (2, ["a", "b"]), (9, ["a", "b", "c"])])
def test_only_the_first_trajectories_are_written_out(count: int, questions: list[str]):
    experience = Experience(
        iteration=5,
        scored=[scored(question, 1, CORRECT) for question in "abc"],
        credits=[Credit(advantages=(0.0,))] * 3,
    )
    records = trajectory_records(experience, texts, seen, count=count)
    assert [(record["iteration"], record["question"]) for record in records] == [(5, q) for q in questions]


# --- summary -----------------------------------------------------------------------------------------------------


HISTORY: list[Metrics] = [
    {"iteration": 0.0, "eval/accuracy": 0.1, "tokens/evaluation": 40.0, "time/evaluate": 1.0, "time/total": 0.0},
    {"iteration": 1.0, "updates": 4.0, "tokens/trajectories": 100.0, "time/sample": 2.0, "time/iteration": 3.0},
    {"iteration": 2.0, "updates": 8.0, "eval/accuracy": 0.4, "tokens/evaluation": 50.0, "tokens/trajectories": 120.0},
    {"iteration": 3.0, "updates": 12.0, "eval/accuracy": 0.4, "time/sample": 1.5, "time/total": 9.0},
    {"iteration": 4.0, "updates": 16.0, "eval/accuracy": 0.3, "tokens/evaluation": 60.0, "time/evaluate": 0.25},
]


def test_a_summary_by_hand():
    config = load_config(None, ["credit=rloo", "training.seed=3"])
    assert summarise(config, HISTORY) == {
        "recipe": "policy_iteration",
        "credit": "rloo",
        "task": "arithmetic",
        "seed": 3,
        "iterations": 4,
        "updates": 16,
        "accuracy": {"start": 0.1, "final": 0.3, "best": 0.4, "best_iteration": 2},
        "tokens": {"evaluation": 150, "trajectories": 220},
        "seconds": {"evaluate": 1.25, "sample": 3.5},
    }


# --- what judges tell --------------------------------------------------------------------------------------------


def failed(reason: str) -> Judgement:
    return Judgement(reward=0.0, outcome=Outcome.FAILED, told={"failure": reason})


def test_a_scorer_that_fails_is_told_once_for_each_reason():
    known: set[str] = set()
    batch = [scored("q", 2, judgement) for judgement in (CORRECT, failed("no key"), failed("no key"), failed("nan"))]
    assert failures(batch, known) == [
        "the scorer failed on 2 of 4 responses, whose reward is 0 (no key)",
        "the scorer failed on 1 of 4 responses, whose reward is 0 (nan)",
    ]
    assert failures(batch, known) == []
    many = [scored("q", 2, failed(f"reason {i}")) for i in range(9)]
    assert len(failures(many, known)) == MOST - 2
    assert failures([scored("q", 2, WRONG)], set()) == []


def test_what_the_judge_tells_stands_with_the_trajectory():
    told = Judgement(reward=1.0, outcome=Outcome.SCORED, told={"letters": 3})
    credit = Credit(advantages=(0.0, 0.0))
    assert trajectory_record(scored("q", 2, told), credit, texts, seen)["told"] == {"letters": 3}
    assert "told" not in trajectory_record(scored("q", 2, WRONG), credit, texts, seen)


def test_a_metric_of_a_reward_function_needs_no_entry_in_the_catalogue():
    assert check_names({"reward": 1.0, "logged/any name": 2.0})
    with pytest.raises(KeyError, match="reward_typo"):
        check_names({"reward_typo": 1.0})
