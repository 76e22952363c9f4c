"""Another policy as adviser, on an engine of the run's kind."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from vineppo.advisers.settings import Adviser, AdviserParts, AdviserSettings, Answer, Answers, Inquiry
from vineppo.errors import UserError
from vineppo.rng import derive_seed
from vineppo.seams import Engine, Progress
from vineppo.settings.memory import FLOAT32, Part
from vineppo.settings.model_shape import find_shape
from vineppo.settings.sections import PolicyConfig
from vineppo.types import Request, Sampling, prompt_text

if TYPE_CHECKING:
    from vineppo.policy import Policy


class PolicyAdviser(AdviserSettings):
    """Another policy, on an engine like the run's. It is held in memory beside the one that learns."""

    name: Literal["policy"] = "policy"
    policy: PolicyConfig | None = None
    """Which; its `path` may be that of the policy that is trained, which then advises as it was at the start."""

    def build(self, parts: AdviserParts) -> Adviser:
        """Load it."""
        from vineppo.policy import DTYPES, load_policy

        where = f"{parts.where}.policy.path"
        if self.policy is None:
            raise UserError(
                f"{where} names no model to ask; set it, or {parts.where}.name to endpoint or function "
                "(docs/advisers.md)"
            )
        if parts.open_engine is None:
            raise UserError(f"{where}: there is no engine for another policy here; set {parts.where}.name=endpoint")
        own = self.policy
        policy = load_policy(
            own.path, device=own.device, dtype=DTYPES[own.dtype], template_kwargs=own.chat_template_kwargs
        )
        return PolicyAsked(parts.open_engine(policy), policy, self, parts)

    def memory(self, *, gpu: bool) -> Part | str | None:
        """Its weights, whole in every process. While it answers, its engine takes what `engine` lets it."""
        if self.policy is None or (gpu and self.policy.device == "cpu"):
            return None
        shape = find_shape(self.policy.path)
        if isinstance(shape, str):
            return shape
        size = FLOAT32 if self.policy.dtype == "float32" else FLOAT32 // 2
        made_of = f"{self.policy.path}, {shape.parameters:,} x {size} bytes"
        return Part(name="adviser", bytes=size * shape.parameters, made_of=made_of)


class PolicyAsked:
    """Answers by sampling."""

    def __init__(self, engine: Engine, policy: "Policy", settings: AdviserSettings, parts: AdviserParts):
        self._engine, self._policy, self._settings, self._on_main = engine, policy, settings, parts.on_main

    def __call__(
        self,
        inquiries: Sequence[Inquiry],
        *,
        count: int,
        seed: int,
        temperature: float | None = None,
        progress: Progress | None = None,
    ) -> Answers:
        """An inquiry that leaves no room for an answer gets empty ones."""
        own = self._settings
        sampling = Sampling(
            temperature=own.temperature if temperature is None else temperature, max_new_tokens=own.max_new_tokens
        )
        prompts = [self._prompt(inquiry) for inquiry in inquiries]
        requests = {
            place: Request(
                prefix=prompt, count=count, seed=derive_seed(seed, place), max_new_tokens=min(room, own.max_new_tokens)
            )
            for place, prompt in enumerate(prompts)
            if (room := self._policy.context - len(prompt)) > 0
        }

        def ask() -> Answers:
            groups = self._engine.sample(list(requests.values()), sampling, progress=progress) if requests else []
            answered = dict(zip(requests, groups, strict=True))
            self._engine.sleep()
            return [
                tuple(
                    Answer(text=self._policy.decode(own.token_ids), tokens=len(own.token_ids))
                    for own in answered[place]
                )
                if place in answered
                else (Answer(text="", tokens=0),) * count
                for place in range(len(inquiries))
            ]

        return self._on_main(ask)

    def _prompt(self, inquiry: Inquiry) -> tuple[int, ...]:
        """By the chat template, or as text where the tokenizer has none."""
        talks = self._policy.tokenizer.chat_template
        return self._policy.encode(inquiry.messages if talks else prompt_text(inquiry.messages) + "\n\nassistant: ")
