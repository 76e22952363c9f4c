"""Whether every question can be asked, found out for all rows at once and before anything is sampled."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from vineppo.chat import encode_prompts
from vineppo.config.schema import Config
from vineppo.errors import UserError
from vineppo.policy import Policy, vocabulary_size
from vineppo.progress import Display
from vineppo.seams import Split, Task
from vineppo.types import Conversation, Judgement, Question, messages_of

MANY = 5000
"""Prompts that take long enough to show how far it is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Unfit:
    """A question that cannot be asked."""

    question: Question
    reason: str
    """The same for all of a kind."""
    detail: str


def find_unfit(
    policy: Policy, questions: Sequence[Question], *, context: int, min_new_tokens: int = 1, quiet: bool = True
) -> list[Unfit]:
    """Those that cannot be asked, in order. Many are tokenised together."""
    broken = [q for q in questions if has_half_characters(q)]
    whole = [q for q in questions if not has_half_characters(q)] if broken else list(questions)
    prompts = [question.prompt for question in whole]
    if len(prompts) < MANY or quiet:
        encoded = encode_prompts(policy.tokenizer, prompts, policy.template_kwargs)
    else:
        with Display(len(prompts), unit="prompts") as display:
            encoded = encode_prompts(
                policy.tokenizer, prompts, policy.template_kwargs, lambda done, _: display.advance(done)
            )
    vocabulary = vocabulary_size(policy.model)
    unfit = [Unfit(question=q, reason="half characters (lone surrogates) in them", detail="no text") for q in broken]
    for question, ids in zip(whole, encoded, strict=True):
        if not ids:
            unfit.append(Unfit(question=question, reason="no token at all", detail="empty"))
        elif len(ids) >= context:
            reason = f"as many tokens as the context of {context} has, or more"
            unfit.append(Unfit(question=question, reason=reason, detail=f"{len(ids)} tokens"))
        elif context - len(ids) < min_new_tokens:
            reason = f"less room in the context of {context} than sampling.min_new_tokens {min_new_tokens}"
            unfit.append(Unfit(question=question, reason=reason, detail=f"{len(ids)} tokens"))
        elif max(ids) >= vocabulary:
            reason = f"tokens that the model's embedding of {vocabulary} rows does not have"
            unfit.append(Unfit(question=question, reason=reason, detail=f"token {max(ids)}"))
    return unfit


def has_half_characters(question: Question) -> bool:
    """Whether its text cannot be written in UTF-8."""
    extras = question.prompt.tools if isinstance(question.prompt, Conversation) else ()
    texts = [(message.role, message.content, message.more) for message in messages_of(question.prompt)]
    told = json.dumps([question.answer, texts, extras], ensure_ascii=False, default=str)
    try:
        told.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def complaint(unfit: Sequence[Unfit], total: int) -> str:
    """All kinds, with their counts and an example each."""
    kinds: dict[str, list[Unfit]] = defaultdict(list)
    for one in unfit:
        kinds[one.reason].append(one)
    words = [
        f"{len(own)} with {reason} (e.g. question {own[0].question.id}: {own[0].detail})"
        for reason, own in kinds.items()
    ]
    return f"{len(unfit)} of {total} questions cannot be asked: {'; '.join(words)}"


def check_prompts(policy: Policy, questions: Sequence[Question], *, context: int, min_new_tokens: int = 1) -> None:
    """Raise UserError unless all can be asked."""
    if unfit := find_unfit(policy, questions, context=context, min_new_tokens=min_new_tokens):
        raise UserError(
            f"{complaint(unfit, len(questions))}; leave them out, shorten task.template or take a model with a longer "
            "context"
        )


class Fitting:
    """A task without the questions that cannot be asked."""

    def __init__(self, task: Task, left_out: set[str]):
        splits: tuple[Split, ...] = ("train", "test")
        self._task = task
        self._questions = {s: [q for q in task.questions(s) if q.id not in left_out] for s in splits}

    def questions(self, split: Split) -> Sequence[Question]:
        """In the order of the task."""
        return self._questions[split]

    def judge(self, questions: Sequence[Question], responses: Sequence[str]) -> list[Judgement]:
        """As the task does."""
        return self._task.judge(questions, responses)


def fitting(task: Task, policy: Policy, config: Config, *, quiet: bool) -> tuple[Task, str]:
    """The task of a run, and what to tell of it. Raises UserError where questions cannot be asked, unless they are to
    be dropped and some are left in each split."""
    questions = [*task.questions("train"), *task.questions("test")]
    room = config.sampling.min_new_tokens
    context = config.engine.context_for(policy)
    unfit = find_unfit(policy, questions, context=context, min_new_tokens=room, quiet=quiet)
    if not unfit:
        return task, ""
    told = complaint(unfit, len(questions))
    if config.training.unfit_questions == "refuse":
        raise UserError(
            f"{told}; drop them with training.unfit_questions=drop, shorten task.template, lower "
            "sampling.min_new_tokens or take a model with a longer context"
        )
    left = Fitting(task, {one.question.id for one in unfit})
    if not left.questions("train") or not left.questions("test"):
        raise UserError(f"{told}; a split has none left: take a model with a longer context, or other data")
    return left, f"{told}; they are dropped"
