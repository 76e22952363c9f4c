import json

import datasets
import pytest
from datasets.exceptions import DatasetNotFoundError

from vineppo import hub
from vineppo.errors import UserError
from vineppo.seams import Split
from vineppo.tasks.rows import one_line, read_rows, require_columns, text_column

ROWS = [{"question": "1 + 1?", "answer": "#### 2"}, {"question": "2 + 2?", "answer": "#### 4"}]


def refusal(path, split: Split = "train") -> str:
    with pytest.raises(UserError) as caught:
        read_rows(str(path), split, subset=None)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("task.path")
    return message


# --- folders -----------------------------------------------------------------------------------------------------


def test_jsonl_is_read_line_by_line(tmp_path):
    lines = "\ufeff" + '{"question": "a\u2028b"}\r\n\n{"question": "c"}'
    (tmp_path / "train.jsonl").write_bytes(lines.encode())
    assert read_rows(str(tmp_path), "train", subset=None) == [{"question": "a\u2028b"}, {"question": "c"}]


def test_each_split_has_its_file(tmp_path):
    for split, row in zip(("train", "test"), ROWS, strict=True):
        (tmp_path / f"{split}.jsonl").write_text(json.dumps(row))
    assert read_rows(str(tmp_path), "train", subset="ignored") == [ROWS[0]]
    assert read_rows(str(tmp_path), "test", subset="ignored") == [ROWS[1]]


@pytest.mark.parametrize("suffix", ["json", "parquet"])
def test_json_and_parquet_are_read_too(tmp_path, suffix, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    rows = datasets.Dataset.from_list(ROWS)
    file = tmp_path / f"test.{suffix}"
    rows.to_parquet(file) if suffix == "parquet" else file.write_text(json.dumps(ROWS))
    assert read_rows(str(tmp_path), "test", subset=None) == ROWS


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ('{"a": 1}\n{"a": ', "line 2 is no JSON (Expecting value: column 7"),
        ("[1, 2]", "line 1 is a JSON list, not an object"),
        ("\n\n3", "line 3 is a JSON int, not an object"),
        ('{"a": ' + "1" * 5000 + "}", "line 1 is no JSON"),
    ],
)
def test_a_bad_line_is_named(tmp_path, content, fault):
    (tmp_path / "train.jsonl").write_text(content)
    message = refusal(tmp_path)
    assert f"{tmp_path / 'train.jsonl'} {fault}" in message
    assert message.endswith("write one JSON object a line")


def test_bytes_that_are_no_text_are_named(tmp_path):
    (tmp_path / "train.jsonl").write_bytes(b'{"a": "\xff"}')
    assert "line 1 is no JSON" in refusal(tmp_path)


def test_a_broken_parquet_file_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "train.parquet").write_text("nope")
    assert f"{tmp_path / 'train.parquet'} cannot be read" in refusal(tmp_path)


def test_a_folder_without_the_split_says_what_it_holds(tmp_path):
    (tmp_path / "train.jsonl").write_text(json.dumps(ROWS[0]))
    message = refusal(tmp_path, "test")
    assert "none of test.jsonl, test.json, test.parquet; it holds train.jsonl; put the test split there" in message


def test_no_rows_are_refused(tmp_path):
    (tmp_path / "test.jsonl").write_text("\n")
    assert refusal(tmp_path, "test").endswith("has no rows in split 'test'; put at least one there")


def test_a_path_that_cannot_be_a_hub_name_is_refused_at_once(tmp_path):
    (tmp_path / "train.jsonl").write_text("{}")
    (tmp_path / "notes.txt").write_text("{}")
    for path in (tmp_path / "missing", "./missing", "a/b/c"):
        assert f"{str(path)!r} is neither a folder nor a Hub dataset name; give a folder" in refusal(path)
    assert "is a file that does not end in one of .jsonl, .json, .parquet, .csv" in refusal(tmp_path / "notes.txt")
    assert f"name (did you mean {tmp_path / 'train.jsonl'}?); give" in refusal(tmp_path / "trian.jsonl")


# --- the Hub -----------------------------------------------------------------------------------------------------


def test_hub_datasets_are_asked_for_by_name_subset_and_split(monkeypatch):
    asked = []

    def load_dataset(*args, **kwargs):
        asked.append((args, kwargs))
        return datasets.Dataset.from_list(ROWS)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    assert read_rows("openai/gsm8k", "test", subset="main") == ROWS
    assert asked == [(("openai/gsm8k", "main"), {"data_files": None, "split": "test"})]


@pytest.mark.parametrize(
    "error",
    [
        ConnectionError("Couldn't reach 'openai/gsm8k' on the Hub"),
        ValueError("BuilderConfig 'mian' not found.\nAvailable: ['main', 'socratic']"),
        DatasetNotFoundError("Dataset 'openai/gsm8k' doesn't exist"),
    ],
)
def test_a_hub_dataset_that_cannot_be_loaded(monkeypatch, error):
    def load_dataset(*args, **kwargs):
        raise error

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    monkeypatch.setattr(hub, "silence", lambda endpoint: "")
    message = refusal("openai/gsm8k")
    assert "'openai/gsm8k' is no folder here, and the Hub has no such dataset with task.subset None and" in message
    assert one_line(error) in message
    assert "give a folder with train.jsonl and test.jsonl" in message


# --- columns -----------------------------------------------------------------------------------------------------


def test_rows_with_all_columns_pass():
    require_columns(ROWS, ["question", "answer"], "train")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"question": "", "anwser": ""}, "only 'question', 'anwser'; rename 'anwser' to 'answer'"),
        ({"question": "", "gold": ""}, "only 'question', 'gold'; add 'answer' to every row"),
        ({}, "only none; add 'question' to every row"),
    ],
)
def test_a_missing_column_is_named_with_the_nearest(row, message):
    with pytest.raises(UserError, match=r"^data: row 2 has no column '(question|answer)', ") as caught:
        require_columns([ROWS[0], row], ["question", "answer"], "data")
    assert str(caught.value).endswith(message)


def test_a_text_column_holds_strings():
    assert text_column(ROWS, "answer", "data") == ["#### 2", "#### 4"]
    with pytest.raises(UserError, match=r"^data: column 'answer' of row 1 is int 2; make it a string$"):
        text_column([{"answer": 2}], "answer", "data")


def test_long_messages_are_cut_to_one_line():
    assert one_line("a\n  b\tc") == "a b c"
    assert one_line("x" * 300, limit=10) == "x" * 7 + "..."
