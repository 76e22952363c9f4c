"""Questions in the policy's own chat template: by which settings, and what judges and finetuning make of them."""

import json

import pytest

from small_chats import chat_tokenizer
from test_chat import policy_of
from vineppo.chat import as_given, encode_prompt, opened, prompt_reader
from vineppo.errors import UserError
from vineppo.recipes.demonstrated import tokenize
from vineppo.tasks.build import build_task
from vineppo.tasks.dataset import DatasetTask, RewardConfig
from vineppo.tasks.gsm8k import Gsm8kTask
from vineppo.tasks.mathematics import MathTask
from vineppo.tasks.reasoning_gym import ReasoningGymTask
from vineppo.tasks.templated import TemplatedTask
from vineppo.types import Posed, prompt_text

CHATTY, PLAIN_TOKENIZER = chat_tokenizer(), chat_tokenizer(None)
ROW = {"question": "1 + 1?", "answer": "Easy.\n#### 2"}


def seen(task: TemplatedTask, tokenizer=CHATTY) -> str:
    """By a policy with this tokenizer."""
    return prompt_reader(tokenizer)(encode_prompt(tokenizer, task.ask("1 + 1?", where="")))


def write(folder, row):
    for split in ("train", "test"):
        (folder / f"{split}.jsonl").write_text(json.dumps(row))
    return str(folder)


def in_chat(said: str) -> str:
    return f"<bos><turn>user {said}<end_turn>\n<turn>assistant <think>"


ASKED = (
    "1 + 1?\n\nReason step by step, each step on a line of its own. "
    "End with a line that holds #### and the final number."
)
PAPER = "[MATH_TASK] Problem:\n1 + 1?\n\nSolution:"


@pytest.mark.parametrize(
    ("settings", "with_template", "without"),
    [
        ({}, in_chat(ASKED), PAPER),
        ({"chat": False}, PAPER, PAPER),
        ({"template": "Q: {question}"}, "Q: 1 + 1?", "Q: 1 + 1?"),
        ({"template": "plain", "chat": True}, in_chat("1 + 1?"), None),
        ({"chat": True}, in_chat(ASKED), None),
    ],
)
def test_who_has_a_chat_template_is_asked_in_it_unless_a_template_says_how(settings, with_template, without):
    task = Gsm8kTask(**settings)
    assert seen(task) == with_template
    if without is None:
        with pytest.raises(UserError, match=r"task\.chat is true, but the tokenizer of .* has no chat"):
            seen(task, PLAIN_TOKENIZER)
    else:
        assert seen(task, PLAIN_TOKENIZER) == without


def test_each_task_asks_for_what_its_judge_reads():
    assert "A: and the final number" in seen(Gsm8kTask(answer_marker="A:"))
    assert seen(MathTask()).endswith("within \\boxed{}.<end_turn>\n<turn>assistant <think>")
    assert seen(DatasetTask()) == "1 + 1?", "a data set's prompts may be whole already"
    assert seen(DatasetTask(chat=True)) == in_chat("1 + 1?")
    assert seen(DatasetTask(chat=True, template="boxed")) == seen(MathTask())


def test_questions_of_generators_are_posed_too():
    pytest.importorskip("reasoning_gym", reason="the extra vineppo[reasoning-gym] is not installed")
    question = build_task(ReasoningGymTask(train_questions=1, test_questions=1)).questions("train")[0]
    said = prompt_reader(CHATTY)(encode_prompt(CHATTY, question.prompt))
    assert said.startswith(f"<bos><turn>user {prompt_text(question.prompt)}")
    assert "between <answer> and </answer>." in said
    assert as_given(PLAIN_TOKENIZER, question.prompt) == (
        f"{prompt_text(question.prompt)}\n\nGive the final answer between <answer> and </answer>.\n"
    )


def test_what_a_chat_template_begins_belongs_to_the_response_only_where_it_is_used():
    prompt = Gsm8kTask().ask("1 + 1?", where="")
    assert opened(CHATTY, prompt) == "<think>"
    assert opened(PLAIN_TOKENIZER, prompt) == ""


def test_finetuning_learns_what_will_be_asked(tmp_path):
    """In a chat the response begins in a new turn and ends with the turn; as text it begins a line."""
    task = Gsm8kTask(path=write(tmp_path, ROW), subset=None).build()
    [worked] = task.demonstrations("train")
    for tokenizer, response in ((CHATTY, "Easy.\n#### 2<end_turn>"), (PLAIN_TOKENIZER, "\nEasy.\n#### 2<eos>")):
        policy = policy_of(tokenizer)
        policy.model.config.max_position_embeddings = 256
        example = tokenize(policy, worked)
        read = prompt_reader(tokenizer)
        assert read(example.token_ids[: example.prompt_length]) == seen(Gsm8kTask(), tokenizer)
        assert read(example.token_ids[example.prompt_length :]) == response


REWARD = """
def says_two(prompts, completions, **columns):
    assert prompts == ["1 + 1?"] * len(completions)
    return [float("2" in completion) for completion in completions]
"""


def test_reward_functions_get_text_where_the_data_have_text(tmp_path):
    (tmp_path / "rewards.py").write_text(REWARD)
    path = write(tmp_path, {"prompt": "1 + 1?"})
    rewards = [RewardConfig(function=f"{tmp_path}/rewards.py:says_two")]
    task = build_task(DatasetTask(path=path, rewards=rewards, chat=True, template="Say: {question}"))
    [question] = task.questions("train")
    assert question.prompt == Posed(question="1 + 1?", message="Say: 1 + 1?")
    assert [judgement.reward for judgement in task.judge([question] * 2, ["2", "3"])] == [1.0, 0.0]
