"""TRL's reward functions behind our Protocol `Task`: one judge in the process, for completions and rollouts alike."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan

from torch import Tensor
from trl.chat_template_utils import parse_response  # pyright: ignore[reportMissingImports]
from trl.data_utils import is_conversational  # pyright: ignore[reportMissingImports]

from vineppo.engines.prefixes import TokenIds
from vineppo.integrations.trl.base import Trainer
from vineppo.integrations.trl.shares import in_shares
from vineppo.processes import Processes
from vineppo.seams import Split
from vineppo.types import Judgement, Message, Outcome, Prompt, Question, Response

RowOfDataset = Mapping[str, object]
CalculateRewards = Callable[[list, list, list, list], Tensor]
"""TRL's own method: rows, prompts, completions, completion ids -> [B F] rewards of all processes, nan for None."""

PROMPT, ASKED = "prompt", "asked"


class TrlTask:
    """Every process hands in the same responses and gets all judgements."""

    def __init__(self, trainer: Trainer, calculate: CalculateRewards, processes: Processes):
        self._trainer = trainer
        self._calculate = calculate
        self._processes = processes

    def questions(self, split: Split) -> Sequence[Question]:
        """TRL asks the questions."""
        raise NotImplementedError("TRL's data loader asks the questions")

    def judge(self, questions: Sequence[Question], responses: Sequence[str]) -> list[Judgement]:
        """The weighted sum of what the reward functions say of each response, a `Response` with its tokens.

        What they log by `log_extra` and `log_metric` is not kept: TRL's tables tell of completions.
        """
        pairs = list(zip(questions, responses, strict=True))
        trainer = self._trainer
        kept = {name: dict(getattr(trainer, name)) for name in ("_pending_extra_logs", "_pending_metrics")}
        try:
            return in_shares(self._processes, pairs, self._judge)
        finally:
            for name, before in kept.items():
                pending = getattr(trainer, name)
                pending.clear()
                pending.update(before)

    def _judge(self, pairs: list[tuple[Question, str]]) -> list[Judgement]:
        """This process's share."""
        asked = [Asked.of(question) for question, _ in pairs]
        rows, prompts = [dict(own.row) for own in asked], [own.prompt for own in asked]
        ids = [list(response.token_ids) for _, response in pairs if isinstance(response, Response)]
        completions = as_completions(self._trainer, asked, ids)
        rewards = self._calculate(rows, prompts, completions, ids)
        own = slice(self._processes.rank * len(pairs), (self._processes.rank + 1) * len(pairs))
        return judgements(rewards[own], self._trainer.reward_weights)


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What TRL knows of a question."""

    row: RowOfDataset
    prompt: object
    """Text or messages, as the policy was asked: an environment may have added to the row's, or have one of its own."""
    prompt_ids: TokenIds

    def question(self, group: str) -> Question:
        """In our words. `group`: the same for all completions that TRL compares."""
        answer = self.row.get("answer", self.row.get("solution", ""))
        return Question(
            id=group,
            prompt=as_prompt(self.prompt),
            answer=answer if isinstance(answer, str) else "",
            columns={ASKED: self},
        )

    @staticmethod
    def of(question: Question) -> "Asked":
        """The way back."""
        asked = question.columns[ASKED]
        assert isinstance(asked, Asked), "TRL asked it"
        return asked


def as_completions(trainer: Trainer, asked: Sequence[Asked], ids: Sequence[list[int]]) -> list[object]:
    """Token ids as TRL shows them to reward functions: text, or the assistant's message where the prompt has messages.

    A tokenizer that says how its responses are to be read (`response_template`) reads them.
    """
    if is_conversational({PROMPT: asked[0].prompt}):
        tokenizer = trainer._tokenizer
        if getattr(tokenizer, "response_template", None) or getattr(tokenizer, "response_schema", None):
            pairs = zip(asked, ids, strict=True)
            return [[parse_response(tokenizer, own, prefix=list(one.prompt_ids))] for one, own in pairs]
        texts = trainer.processing_class.batch_decode(ids, skip_special_tokens=True)
        return [[{"role": "assistant", "content": text}] for text in texts]
    return list(trainer.processing_class.batch_decode(ids, skip_special_tokens=True))


def judgements(rewards: Tensor, weights: Tensor) -> list[Judgement]:
    """Of [B F] rewards. One of which no function says anything is left out, as TRL leaves it out of its baseline."""
    found = []
    for own in rewards.tolist():
        said = [reward * weight for reward, weight in zip(own, weights.tolist(), strict=True) if not isnan(reward)]
        outcome = Outcome.SCORED if said else Outcome.UNPARSEABLE
        found.append(Judgement(reward=float(sum(said)), outcome=outcome, left_out=not said))
    return found


def as_prompt(prompt: object) -> Prompt:
    """For people to read: the tokens are TRL's."""
    if isinstance(prompt, str):
        return prompt
    assert isinstance(prompt, list), "TRL's prompts are text or messages"
    return tuple(Message(role=str(turn["role"]), content=as_text(turn["content"])) for turn in prompt)


def as_text(content: object) -> str:
    """A message's: of several parts those that are text, and what the others are."""
    if not isinstance(content, list):
        return str(content)
    return "".join(str(part["text"]) if part["type"] == "text" else f"[{part['type']}]" for part in content)
