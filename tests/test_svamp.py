"""examples/svamp.py: problems of a folder become worked and plain ones, a line an operation."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))
import svamp

ROWS = [
    {
        "Body": "Ann had 8 apples.",
        "Question": "She ate 3 and got 5. How many?",
        "Answer": "10",
        "Equation": "((8-3)+5)",
    },
    {"Body": "Ben has 4 bags of 6 nuts.", "Question": "How many nuts?", "Answer": "24", "Type": "Multiplication"},
]


def test_two_problems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for split in ("train", "test"):
        (tmp_path / f"{split}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in ROWS))
    monkeypatch.setattr(svamp, "START", 1)
    monkeypatch.setattr(sys, "argv", ["svamp.py", str(tmp_path), str(tmp_path / "out")])
    svamp.main()

    def rows(name: str) -> list[dict[str, str]]:
        return [json.loads(line) for line in (tmp_path / "out" / name).read_text().splitlines()]

    first, second = "Ann had 8 apples. She ate 3 and got 5. How many?", "Ben has 4 bags of 6 nuts. How many nuts?"
    assert rows("worked/train.jsonl") == [{"question": first, "response": "8 - 3 = 5\n5 + 5 = 10\n#### 10"}]
    assert rows("train.jsonl") == [{"question": second, "answer": "24"}]
    assert rows("worked/test.jsonl")[1] == {"question": second, "response": "4 * 6 = 24\n#### 24"}
    assert rows("test.jsonl") == [{"question": first, "answer": "10"}, {"question": second, "answer": "24"}]
