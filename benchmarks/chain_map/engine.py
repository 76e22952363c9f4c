"""The environment of a chain: its policy samples many responses at once, and its judge reads many at once.

Unlike the library's engines, a continuation depends on what else is asked for in the same call. Nothing here minds.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from chain_map.family import END, RIGHT, WHOLE, Chain, softmax
from vineppo.environment import Environment
from vineppo.seams import Progress
from vineppo.types import Completion, Finish, Judgement, Outcome, Question, Request, Sampling, Scored

if TYPE_CHECKING:
    from torch import Tensor


class ChainEngine:
    """Samples a policy given by its logits, and counts what it decoded."""

    policy_version = 0

    def __init__(self, chain: Chain, logits: np.ndarray):
        self._chain = chain
        self._table = softmax(logits)
        self.responses = 0
        self.tokens = 0

    def load_weights(self, state: "Mapping[str, Tensor]", *, policy_version: int) -> None:
        """The policy is fixed."""
        raise NotImplementedError("make a new engine for a new policy")

    def sleep(self) -> None:
        """It holds nothing."""

    def sample(
        self, requests: Sequence[Request], sampling: Sampling, *, progress: Progress | None = None
    ) -> list[tuple[Completion, ...]]:
        """All side by side, decision by decision."""
        if not requests:
            return []
        chain = self._chain
        counts = np.array([request.count for request in requests])
        at = np.repeat([len(request.prefix) - len(chain.prompt) for request in requests], counts)
        begin = -(-at // chain.tokens_per_step)
        state = np.repeat([self._state(request.prefix[len(chain.prompt) :]) for request in requests], counts)
        allowed = np.repeat(self._allowed(requests), counts, axis=0)
        draws = np.random.default_rng(sum(request.seed for request in requests)).random((len(at), chain.decisions))
        _stratify(draws, requests, begin)
        tokens = np.full((len(at), chain.length), chain.filler, np.uint8)
        tokens[:, -1] = END
        logprobs = np.zeros((len(at), chain.length))
        for k in range(begin.min(), chain.decisions):
            law = self._table[chain.rows[k, state]]
            law = np.where((begin == k)[:, None], law * allowed, law)
            law /= law.sum(axis=1, keepdims=True)
            option = np.minimum((draws[:, k, None] >= law.cumsum(axis=1)).sum(axis=1), chain.options - 1)
            state = np.where(begin <= k, chain.after[k, state, option], state)
            tokens[:, k * chain.tokens_per_step] = option + RIGHT
            logprobs[:, k * chain.tokens_per_step] = np.log(law[np.arange(len(at)), option])
        self.responses += len(at)
        self.tokens += int((chain.length - at).sum())
        written = iter(zip(tokens, logprobs.tolist(), at.tolist(), strict=True))
        return [tuple(_completion(*next(written)) for _ in range(count)) for count in counts]

    def _state(self, response: Sequence[int]) -> int:
        state = WHOLE
        for k, token in enumerate(response[:: self._chain.tokens_per_step]):
            state = self._chain.after[k, state, token - RIGHT]
        return state

    def _allowed(self, requests: Sequence[Request]) -> np.ndarray:
        allowed = np.ones((len(requests), self._chain.options))
        for own, request in zip(allowed, requests, strict=True):
            own[[token - RIGHT for token in request.forbidden_first]] = 0
        return allowed


def _stratify(draws: np.ndarray, requests: Sequence[Request], begin: np.ndarray) -> None:
    """First decisions of a stratified request come from equal shares of the law."""
    place = 0
    for request in requests:
        rows = np.arange(place, place + request.count)
        place += request.count
        if request.stratified and request.count > 1 and begin[rows[0]] < draws.shape[1]:
            draws[rows, begin[rows[0]]] = (np.arange(request.count) + draws[rows, begin[rows[0]]]) / request.count


def _completion(tokens: np.ndarray, logprobs: list[float], at: int) -> Completion:
    return Completion(
        token_ids=tuple(tokens[at:].tolist()),
        logprobs=tuple(logprobs[at:]),
        finish=Finish.TERMINATED,
        policy_version=0,
    )


class ChainTask:
    """Every question is the same; they have names to be told apart."""

    def __init__(self, chain: Chain):
        self._chain = chain

    def questions(self, split: str) -> list[Question]:
        """As many as asked for are made by `question`."""
        return []

    def judge(self, questions: Sequence[Question], responses: Sequence[str]) -> list[Judgement]:
        """1 for a chain that ends whole."""
        if not responses:
            return []
        tokens = np.frombuffer("".join(responses).encode("latin-1"), np.uint8).reshape(len(responses), -1)
        whole = self._chain.states(self._chain.options_of(tokens.astype(int)))[:, -1] == WHOLE
        return [VERDICTS[own] for own in whole.tolist()]


VERDICTS = (
    Judgement(reward=0.0, outcome=Outcome.WRONG),
    Judgement(reward=1.0, outcome=Outcome.CORRECT),
)


def environment(chain: Chain, engine: ChainEngine) -> Environment:
    """Text is the tokens, a character each."""
    return Environment(
        engine=engine,
        task=ChainTask(chain),
        encode=lambda prompt: chain.prompt,
        decode=lambda ids: bytes(ids).decode("latin-1"),
    )


def sampling_of(chain: Chain) -> Sampling:
    """The policy as it is."""
    return Sampling(max_new_tokens=chain.length)


def sample_groups(place: Environment, chain: Chain, *, questions: int, group: int, seed: int) -> list[Scored]:
    """A group of trajectories for each of so many questions, one after the other."""
    asked = [Question(id=str(number), prompt="", answer="") for number in range(questions)]
    trajectories = place.sample(asked, count=group, sampling=sampling_of(chain), seed=seed)
    verdicts = place.judge_trajectories(trajectories)
    return [
        Scored(trajectory=own, judgement=verdict, bounds=chain.bounds)
        for own, verdict in zip(trajectories, verdicts, strict=True)
    ]
