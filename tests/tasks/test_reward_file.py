import pytest

from vineppo.errors import UserError
from vineppo.tasks.reward_file import load_reward


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "scores.py"
    file.write_text("from helper import one\n\nLIMIT = 3\n\ndef short(completions, **rest):\n    return [one()]\n")
    (tmp_path / "helper.py").write_text("def one():\n    return 1.0\n")
    return file


def test_a_function_is_found_with_what_it_imports(file):
    assert load_reward(f"{file}:short")(completions=["a"]) == [1.0]


def test_functions_of_a_file_share_their_globals(file):
    assert load_reward(f"{file}:short") is load_reward(f"{file}:short")


def test_a_path_starts_where_the_command_does(file, monkeypatch):
    monkeypatch.chdir(file.parent)
    assert load_reward("scores.py:short")(completions=[]) == [1.0]


@pytest.mark.parametrize("spec", ["short", "scores.py", "scores.py:", ":short", ""])
def test_other_forms_are_refused(spec):
    with pytest.raises(UserError, match=r"task\.rewards: function .* write the function as FILE\.py:NAME"):
        load_reward(spec)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("shrot", "has no shrot; did you mean short?"),
        ("LIMIT", "LIMIT is int, not a function"),
        ("quite_another", "has no quite_another; it holds one, short"),
    ],
)
def test_other_names_are_refused(file, name, message):
    with pytest.raises(UserError, match=message):
        load_reward(f"{file}:{name}")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"none\.py is no file; write"):
        load_reward(f"{tmp_path}/none.py:short")


@pytest.mark.parametrize(
    ("text", "problem"), [("def (:", "SyntaxError"), ("import no_such_thing", "ModuleNotFoundError"), ("1 / 0", "Zero")]
)
def test_a_file_that_does_not_run_is_refused(tmp_path, text, problem):
    (tmp_path / f"bad_{problem}.py").write_text(text)
    with pytest.raises(UserError, match=rf"cannot be run \({problem}.*\); correct it"):
        load_reward(f"{tmp_path}/bad_{problem}.py:short")


def test_what_is_no_python_file_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("short")
    with pytest.raises(UserError, match="is no Python file"):
        load_reward(f"{tmp_path}/notes.txt:short")
