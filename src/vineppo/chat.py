"""Prompts as token ids, responses as text, and which tokens end one: all that a tokenizer and its chat template say."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from vineppo.errors import UserError
from vineppo.types import Conversation, Prompt, messages_of

TemplateKwargs = Mapping[str, object]
"""Handed to the chat template, e.g. {"enable_thinking": False}."""

TOGETHER = 2048
"""Texts tokenised in one call: quick, and often enough to tell how far it is."""

ANYTHING = "vineppo"
"""A word of an assistant, to see what a template puts after it."""


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
        some = prompts[start : start + TOGETHER]
        texts = [prompt if isinstance(prompt, str) else render(tokenizer, prompt, template_kwargs) for prompt in some]
        for prompt, ids in zip(some, _token_ids(tokenizer, texts), strict=True):
            # Rendered text, by a template or by whoever made the data set, may have its special tokens already.
            bare = isinstance(prompt, str) and ids[: len(before)] != before
            encoded.append(before + ids if bare else ids)
        if progress is not None:
            progress(len(encoded), len(prompts))
    return encoded


def special_prefix(tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """What the tokenizer puts in front of a text, often a BOS. What it puts behind (an EOS) would end the prompt."""
    whole, bare = tuple(tokenizer("a").input_ids), tuple(tokenizer("a", add_special_tokens=False).input_ids)
    for start in reversed(range(len(whole) - len(bare) + 1)):  # an unknown letter may look like what is in front
        if whole[start : start + len(bare)] == bare:
            return whole[:start]
    return ()


def render(tokenizer: PreTrainedTokenizerBase, prompt: Prompt, template_kwargs: TemplateKwargs | None = None) -> str:
    """A conversation as the policy's chat template writes it; one that ends with an assistant's message goes on."""
    messages = [{"role": message.role, "content": message.content, **message.more} for message in messages_of(prompt)]
    continues = messages[-1]["role"] == "assistant"
    own = prompt if isinstance(prompt, Conversation) else Conversation(messages=())
    kwargs: dict[str, Any] = {**(template_kwargs or {}), **own.template_kwargs}
    if own.tools:
        kwargs["tools"] = [dict(tool) for tool in own.tools]
    try:
        text = tokenizer.apply_chat_template(
            messages,
            add_generation_prompt=not continues,
            continue_final_message=continues,
            tokenize=False,
            **kwargs,
        )
    except (ValueError, TypeError, TemplateError) as error:
        raise UserError(
            f"policy.path: the chat template of {tokenizer.name_or_path} does not take this prompt of "
            f"messages ({' '.join(str(error).split())[:160]}); take a chat model, or give prompts as text"
        ) from error
    assert isinstance(text, str), "one conversation gives one text"
    if own.tools and not _tools_matter(tokenizer, messages, kwargs):
        raise UserError(
            f"policy.path: the chat template of {tokenizer.name_or_path} leaves out the tools of this prompt; take a "
            "model whose template has them, or drop the column tools"
        )
    return text


def decode_tokens(tokenizer: PreTrainedTokenizerBase, token_ids: Sequence[int], dropped: Collection[int] = ()) -> str:
    """The text of token ids without those that end or pad. Other special tokens may be tags that a judge looks for."""
    kept = [token_id for token_id in token_ids if token_id not in dropped and token_id != tokenizer.pad_token_id]
    text = tokenizer.decode(kept, skip_special_tokens=False)
    assert isinstance(text, str), "one list of ids decodes to one text"
    return text


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
    """The token that the chat template puts after an assistant's message; None where there is none.

    `template` is the tokenizer's own: a tokenizer whose template was changed is asked anew.
    """
    if not tokenizer.chat_template:
        return None
    try:
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": ANYTHING}], tokenize=False
        )
    except (ValueError, TypeError, TemplateError):  # no template for such a conversation says nothing of its end
        return None
    _, _, tail = str(text).rpartition(ANYTHING)
    ids = tokenizer(tail.strip(), add_special_tokens=False).input_ids
    never = (tokenizer.bos_token_id, tokenizer.unk_token_id, tokenizer.pad_token_id)
    special = [token for token in ids if token in tokenizer.added_tokens_decoder or len(ids) == 1]
    return next((token for token in special if token not in never or token == tokenizer.eos_token_id), None)


def _token_ids(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[tuple[int, ...]]:
    return [tuple(ids) for ids in tokenizer(list(texts), add_special_tokens=False).input_ids]


def _tools_matter(tokenizer: PreTrainedTokenizerBase, messages: list[Any], kwargs: dict[str, Any]) -> bool:
    """Whether the template writes them, of which most say nothing where they cannot."""
    without = {name: value for name, value in kwargs.items() if name != "tools"}
    one, other = (tokenizer.apply_chat_template(messages, tokenize=False, **given) for given in (kwargs, without))
    return one != other
