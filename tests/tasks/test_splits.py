"""Whoever asks for a split gets it, wherever the rows lie; no row is ever in a split that was not asked for."""

import csv
import gzip
import json
from pathlib import Path

import datasets
import pytest

from vineppo.config.load import load_config
from vineppo.errors import UserError
from vineppo.tasks.build import build_task
from vineppo.tasks.files import read_file
from vineppo.tasks.rows import read_rows, read_splits, require_columns
from vineppo.tasks.splits import hold_out, parse_split


def rows(name: str, count: int = 4) -> list[dict[str, object]]:
    return [{"prompt": f"{name} {i}", "answer": str(i)} for i in range(count)]


def write(folder: Path, *names: str, suffix: str = "jsonl") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        text = "".join(json.dumps(row) + "\n" for row in rows(name))
        file = folder / f"{name}.{suffix}"
        file.write_bytes(gzip.compress(text.encode())) if suffix.endswith("gz") else file.write_text(text)
    return folder


def prompts(found) -> list[str]:
    return [row["prompt"] for row in found]


def task_of(path: Path, *settings: str):
    return build_task(load_config(None, ["task.name=dataset", f"task.path={path}", *settings]).task)


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ("validation", ["validation 0", "validation 1", "validation 2", "validation 3"]),
        ("train[:1]", ["train 0"]),
        ("train[-1:]", ["train 3"]),
        ("train[50%:]", ["train 2", "train 3"]),
        ("train[:25%]+test[1:2]", ["train 0", "test 1"]),
        ("train[9:]+test[3:]", ["test 3"]),
    ],
)
def test_splits_of_a_folder_are_those_asked_for(tmp_path: Path, asked: str, wanted: list[str]):
    write(tmp_path, "train", "test", "validation")
    assert prompts(read_rows(str(tmp_path), "test", subset=None, hub_split=asked)) == wanted
    task = task_of(tmp_path, f"task.test_split='{asked}'", "task.train_split='train[:-1]'")
    assert [question.prompt for question in task.questions("test")] == wanted
    assert len(task.questions("train")) == 3


def test_a_split_that_is_not_there_is_refused_not_replaced(tmp_path: Path):
    write(tmp_path, "train", "test")
    with pytest.raises(UserError, match=r"none of validation\.jsonl"):
        task_of(tmp_path, "task.test_split=validation")


@pytest.mark.parametrize("asked", ["train[", "train[1]", "", "a b", "train[x:]"])
def test_what_is_no_split_is_refused(asked: str):
    with pytest.raises(UserError, match=r"task\.test_split .* is no split; write a name"):
        parse_split(asked, "task.test_split")


def test_a_range_holds_for_a_named_file(tmp_path: Path):
    write(tmp_path, "all")
    task = task_of(tmp_path, "task.train_file=all.jsonl", "task.test_file=all.jsonl", "task.train_split='train[:3]'",
                   "task.test_split='train[3:]'")  # fmt: skip
    assert [question.prompt for question in task.questions("test")] == ["all 3"]
    assert len(task.questions("train")) == 3


# --- one table ---------------------------------------------------------------------------------------------------


def test_a_train_split_alone_is_parted_by_a_seed(tmp_path: Path):
    write(tmp_path, "train")
    for path in (tmp_path, tmp_path / "train.jsonl"):
        train, test = read_splits(str(path), held_out=2, seed=1)
        assert len(test) == 2
        assert sorted(prompts([*train, *test])) == prompts(rows("train"))
        assert read_splits(str(path), held_out=2, seed=1) == (train, test)
    with pytest.raises(UserError, match=r"task\.held_out=N"):
        read_splits(str(tmp_path / "train.jsonl"))
    with pytest.raises(UserError, match="at most 3"):
        hold_out(rows("train"), 4, seed=0)
    assert hold_out(rows("train"), 0.5, seed=0) == hold_out(rows("train"), 2, seed=0), "a share of the four"
    assert hold_out(rows("train"), 0.01, seed=0) == hold_out(rows("train"), 1, seed=0), "at least one"


