"""Prompts as token ids, responses as text, and which tokens end one: all that a tokenizer and its chat template say."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from vineppo.errors import UserError
from vineppo.types import Conversation, Message, Posed, Prompt, messages_of

TemplateKwargs = Mapping[str, object]
"""Handed to the chat template, e.g. {"enable_thinking": False}."""

TOGETHER = 2048
"""Texts tokenised in one call: quick, and often enough to tell how far it is."""

ANYTHING = "vineppo"
"""A word of somebody, to see what a template puts around it."""
TALKS = (("user", "assistant"), ("system", "user", "assistant"), ("user", "model"))
"""Who speaks in conversations that some template takes."""
TAG = re.compile(r"(<\|?\w[\w:.-]*\|?>|\[[A-Z_]+\])\s*\Z")
"""At the end of a prompt, such as `<think>`, with the whitespace after it."""
THOUGHT = re.compile("think|thought|reason", re.IGNORECASE)


def encode_prompt(
    tokenizer: PreTrainedTokenizerBase, prompt: Prompt, template_kwargs: TemplateKwargs | None = None
) -> tuple[int, ...]:
    """A prompt's token ids: text with the special tokens put in front, messages by the chat template."""
    return encode_prompts(tokenizer, [prompt], template_kwargs)[0]


def encode_prompts(
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Prompt],
    template_kwargs: TemplateKwargs | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[tuple[int, ...]]:
    """The same of many, which is a hundred times quicker than one by one."""
    encoded: list[tuple[int, ...]] = []
    before = special_prefix(tokenizer)
    for start in range(0, len(prompts), TOGETHER):
        some = [as_given(tokenizer, prompt) for prompt in prompts[start : start + TOGETHER]]
        texts = [prompt if isinstance(prompt, str) else render(tokenizer, prompt, template_kwargs) for prompt in some]
        for prompt, ids in zip(some, _token_ids(tokenizer, texts), strict=True):
            # Rendered text, by a template or by whoever made the data set, may have its special tokens already.
            bare = isinstance(prompt, str) and ids[: len(before)] != before
            encoded.append(before + ids if bare else ids)
        if progress is not None:
            progress(len(encoded), len(prompts))
    return encoded


def as_given(tokenizer: PreTrainedTokenizerBase, prompt: Prompt) -> Prompt:
    """What a policy gets of a prompt that has two forms: the text where it has no chat template."""
    if not isinstance(prompt, Posed) or tokenizer.chat_template:
        return prompt
    if prompt.text is None:
        raise UserError(
            f"task.chat is true, but the tokenizer of {tokenizer.name_or_path} has no chat template; set it to false, "
            "or take a chat model"
        )
    return prompt.text


