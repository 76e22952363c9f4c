"""What supervised finetuning learns from, in tokens: demonstrations without end, and some that are held out.

The n-th demonstration depends on the seed alone, so a resumed run goes on by leaving out those it had.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count, islice

import numpy as np

from vineppo.chat import as_given, encode_prompts, turn_end
from vineppo.config.schema import SftConfig
from vineppo.errors import UserError
from vineppo.policy import Policy
from vineppo.rng import derive_seed
from vineppo.tasks.demonstrations import endless_demonstrations
from vineppo.tasks.settings import Worked
from vineppo.types import Posed, Prompt, PromptAndResponse

Split = tuple[list[Worked], list[Worked]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Demonstrated:
    """All that is learned from and measured on."""

    training: Iterator[PromptAndResponse]
    held_out: Sequence[PromptAndResponse]
    known: int | None
    """How many different ones there are to learn from; None where they are made as they are needed."""
    digest: str
    """Of them, where they are known."""


def read_rows_of(config: SftConfig) -> Split | None:
    """A data set's demonstrations, before any model is loaded; None where the task makes its own."""
    return config.task.worked()


def demonstrated(config: SftConfig, policy: Policy, rows: Split | None, *, skip: int) -> Demonstrated:
    """Both kinds as tokens; of those to learn from the first `skip` are left out."""
    if rows is None:
        held_out_seed = derive_seed(config.seed, "held out")
        held_out = islice(endless_demonstrations(config.task, seed=held_out_seed), config.held_out)
        drawn = islice(endless_demonstrations(config.task, seed=config.seed), skip, None)
        return Demonstrated(
            training=map(partial(tokenize, policy), drawn),
            held_out=tokenize_all(policy, list(held_out)),
            known=None,
            digest="",
        )
    train, test = rows
    items = tokenize_all(policy, train, "task.path, split 'train'")
    return Demonstrated(
        training=islice(endless_epochs(items, seed=config.seed), skip, None),
        held_out=tokenize_all(policy, test[: config.held_out], "task.path, split 'test'"),
        known=len(items),
        digest=digest_of(items),
    )


def endless_epochs(items: Sequence[PromptAndResponse], *, seed: int) -> Iterator[PromptAndResponse]:
    """All items, then all again, each time in another order."""
    for epoch in count():
        rng = np.random.default_rng(derive_seed(seed, "demonstrations", epoch))
        yield from (items[index] for index in rng.permutation(len(items)).tolist())


def tokenize(policy: Policy, demonstration: Worked) -> PromptAndResponse:
    """Prompt, response and the end token."""
    return tokenize_all(policy, [demonstration])[0]


def tokenize_all(policy: Policy, worked: Sequence[Worked], where: str = "") -> list[PromptAndResponse]:
    """The same of many, much quicker. The response is tokenised alone, as it is sampled: after the prompt's tokens."""
    if not worked:
        return []
    worked = [as_posed(policy, prompt, response) for prompt, response in worked]
    prompts = encode_prompts(policy.tokenizer, [prompt for prompt, _ in worked], policy.template_kwargs)
    responses = policy.tokenizer([response for _, response in worked], add_special_tokens=False).input_ids
    items = []
    for number, ((prompt, _), before, after) in enumerate(zip(worked, prompts, responses, strict=True), 1):
        if len(before) >= policy.context:
            place = f"{where}, row {number}: the prompt" if where else "a demonstration's prompt"
            raise UserError(
                f"{place} has {len(before)} tokens, but the model's context is {policy.context}; shorten "
                "task.template or leave the row out, or take a model with a longer context"
            )
        ids = (*before, *after, *end_of(policy, is_text=isinstance(prompt, str)))[: policy.context]
        items.append(PromptAndResponse(token_ids=ids, prompt_length=len(before)))
    return items


def as_posed(policy: Policy, prompt: Prompt, response: str) -> Worked:
    """In the form that this policy gets. A chat template has broken the line that a text prompt leaves to be broken."""
    given = as_given(policy.tokenizer, prompt)
    return given, response.removeprefix("\n") if isinstance(given, Posed) else response


def end_of(policy: Policy, *, is_text: bool) -> tuple[int, ...]:
    """The token that a response should learn to end with: in a conversation the chat template's end of a turn."""
    turn = None if is_text else turn_end(policy.tokenizer, str(policy.tokenizer.chat_template))
    return policy.end_ids[:1] if turn is None else (turn,)


def digest_of(items: Sequence[PromptAndResponse]) -> str:
    """To know them again."""
    digest = hashlib.blake2b(digest_size=16)
    for item in items:
        digest.update(np.array((item.prompt_length, *item.token_ids), np.int64).tobytes())
    return digest.hexdigest()