@pytest.mark.parametrize("name", ["gsm8k", "math", "dataset"])
def test_every_task_that_reads_rows_can_hold_out(tmp_path: Path, name: str):
    lines = [{"prompt": "?", "question": "?", "problem": "?", "answer": f"#### {i}"} for i in range(5)]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    task = build_task(load_config(None, [f"task.name={name}", f"task.path={tmp_path}", "task.held_out=2"]).task)
    assert (len(task.questions("train")), len(task.questions("test"))) == (3, 2)


def test_a_test_split_and_a_held_out_one_are_one_too_many(tmp_path: Path):
    write(tmp_path, "train", "test")
    with pytest.raises(UserError, match="leave one of them out"):
        task_of(tmp_path, "task.held_out=1", "task.test_split='train[:1]'")


# --- formats -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz"])
def test_compressed_lines_are_read(tmp_path: Path, suffix: str):
    write(tmp_path, "train", "test", suffix=suffix)
    assert read_splits(str(tmp_path)) == (rows("train"), rows("test"))


@pytest.mark.parametrize("compressed", [False, True])
def test_csv_is_text_as_it_stands_there(tmp_path: Path, compressed: bool):
    plain = tmp_path / "train.csv"
    with plain.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([["prompt", "answer"], ['a,\n"b"', "007"], ["", "1.0"]])
    if compressed:
        (tmp_path / "train.csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()
    wanted = [{"prompt": 'a,\n"b"', "answer": "007"}, {"prompt": "", "answer": "1.0"}]
    assert read_rows(str(tmp_path), "train", subset=None) == wanted


def test_csv_rows_of_another_length_are_refused(tmp_path: Path):
    (tmp_path / "train.csv").write_text("prompt,answer\na,b,c\n")
    with pytest.raises(UserError, match="row 1 does not have the header's 2 columns"):
        read_rows(str(tmp_path), "train", subset=None)


@pytest.mark.parametrize("home", [".", "data", "main"])
def test_shards_of_a_clone_are_read_in_order(tmp_path: Path, home: str):
    folder = tmp_path / home
    folder.mkdir(exist_ok=True)
    for split in ("train", "test"):
        for number in range(2):
            lines = "".join(json.dumps(row) + "\n" for row in rows(f"{split}{number}", 1))
            (folder / f"{split}-0000{number}-of-00002.jsonl").write_text(lines)
    train, test = read_splits(str(tmp_path), subset="main")
    assert (prompts(train), prompts(test)) == (["train0 0", "train1 0"], ["test0 0", "test1 0"])
    (folder / "test-00000-of-00002.jsonl").unlink()
    with pytest.raises(UserError, match="1 of the 2 files of split 'test'"):
        read_splits(str(tmp_path), subset="main")


def test_what_save_to_disk_wrote_is_read(tmp_path: Path):
    both = datasets.DatasetDict({name: datasets.Dataset.from_list(rows(name)) for name in ("train", "validation")})
    both.save_to_disk(tmp_path / "both")
    assert read_rows(str(tmp_path / "both"), "test", subset=None, hub_split="validation") == rows("validation")
    with pytest.raises(UserError, match="has no split 'test'"):
        read_rows(str(tmp_path / "both"), "test", subset=None)
    both["train"].save_to_disk(tmp_path / "one")
    assert read_splits(str(tmp_path / "one"), splits=("train[:3]", "train[3:]"))[1] == rows("train")[3:]


def test_a_pointer_of_git_lfs_is_no_data(tmp_path: Path):
    (tmp_path / "train.parquet").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(UserError, match="git lfs pull"):
        read_file(tmp_path / "train.parquet")


def test_a_dataset_made_by_a_script_is_refused(monkeypatch: pytest.MonkeyPatch):
    def load_dataset(*_: object, **__: object) -> None:
        raise RuntimeError("Dataset scripts are no longer supported, but found gsm8k.py")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(UserError, match="made by a script"):
        read_rows("openai/gsm8k", "train", subset=None)


def test_a_column_of_questions_is_suggested():
    with pytest.raises(UserError, match=r"set task\.prompt_column=question"):
        require_columns([{"question": "?", "answer": "1"}], ["prompt"], "train", "task.prompt_column=")
