"""The mathematics judge: exact where it can be, math-verify in child processes where it must, nothing asked twice."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence

from vineppo.tasks.judge.exact import compare
from vineppo.tasks.judge.workers import Workers
from vineppo.types import Outcome

Pair = tuple[str, str]
"""Answer and gold answer."""

MAX_ANSWER = 1000
"""Characters. The longest gold answer of MATH has fewer than 200; what is longer is not parsed."""
MODULE = "vineppo.tasks.judge.math_worker"


class MathJudge:
    """Outcomes of (answer, gold) pairs. `cached` of them are remembered, timeouts included."""

    def __init__(self, *, seconds: float, memory_mib: int, workers: int | None, cached: int = 100_000):
        self._workers = Workers(MODULE, count=workers, seconds=seconds, memory_mib=memory_mib)
        self._known: OrderedDict[Pair, Outcome] = OrderedDict()
        self._cached = cached

    def outcomes(self, answers: Sequence[str | None], golds: Sequence[str]) -> list[Outcome]:
        """One outcome a pair; an answer of None was not found in its response."""
        quick = [quick_outcome(answer, gold) for answer, gold in zip(answers, golds, strict=True)]
        pairs = [(answer or "", gold) for answer, gold in zip(answers, golds, strict=True)]
        verdicts = self._ask(pair for pair, outcome in zip(pairs, quick, strict=True) if outcome is None)
        return [verdicts[pair] if outcome is None else outcome for pair, outcome in zip(pairs, quick, strict=True)]

    def close(self) -> None:
        """End the child processes."""
        self._workers.close()

    def _ask(self, pairs: Iterable[Pair]) -> dict[Pair, Outcome]:
        distinct = dict.fromkeys(pairs)
        new = [pair for pair in distinct if pair not in self._known]
        replies = self._workers.ask(new) if new else []
        judged = {pair: to_outcome(reply) for pair, reply in zip(new, replies, strict=True)}
        verdicts = {pair: judged[pair] if pair in judged else self._known[pair] for pair in distinct}
        for pair, outcome in verdicts.items():
            self._known[pair] = outcome
            self._known.move_to_end(pair)
        while len(self._known) > self._cached:
            self._known.popitem(last=False)
        return verdicts


def quick_outcome(answer: str | None, gold: str) -> Outcome | None:
    """What needs no child process; None where one must be asked."""
    if answer is None:
        return Outcome.UNPARSEABLE
    if len(answer) > max(MAX_ANSWER, len(gold)):
        return Outcome.UNPARSEABLE
    match compare(answer, gold):
        case None:
            return None
        case same:
            return Outcome.CORRECT if same else Outcome.WRONG


def to_outcome(reply: object | None) -> Outcome:
    """What a worker said, or did not live to say."""
    return Outcome.TIMEOUT if reply is None else Outcome(str(reply))
