"""Labels, and the rows that other programs read."""

import json

from vineppo.explain.export import append_rows, stepwise_row, with_labels
from vineppo.explain.labels import step_labels


def step(text: str, value: float | None, *, rollouts: int = 4, interval: object = "known") -> dict:
    known = None if value is None else (value, value)
    return {
        "text": text,
        "position": 0,
        "tokens": 1,
        "advantage": 0.0,
        "value": value,
        "standard_error": 0.0,
        "interval": known if interval == "known" else interval,
        "num_rollouts": rollouts,
        "rollouts": [],
    }


def record(steps: list[dict], reward: float) -> dict:
    return {
        "question": "q",
        "prompt": "<bos>1+1+1=?",
        "response": "",
        "answer": "3",
        "reward": reward,
        "outcome": "correct" if reward else "wrong",
        "finish": "terminated",
        "steps": steps,
    }


def test_a_step_is_good_where_the_value_after_it_exceeds_the_threshold():
    assert step_labels([0.25, 0.0, 1.0, None], 0.0) == [True, False, True, None]
    assert step_labels([0.25, 0.5, 1.0], 0.5) == [False, False, True]


def test_labels_look_at_the_next_state_and_at_the_end_at_the_reward():
    steps = [step("1+1=2\n", 0.5), step("2+1=4\n", 0.75), step("####4", 0.0)]
    labelled = with_labels(record(steps, 0.0), 0.0)["steps"]
    assert [s["value_after"] for s in labelled] == [0.75, 0.0, 0.0]
    assert [s["label"] for s in labelled] == [True, False, False]
    assert labelled[2]["interval_after"] == (0.0, 0.0)


def test_the_last_step_of_a_right_solution_is_good():
    assert with_labels(record([step("####3", 0.0)], 1.0), 0.0)["steps"][0]["label"] is True


def test_trl_gets_bare_texts_and_one_label_each():
    steps = [step("1+1=2\n", 0.5), step("\n", 0.75), step("####4", 0.0)]
    row = stepwise_row(with_labels(record(steps, 0.0), 0.0), "<bos>")
    assert row == {"prompt": "1+1+1=?", "completions": ["1+1=2", "####4"], "labels": [True, False]}


def test_steps_behind_the_measured_ones_have_no_label():
    unmeasured = {"rollouts": 0, "interval": None}
    steps = [step("a", 0.5), step("b", 0.5), step("c", 1.0, **unmeasured), step("d", 1.0, **unmeasured)]
    labelled = with_labels(record(steps, 1.0), 0.0)
    assert [s["label"] for s in labelled["steps"]] == [True, None, None, True]
    assert stepwise_row(labelled, "<bos>") == {"prompt": "1+1+1=?", "completions": ["a"], "labels": [True]}


def test_rows_are_appended_one_a_line(tmp_path):
    path = tmp_path / "rows.jsonl"
    append_rows(path, [{"a": "é\n"}])
    append_rows(path, [{"a": 1}, {"a": 2}])
    assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] == [
        {"a": "é\n"},
        {"a": 1},
        {"a": 2},
    ]
