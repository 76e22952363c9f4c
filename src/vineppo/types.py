"""The records that travel through the loop, one per stage. The words are those of CONTRIBUTING.md.

Everything is frozen and keyword-only: a record is complete when it is made, and a later stage makes a new one.
Token ids are plain ints and log-probs plain floats, so that records pickle, print and compare without torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Finish(StrEnum):
    """How a sampled continuation ended. Two values, never one bool for both."""

    TERMINATED = "terminated"
    """The policy ended it itself, by an end-of-sequence token or a stop string."""
    TRUNCATED = "truncated"
    """The length limit cut it off."""


class Outcome(StrEnum):
    """What the judge found."""

    CORRECT = "correct"
    WRONG = "wrong"
    UNPARSEABLE = "unparseable"
    """No answer could be read from the response."""
    TIMEOUT = "timeout"
    """Judging took longer or more memory than it may, or crashed; the reward is 0."""
    TRUNCATED = "truncated"
    """Cut off by the length limit, and not judged: the reward is `task.truncated`, usually 0."""
    FAILED = "failed"
    """The scorer raised, or gave no finite number; the reward is 0."""
    SCORED = "scored"
    """A reward function gave a number that is neither right nor wrong."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: str
    content: str
    more: Mapping[str, object] = field(default_factory=dict, hash=False)
    """What else the chat template may read of it, e.g. a name or tool calls."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Conversation:
    """Messages, and what the chat template gets besides."""

    messages: tuple[Message, ...]
    tools: tuple[Mapping[str, object], ...] = field(default=(), hash=False)
    """JSON schemas of functions."""
    template_kwargs: Mapping[str, object] = field(default_factory=dict, hash=False)
    """E.g. {"enable_thinking": False}; they win over the policy's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Posed:
    """A question that the policy's chat template poses, as the only thing that a user says."""

    question: str
    """As it stands in the data: for headings, and for reward functions, which get responses to it as text."""
    message: str
    """What the user says."""
    text: str | None = None
    """The whole prompt for a policy without a chat template; None: it must have one."""


Prompt = str | tuple[Message, ...] | Conversation | Posed
"""Text as the policy sees it, or messages, which the policy's own chat template turns into text."""


def messages_of(prompt: Prompt) -> tuple[Message, ...]:
    """Of a conversation; text is the only message of a user."""
    match prompt:
        case str():
            return (Message(role="user", content=prompt),)
        case Posed(message=message):
            return (Message(role="user", content=message),)
        case Conversation(messages=messages):
            return messages
        case _:
            return prompt


def prompt_text(prompt: Prompt) -> str:
    """A prompt for people to read."""
    if isinstance(prompt, str):
        return prompt
    if isinstance(prompt, Posed):
        return prompt.question
    return "\n\n".join(f"{message.role}: {message.content}" for message in messages_of(prompt))


def asked_text(prompt: Prompt) -> str:
    """What it asks, for headings: text, or what a user said last in a conversation."""
    if isinstance(prompt, Posed):
        return prompt.question
    messages = messages_of(prompt)
    return next((message.content for message in reversed(messages) if message.role == "user"), messages[-1].content)


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """One item of a task: the prompt and what is needed to judge an answer."""

    id: str
    """Unique within its split."""
    prompt: Prompt
    answer: str
    """The gold answer, in the form the task's judge compares with. Empty where a reward function judges alone."""
    columns: Mapping[str, object] = field(default_factory=dict, hash=False)
    """Further dataset columns, handed to reward functions."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampling:
    """The sampling law: logits / temperature, then top-k, then top-p, renormalised. Temperature 0 is greedy."""

    temperature: float = 1.0
    top_k: int = 0
    """Keep the k likeliest tokens; 0 keeps all."""
    top_p: float = 1.0
    """Keep the smallest set of tokens whose probability reaches top_p; 1 keeps all."""
    max_new_tokens: int = 256
    stop: tuple[str, ...] = ()
    """A response ends with the token after which its text first contains one of these. No token's law knows of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """Ask an engine for `count` continuations of one token prefix."""

    prefix: tuple[int, ...]
    count: int
    seed: int
    """Continuation i of this request depends on (seed, i) alone, not on what else is in the batch."""
    max_new_tokens: int | None = None
    """Tighter than the sampling law's limit, for a prefix that already spent part of it."""
    forbidden_first: tuple[int, ...] = ()
    """Tokens removed from the law at the first position, the rest renormalised: "leave what is known here"."""
    stratified: bool = False
    """First tokens come from `count` equal shares of the law, one each. Only all together do they follow the law, and
    their mean varies less. An engine that cannot may ignore it."""
    position: int = 0
    """So many tokens at the end of the prefix are of the response: a stop string may begin there, not in the prompt."""
    branches: bool = False
    """Rollouts will start inside these continuations, so an engine that can should keep their keys and values."""

    @property
    def written(self) -> tuple[int, ...]:
        """The part of the response that the prefix holds."""
        return self.prefix[len(self.prefix) - self.position :]