def special_prefix(tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """What the tokenizer puts in front of a text, often a BOS. What it puts behind (an EOS) would end the prompt."""
    whole, bare = tuple(tokenizer("a").input_ids), tuple(tokenizer("a", add_special_tokens=False).input_ids)
    for start in reversed(range(len(whole) - len(bare) + 1)):  # an unknown letter may look like what is in front
        if whole[start : start + len(bare)] == bare:
            return whole[:start]
    return ()


def render(tokenizer: PreTrainedTokenizerBase, prompt: Prompt, template_kwargs: TemplateKwargs | None = None) -> str:
    """A conversation as the policy's chat template writes it; one that ends with an assistant's message goes on."""
    in_parts = takes_parts(tokenizer, str(tokenizer.chat_template))
    messages = [
        {"role": m.role, "content": _parts(m.content) if in_parts else m.content, **m.more} for m in messages_of(prompt)
    ]
    kwargs = _template_kwargs(prompt, template_kwargs)
    try:
        text = _rendered(tokenizer, messages, **kwargs)
    except (ValueError, TypeError, TemplateError) as error:
        raise UserError(
            f"policy.path: the chat template of {tokenizer.name_or_path} does not take this prompt of "
            f"messages ({' '.join(str(error).split())[:160]}); take a chat model, or give prompts as text"
        ) from error
    if "tools" in kwargs and text == _rendered(tokenizer, messages, **{**kwargs, "tools": None}):
        raise UserError(
            f"policy.path: the chat template of {tokenizer.name_or_path} leaves out the tools of this prompt; take a "
            "model whose template has them, or drop the column tools"
        )
    return text


def opened(tokenizer: PreTrainedTokenizerBase, prompt: Prompt, template_kwargs: TemplateKwargs | None = None) -> str:
    """What the chat template begins the response with, as some do with `<think>`; empty where it begins nothing.

    A prompt may also end with a tag that names who speaks. That one stands before answers in a conversation, too.
    """
    prompt = as_given(tokenizer, prompt)
    if isinstance(prompt, str) or messages_of(prompt)[-1].role == "assistant":
        return ""
    tag = TAG.search(render(tokenizer, prompt, template_kwargs))
    if tag is None or THOUGHT.search(tag[1]):
        return "" if tag is None else tag[0]
    whole = prompt if isinstance(prompt, Conversation) else Conversation(messages=messages_of(prompt))
    answered = replace(whole, messages=(*whole.messages, Message(role="assistant", content=ANYTHING)))
    try:
        before, _, _ = render(tokenizer, answered, template_kwargs).rpartition(ANYTHING)
    except UserError:  # it takes no such conversation, so nothing is known of the tag
        return ""
    return "" if before.rstrip().endswith(tag[1]) else tag[0]


def decode_tokens(tokenizer: PreTrainedTokenizerBase, token_ids: Sequence[int], dropped: Collection[int] = ()) -> str:
    """The text of token ids without those that end or pad. Other special tokens may be tags that a judge looks for."""
    kept = [token_id for token_id in token_ids if token_id not in dropped and token_id != tokenizer.pad_token_id]
    text = tokenizer.decode(kept, skip_special_tokens=False)
    assert isinstance(text, str), "one list of ids decodes to one text"
    return text


def prompt_reader(tokenizer: PreTrainedTokenizerBase) -> Callable[[Sequence[int]], str]:
    """Token ids of prompts as text, all that the policy sees: chat template and special tokens included."""

    def read(token_ids: Sequence[int]) -> str:
        text = tokenizer.decode(list(token_ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)
        assert isinstance(text, str), "one list of ids decodes to one text"
        return text

    return read


def response_decoder(tokenizer: PreTrainedTokenizerBase, end_ids: Iterable[int]) -> Callable[[Sequence[int]], str]:
    """`decode_tokens` of responses that these tokens end."""
    return partial(decode_tokens, tokenizer, dropped=frozenset(end_ids))


def end_tokens(
    tokenizer: PreTrainedTokenizerBase, configured: object = None, *, vocabulary: int | None = None
) -> tuple[int, ...]:
    """Tokens that end a response: the generation config's (`configured`), the tokenizer's, the chat template's.

    All of them: a chat model's generation config often names only one, and its template ends turns with another.
    `vocabulary`: the ids that the model has; others it can never sample.
    """
    found: list[object] = [*configured] if isinstance(configured, list | tuple) else [configured]
    found += [tokenizer.eos_token_id, turn_end(tokenizer, str(tokenizer.chat_template))]
    ids = dict.fromkeys(int(token) for token in found if isinstance(token, int) and token >= 0)
    return tuple(token for token in ids if vocabulary is None or token < vocabulary)


@lru_cache(maxsize=16)
def turn_end(tokenizer: PreTrainedTokenizerBase, template: str) -> int | None:
    """The token that the chat template puts after an assistant's last message, or else before what follows one; None
    where there is none.

    `template` is the tokenizer's own: a tokenizer whose template was changed is asked anew.
    """
    if not tokenizer.chat_template:
        return None
    never = (tokenizer.bos_token_id, tokenizer.unk_token_id, tokenizer.pad_token_id)
    for tail in _tails(tokenizer, template):
        ids = tokenizer(tail.strip(), add_special_tokens=False).input_ids
        special = [token for token in ids if token in tokenizer.added_tokens_decoder or len(ids) == 1]
        ends = [token for token in special if token not in never or token == tokenizer.eos_token_id]
        if ends:
            return ends[0]
    return None


def _tails(tokenizer: PreTrainedTokenizerBase, template: str) -> Iterator[str]:
    """What the template writes after an assistant's message: the last one, then one that a user answers."""
    wrap: Callable[[str], Any] = _parts if takes_parts(tokenizer, template) else str
    for after in ([], [{"role": "user", "content": wrap("Hello")}]):
        for roles in TALKS:
            said = [{"role": role, "content": wrap("Hello")} for role in roles[:-1]]
            talk = [*said, {"role": roles[-1], "content": wrap(ANYTHING)}, *after]
            try:
                text = tokenizer.apply_chat_template(talk, tokenize=False)
            except (ValueError, TypeError, TemplateError):  # it takes no such conversation
                continue
            _, found, tail = str(text).rpartition(ANYTHING)
            if found:
                yield tail


@lru_cache(maxsize=16)
def takes_parts(tokenizer: PreTrainedTokenizerBase, template: str) -> bool:
    """Whether the template, `template`, writes contents only where they are lists of parts, as of models that see."""
    if not tokenizer.chat_template:
        return False

    def written(content: Any) -> bool:
        try:
            return ANYTHING in str(
                tokenizer.apply_chat_template([{"role": "user", "content": content}], tokenize=False)
            )
        except (ValueError, TypeError, TemplateError):
            return False

    return not written(ANYTHING) and written(_parts(ANYTHING))


def _parts(text: str) -> Any:
    return [{"type": "text", "text": text}]


def _template_kwargs(prompt: Prompt, template_kwargs: TemplateKwargs | None) -> dict[str, Any]:
    """The policy's, the prompt's own, and its tools."""
    own = prompt if isinstance(prompt, Conversation) else Conversation(messages=())
    tools = {"tools": [dict(tool) for tool in own.tools]} if own.tools else {}
    return {**(template_kwargs or {}), **own.template_kwargs, **tools}


def _rendered(tokenizer: PreTrainedTokenizerBase, messages: list[dict[str, Any]], **kwargs: Any) -> str:
    continues = messages[-1]["role"] == "assistant"
    text = tokenizer.apply_chat_template(
        messages,
        add_generation_prompt=not continues,
        continue_final_message=continues,
        tokenize=False,
        **kwargs,
    )
    assert isinstance(text, str), "one conversation gives one text"
    return text


def _token_ids(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[tuple[int, ...]]:
    return [tuple(ids) for ids in tokenizer(list(texts), add_special_tokens=False).input_ids]
