"""Prompts and responses through tokenizers and chat templates of all kinds: nothing is added, closed or lost unseen."""

from dataclasses import replace
from pathlib import Path

import pytest
from transformers import LlamaConfig, LlamaForCausalLM

from small_chats import NO_TOOLS, TEMPLATE, chat_tokenizer, ids
from vineppo import load_config
from vineppo.chat import (
    decode_tokens,
    encode_prompt,
    encode_prompts,
    end_tokens,
    opened,
    prompt_reader,
    render,
    turn_end,
)
from vineppo.doctor.endings import judge_endings
from vineppo.doctor.finding import Verdict
from vineppo.environment import State
from vineppo.errors import UserError
from vineppo.policy import Policy, load_policy
from vineppo.recipes.build import build_environment
from vineppo.recipes.warnings import cut_off
from vineppo.steps import Pieces
from vineppo.tasks.prompts import read_prompts
from vineppo.tasks.reward import RewardTask
from vineppo.tasks.templates import PLAIN
from vineppo.types import Conversation, Message, Prompt, Sampling, asked_text

HELLO = (Message(role="user", content="Hello"),)
BEGUN = (*HELLO, Message(role="assistant", content="It is"))
TOOLS = ({"name": "add"},)
IN_PARTS = TEMPLATE.replace("message.content", "message.content | map(attribute='text') | join")
"""As of models that see: strings would vanish."""


def policy_of(tokenizer, *, eos: int | list[int] | None = 1) -> Policy:
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=64,
        eos_token_id=None,
        bos_token_id=None,
    )
    model = LlamaForCausalLM(config).eval()
    assert model.generation_config is not None
    model.generation_config.eos_token_id = eos
    return Policy(model=model, tokenizer=tokenizer)


# --- what ends a response ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("configured", [None, 1, [1], [7, 1]])
def test_all_that_may_end_a_response_does(configured):
    tokenizer = chat_tokenizer()
    eos, end = ids(tokenizer, "<eos>", "<end_turn>")
    wanted = {eos, end, *(configured if isinstance(configured, list) else [])}
    assert set(policy_of(tokenizer, eos=configured).end_ids) == wanted


@pytest.mark.parametrize(
    ("template", "token"),
    [
        (TEMPLATE, "<end_turn>"),
        (TEMPLATE.replace("<end_turn>\n", "\n<end_turn>"), "<end_turn>"),
        (TEMPLATE.replace("<end_turn>", "{{ eos_token }}"), "<eos>"),
        (TEMPLATE.replace("<end_turn>\n", "{% if not loop.last %}<end_turn>{% endif %}"), "<end_turn>"),
        (TEMPLATE.replace("<end_turn>", ""), "<turn>"),  # what begins the next turn ends this one
        (TEMPLATE.replace("<end_turn>", "").replace("<turn>", ""), None),
        ("{% if messages[0].role != 'system' %}{{ raise_exception('whose?') }}{% endif %}" + TEMPLATE, "<end_turn>"),
        (IN_PARTS, "<end_turn>"),
        (TEMPLATE.replace("message.content", "message.content | upper"), None),
        ("{{ raise_exception('no chats') }}", None),
        (None, None),
    ],
)
def test_the_end_of_a_turn_is_read_from_the_chat_template(template, token):
    tokenizer = chat_tokenizer(template)
    assert turn_end(tokenizer, str(template)) == (None if token is None else ids(tokenizer, token)[0])


def test_a_token_that_the_model_does_not_have_ends_nothing():
    tokenizer = chat_tokenizer(None)
    assert end_tokens(tokenizer, [5, 10**6, -1], vocabulary=len(tokenizer)) == (5, 1)


def test_no_end_token_at_all_is_refused():
    tokenizer = chat_tokenizer(None)
    tokenizer.eos_token = None
    task = RewardTask(train=[{"prompt": "a"}], test=[{"prompt": "b"}], reward=lambda completions, **_: [0.0])
    with pytest.raises(UserError, match="eos_token_id in its generation_config"):
        build_environment(policy_of(tokenizer, eos=None), task, load_config(None, []).engine)