@dataclass(frozen=True, kw_only=True, slots=True)
class Completion:
    """One sampled continuation."""

    token_ids: tuple[int, ...]
    """[T] sampled ids; where finish is TERMINATED the last is an end token, or the one that completed a stop string."""
    logprobs: tuple[float, ...]
    """[T] log-prob of each id under the sampling law."""
    finish: Finish
    policy_version: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Trajectory:
    """A response that is trained on."""

    question: Question
    prompt_ids: tuple[int, ...]
    response_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    """[T] under the sampling law."""
    text: str
    """The decoded response up to what ends it, for judges, segmenters and people. Nothing is ever tokenised from it."""
    finish: Finish
    policy_version: int

    @property
    def tokens(self) -> "PromptAndResponse":
        """What a model scores."""
        return PromptAndResponse(token_ids=self.prompt_ids + self.response_ids, prompt_length=len(self.prompt_ids))


class Response(str):
    """The text of a response, and the tokens that it was made of, which reward functions may ask for."""

    token_ids: tuple[int, ...]

    def __new__(cls, text: str, token_ids: tuple[int, ...]) -> "Response":
        """Text that equals its text."""
        made = super().__new__(cls, text)
        made.token_ids = token_ids
        return made


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """A verdict on one response."""

    reward: float
    outcome: Outcome
    left_out: bool = False
    """Of one cut off by the length limit that is neither learned from nor compared with (`task.truncated`)."""
    told: Mapping[str, object] = field(default_factory=dict, hash=False)
    """What the judge has to say besides, as JSON has it, for people: the logged trajectory has it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scored:
    """A trajectory with its judgement and its steps: all that credit assignment may look at."""

    trajectory: Trajectory
    judgement: Judgement
    bounds: tuple[int, ...]
    """[N + 1] step boundaries, 0 = bounds[0] < ... < bounds[N] = T. Step k holds tokens bounds[k]:bounds[k + 1]."""

    @property
    def reward(self) -> float:
        """The judge's score."""
        return self.judgement.reward

    @property
    def num_steps(self) -> int:
        """N."""
        return len(self.bounds) - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Rollout:
    """An auxiliary continuation from a state, sampled only to measure its value."""

    completion: Completion
    text: str
    """The whole response: the trajectory's prefix, then this continuation."""
    reward: float
    left_out: bool = False
    """As of a `Judgement`; the reward is then the mean of the others from its state, so that it moves no value."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StateValue:
    """What a credit method believes of one state, and what it was made from."""

    position: int
    """The state is the prompt plus this many response tokens."""
    value: float
    standard_error: float | None = None
    """Of `value`; None where the method cannot say, 0 where the value is known exactly."""
    rollouts: tuple[Rollout, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Branch:
    """A rollout that the policy learns from, too: like a trajectory that begins where it left one.

    With c trajectories in the group, the question's gradient is 1 / c times the sum over its trajectories and branches
    of sum_t A_t grad log p(token t).
    """

    position: int
    """Response tokens of the trajectory before it."""
    before: tuple[int, ...] = ()
    """And after those, tokens of another branch, which it left in its turn."""
    completion: Completion
    """Its first log-prob is under the whole law, too, though it was drawn without the tokens known there."""
    advantages: tuple[float, ...]
    """[T]"""
    mask: tuple[bool, ...] | None = None
    """[T] whether the policy learns from it at each token; None: at all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Critique:
    """What a critic says of the steps of one response."""

    wrong: tuple[int, ...] | None
    """Steps it names wrong, counted from 0; None where it cannot be read."""
    text: str
    tokens: int
    """Decoded for it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Credit:
    """Per-token advantages of one trajectory, and the values they were made from."""

    advantages: tuple[float, ...]
    """[T]"""
    standard_errors: tuple[float, ...] | None = None
    """[T] of the advantages; None where the method cannot say."""
    values: tuple[StateValue, ...] = ()
    """States in order of position; empty for methods without state values (GRPO, RLOO)."""
    returns: tuple[float, ...] | None = None
    """[T] regression targets for a value network; None where the method has none."""
    mask: tuple[bool, ...] | None = None
    """[T] whether the policy learns from each advantage; None: from all."""
    branches: tuple[Branch, ...] = ()
    """Rollouts that left this trajectory and are learned from. A stretch that trajectories share, one of them holds."""
    pilot: tuple[Rollout, ...] = ()
    """Rollouts that only decided where to measure. Those for a group are held by its first trajectory."""
    critiques: tuple[Critique, ...] = ()
    """Of the response. Responses that are the same hold the same."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptAndResponse:
    """Token ids of both, and where the response begins: all a model needs to score a response."""

    token_ids: tuple[int, ...]
    """[P + T] prompt then response."""
    prompt_length: int
    """P"""

    @property
    def response_length(self) -> int:
        """T"""
        return len(self.token_ids) - self.prompt_length


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample(PromptAndResponse):
    """All the learner knows of a trajectory."""

    logprobs: tuple[float, ...]
    """[T] under the sampling law."""
    advantages: tuple[float, ...]
    """[T]"""
    returns: tuple[float, ...] | None = None
    """[T] for the value network; None when there is none."""
    mask: tuple[bool, ...] | None = None
    """[T] whether the policy learns from each advantage; None: from all."""
    replayed: bool = False
    """Sampled by an earlier policy than the one before the update: its ratio is to `logprobs`."""

    @property
    def learning(self) -> tuple[bool, ...]:
        """[T] the mask, spelt out."""
        return (True,) * len(self.advantages) if self.mask is None else self.mask

    @property
    def learned(self) -> tuple[float, ...]:
        """[T] the advantages, 0 where the policy does not learn."""
        return tuple(a if learns else 0.0 for a, learns in zip(self.advantages, self.learning, strict=True))
