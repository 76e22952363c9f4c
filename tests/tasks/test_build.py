import json

import pytest

from vineppo.errors import UserError
from vineppo.tasks.arithmetic import Arithmetic, ArithmeticTask
from vineppo.tasks.build import build_task
from vineppo.tasks.custom import CustomTask
from vineppo.tasks.gsm8k import Gsm8k, Gsm8kTask


def test_arithmetic_takes_all_its_knobs():
    config = ArithmeticTask(
        operations=2, modulus=12, operators="+-", train_questions=7, test_questions=3, seed=5, habits=0
    )
    task = build_task(config)
    assert isinstance(task, Arithmetic)
    same = Arithmetic(operations=2, modulus=12, operators="+-", train_questions=7, test_questions=3, seed=5)
    assert task.questions("train") == same.questions("train")
    assert len(task.questions("test")) == 3


def test_gsm8k_takes_path_and_template(tmp_path):
    for split in ("train", "test"):
        row = {"question": f"{split}?", "answer": "#### 1"}
        (tmp_path / f"{split}.jsonl").write_text(json.dumps(row))
    task = build_task(Gsm8kTask(path=str(tmp_path), template="Q: {question}"))
    assert isinstance(task, Gsm8k)
    assert [question.prompt for question in task.questions("test")] == ["Q: test?"]


def test_a_custom_task_comes_from_the_python_api_only():
    with pytest.raises(
        UserError, match=r"task\.name is 'custom'.* hand it over there, or name a class of yours, task=FILE\.py:CLASS"
    ):
        build_task(CustomTask())