def test_where_all_are_cut_off_a_person_is_told_what_ends_a_response():
    policy = policy_of(chat_tokenizer())
    known = set[str]()
    assert cut_off(0.9, "trajectories", policy=policy, limit=5, known=known) is None
    warning = cut_off(1.0, "trajectories", policy=policy, limit=5, known=known)
    assert cut_off(1.0, "trajectories", policy=policy, limit=5, known=known) is None
    assert warning is not None
    assert "max_new_tokens 5" in warning
    assert "'<eos>', '<end_turn>'" in warning
    sampling = Sampling(max_new_tokens=5, stop=("Problem:",))
    some, all = (judge_endings(share, 8, policy=policy, sampling=sampling, tried=5) for share in (0.5, 1.0))
    assert some.verdict is Verdict.OK
    assert all.verdict is Verdict.WARN
    assert "'<eos>', '<end_turn>' and the text 'Problem:' end a response; 4 of 8 were cut off" in some.found


# --- special tokens that are tags --------------------------------------------------------------------------------


def test_only_what_ends_or_pads_is_left_out_of_a_response():
    policy = policy_of(chat_tokenizer())
    text = "<think>1 + 1</think><answer>2</answer>"
    tokens = (*policy.tokenizer(text).input_ids, *ids(policy.tokenizer, "<end_turn>", "<pad>", "<pad>"))
    assert policy.decode(tokens) == text
    assert policy.decode(ids(policy.tokenizer, "<eos>", "<bos>")) == "<bos>"
    pieces = Pieces(policy.decode)(tokens)
    assert "".join(pieces) == text
    assert pieces[0] == "<think>"
    assert decode_tokens(policy.tokenizer, tokens, ()) == f"{text}<end_turn>"


# --- prompts -----------------------------------------------------------------------------------------------------


def test_a_prompt_is_shown_as_the_policy_sees_it():
    """Its template too, and tokens that would end or pad a response: reading is encoding backwards."""
    tokenizer = chat_tokenizer(bos=True)
    read = prompt_reader(tokenizer)
    assert read(encode_prompt(tokenizer, HELLO)) == "<bos><turn>user Hello<end_turn>\n<turn>assistant <think>"
    assert read(encode_prompt(tokenizer, "Say <eos> , then <pad>")) == "<bos>Say <eos> , then <pad>"
    assert encode_prompt(tokenizer, read(encode_prompt(tokenizer, HELLO))) == encode_prompt(tokenizer, HELLO)


@pytest.mark.parametrize(
    "prompt",
    ["1 + 1?", (Message(role="system", content="Be brief."), Message(role="user", content="1 + 1?")),
     Conversation(messages=(Message(role="user", content="1 + 1?"), Message(role="assistant", content="It is")))],
)  # fmt: skip
def test_headings_have_the_question_alone(prompt: Prompt):
    assert asked_text(prompt) == "1 + 1?"


def test_a_conversation_that_an_assistant_began_is_continued():
    tokenizer = chat_tokenizer()
    assert render(tokenizer, BEGUN).endswith("<turn>assistant It is")
    assert render(tokenizer, HELLO).endswith("<turn>assistant <think>")


def test_template_arguments_reach_the_template_and_a_rows_own_win():
    tokenizer = chat_tokenizer()
    quiet = {"enable_thinking": False}
    assert render(tokenizer, HELLO, quiet).endswith("assistant ")
    assert not render(tokenizer, Conversation(messages=HELLO, template_kwargs=quiet)).endswith("<think>")
    loud = Conversation(messages=HELLO, template_kwargs={"enable_thinking": True})
    assert render(tokenizer, loud, quiet).endswith("<think>")


def test_the_configured_arguments_reach_the_environment(tmp_path: Path):
    policy_of(chat_tokenizer()).save(tmp_path)
    config = load_config(None, ["policy.chat_template_kwargs={enable_thinking: false}"])
    policy = load_policy(str(tmp_path), device="cpu", template_kwargs=config.policy.chat_template_kwargs)
    task = RewardTask(train=[{"prompt": "a"}], test=[{"prompt": "b"}], reward=lambda completions, **_: [0.0])
    environment = build_environment(policy, task, config.engine)
    assert environment.encode(HELLO) == policy.encode(HELLO)
    assert policy.encode(HELLO)[-1] not in ids(policy.tokenizer, "<think>")


def test_a_template_of_parts_gets_parts():
    assert render(chat_tokenizer(IN_PARTS), BEGUN) == render(chat_tokenizer(), BEGUN)
    assert "Hello" in render(chat_tokenizer(IN_PARTS), HELLO)


HEADED = (
    "{% for m in messages %}<turn>{{ m.role }} {% if m.role == 'assistant' %}BEFORE{% endif %}{{ m.content }}"
    "<end_turn>{% endfor %}{% if add_generation_prompt %}<turn>assistant BEGUN{% endif %}"
)


@pytest.mark.parametrize(
    ("before", "begun", "found"),
    [
        ("", "<think>\n", "<think>\n"),
        ("<think></think>", "<think>", "<think>"),
        ("<think>", "<think>", "<think>"),
        ("", "[THINK]", "[THINK]"),
        ("", "<answer>", "<answer>"),
        ("", "<think>\n\n</think>\n\n", ""),
        ("", "", ""),
        ("<assistant>", "<assistant>\n", ""),
        ("<|end_header_id|>\n", "<|end_header_id|>\n", ""),
    ],
)
def test_what_the_template_opens_is_told_from_who_speaks(before: str, begun: str, found: str):
    tokenizer = chat_tokenizer(HEADED.replace("BEFORE", before).replace("BEGUN", begun))
    assert opened(tokenizer, HELLO) == found
    assert opened(tokenizer, BEGUN) == opened(tokenizer, "Go: <think>") == ""


def test_judges_see_what_the_template_opened_and_steps_and_tokens_what_was_sampled():
    seen: list[str] = []

    def reward(completions: list[list[dict[str, str]]], completion_ids: list[list[int]], **_: object) -> list[float]:
        seen.extend(completion[0]["content"] for completion in completions)
        return [float(len(own)) for own in completion_ids]

    rows = [{"prompt": [{"role": "user", "content": "Hello"}]}]
    task = RewardTask(train=rows, test=rows, reward=reward)
    policy = policy_of(chat_tokenizer())
    environment = build_environment(policy, task, load_config(None, []).engine)
    sampling = Sampling(max_new_tokens=4)
    (trajectory,) = environment.sample(task.questions("train"), count=1, sampling=sampling, seed=0)
    (judged,) = environment.judge_trajectories([trajectory])
    assert seen == [f"<think>{trajectory.text}"]
    assert trajectory.text == policy.decode(trajectory.response_ids)
    assert judged.reward == len(trajectory.response_ids)
    state = State(question=trajectory.question, prompt_ids=trajectory.prompt_ids, response_ids=(40,))
    ((rollout,),) = environment.rollouts([state], count=1, sampling=sampling, seed=0)
    assert seen[1:] == [f"<think>{rollout.text}"]
    quiet = build_environment(
        replace(policy, template_kwargs={"enable_thinking": False}), task, load_config(None, []).engine
    )
    quiet.judge_trajectories([trajectory])
    assert seen[2:] == [trajectory.text]


def test_tools_reach_the_template_or_are_refused():
    row = {"prompt": [{"role": "user", "content": "Hello"}], "tools": '[{"name": "add"}]'}
    (prompt,) = read_prompts([row], "prompt", "train", PLAIN)
    assert prompt == Conversation(messages=HELLO, tools=TOOLS)
    assert '<turn>tools [{"name": "add"}]<end_turn>' in render(chat_tokenizer(), prompt)
    with pytest.raises(UserError, match="drop the column tools"):
        render(chat_tokenizer(NO_TOOLS), prompt)
    with pytest.raises(UserError, match="its prompt is text"):
        read_prompts([{**row, "prompt": "Hello"}], "prompt", "train", PLAIN)


def test_what_else_a_message_has_reaches_the_template():
    tokenizer = chat_tokenizer("{% for m in messages %}{{ m.name }}: {{ m.content }}{% endfor %}")
    rows = [{"prompt": [{"role": "user", "content": "Hi", "name": "Ann", "tool_calls": None}]}]
    (prompt,) = read_prompts(rows, "prompt", "train", PLAIN)
    assert render(tokenizer, prompt) == "Ann: Hi"


@pytest.mark.parametrize("bos", [False, True])
@pytest.mark.parametrize("eos", [False, True])
def test_a_prompt_has_one_bos_at_most_and_no_eos(bos: bool, eos: bool):
    tokenizer = chat_tokenizer(bos=bos, eos=eos)
    first, last = ids(tokenizer, "<bos>", "<eos>")
    prompts: list[Prompt] = ["Hello", "<bos>Hello", HELLO, BEGUN]
    plain, rendered, *chats = encode_prompts(tokenizer, prompts)
    assert plain.count(first) == bos
    assert [own.count(first) for own in (rendered, *chats)] == [1, 1, 1]
    for own in (plain, rendered, *chats):
        assert last not in own
    assert plain[bos:] == rendered[1:]
    assert [encode_prompt(tokenizer, prompt) for prompt in prompts] == [plain, rendered, *chats]
