"""An OpenAI-compatible endpoint as adviser: a hosted model, or a server of one's own (vLLM, llama.cpp, Ollama ...).

Key and address come from the environment (OPENAI_API_KEY, OPENAI_BASE_URL), as the client of that name reads them. The
client repeats what failed for the moment, with growing pauses. Answers are kept on disk: what an endpoint says does not
follow from a seed, so only a run that finds them again repeats itself to the bit.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from vineppo.advisers.kept import Kept, Limits, Told
from vineppo.advisers.settings import Adviser, AdviserParts, AdviserSettings, Answer, Answers, Inquiry
from vineppo.errors import UserError
from vineppo.seams import Progress

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types.chat import ChatCompletionMessageParam


class EndpointAdviser(AdviserSettings):
    """An OpenAI-compatible endpoint; needs the extra `vineppo[endpoint]`, and the key in OPENAI_API_KEY."""

    name: Literal["endpoint"] = "endpoint"
    model: str = ""
    """As the endpoint calls it."""
    base_url: str | None = None
    """E.g. http://localhost:8000/v1; null takes OPENAI_BASE_URL, or the client's own."""
    extra_body: dict[str, object] = Field(default={})
    """Further fields of a request, e.g. {chat_template_kwargs: {enable_thinking: false}}."""
    parallel: int = Field(default=8, ge=1)
    """Requests at once."""
    retries: int = Field(default=5, ge=0)
    """Of a request that failed for the moment (no connection, too many requests, the server's fault), after pauses that
    grow; then the run ends with an error."""
    timeout: float = Field(default=600.0, gt=0)
    """Seconds that an answer may take."""
    token_limit: int | None = Field(default=None, ge=1)
    """Tokens, of prompts and answers, that all answers in `cache` may take together; null: no limit."""
    cost_limit: float | None = Field(default=None, gt=0)
    """What they may cost together, in the currency of the prices; null: no limit."""
    prompt_price: float = Field(default=0.0, ge=0)
    """Of a million tokens of prompts."""
    completion_price: float = Field(default=0.0, ge=0)
    """Of a million tokens of answers."""
    cache: str = "runs/answers"
    """Folder in which answers are kept, a file each; runs may share it."""

    @model_validator(mode="after")
    def _priced(self) -> Self:
        if self.cost_limit is not None and not (self.prompt_price or self.completion_price):
            raise ValueError(
                f"cost_limit is {self.cost_limit:g}, but prompt_price and completion_price are 0, so that nothing "
                "costs anything; set them to the prices of a million tokens"
            )
        return self

    def build(self, parts: AdviserParts) -> Adviser:
        """Make the client; nothing is asked yet."""
        if not self.model:
            raise UserError(f"{parts.where}.model is empty; name a model that the endpoint has")
        limits = Limits(
            tokens=self.token_limit,
            cost=self.cost_limit,
            prompt_price=self.prompt_price,
            completion_price=self.completion_price,
        )
        return Endpoint(self.client(parts.where), self, Kept(Path(self.cache), limits, parts.where), parts)

    def client(self, where: str) -> "OpenAI":
        """Raises UserError where it is not installed or has no key."""
        try:
            from openai import OpenAI, OpenAIError
        except ImportError:
            raise UserError(
                f"{where}.name is endpoint, which needs openai; install it with `pip install 'vineppo[endpoint]'`"
            ) from None
        try:
            return OpenAI(base_url=self.base_url, max_retries=self.retries, timeout=self.timeout)
        except OpenAIError as error:
            raise UserError(
                f"{where}.name is endpoint, but the environment has no OPENAI_API_KEY; set it (to any word where the "
                "server asks for none)"
            ) from error


class Endpoint:
    """Answers by requests, several at once."""

    def __init__(self, client: "OpenAI", settings: EndpointAdviser, kept: Kept, parts: AdviserParts):
        self._client, self._settings, self._kept = client, settings, kept
        self._where, self._on_main = parts.where, parts.on_main

    def __call__(
        self,
        inquiries: Sequence[Inquiry],
        *,
        count: int,
        seed: int,
        temperature: float | None = None,
        progress: Progress | None = None,
    ) -> Answers:
        """Raises UserError where the endpoint gives none, or the limit is spent. What was answered is kept."""
        warmth = self._settings.temperature if temperature is None else temperature
        asked = [self._asked(inquiry, warmth, draw) for inquiry in inquiries for draw in range(count)]

        def ask() -> Answers:
            told = iter(self._ask_all(asked, progress))
            return [tuple(next(told) for _ in range(count)) for _ in inquiries]

        return self._on_main(ask)

    def _asked(self, inquiry: Inquiry, temperature: float, draw: int) -> dict[str, object]:
        """All that the answer depends on; `draw` tells several answers of one inquiry apart."""
        own = self._settings
        return {
            "base_url": str(self._client.base_url),
            "model": own.model,
            "messages": [{"role": message.role, "content": message.content} for message in inquiry.messages],
            "temperature": temperature,
            "max_tokens": own.max_new_tokens,
            "extra_body": own.extra_body,
            "draw": draw,
        }

    def _ask_all(self, asked: Sequence[dict[str, object]], progress: Progress | None) -> list[Answer]:
        found = [self._kept.find(each) for each in asked]
        missing = [place for place, told in enumerate(found) if told is None]
        with ThreadPoolExecutor(self._settings.parallel) as pool:
            futures = {pool.submit(self._ask, asked[place]): place for place in missing}
            try:
                for done, future in enumerate(as_completed(futures), len(asked) - len(missing) + 1):
                    found[futures[future]] = future.result()
                    if progress is not None:
                        progress(done, len(asked))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return [Answer(text=told.text, tokens=told.completion_tokens) for told in found if told is not None]

    def _ask(self, asked: dict[str, object]) -> Told:
        from openai import OpenAIError

        self._kept.check_limits()
        own = self._settings
        messages: list[ChatCompletionMessageParam] = asked["messages"]  # pyright: ignore[reportAssignmentType]
        try:
            answer = self._client.chat.completions.create(
                model=own.model,
                messages=messages,
                temperature=float(str(asked["temperature"])),
                max_tokens=own.max_new_tokens,
                extra_body=own.extra_body or None,
            )
        except OpenAIError as error:
            raise UserError(
                f"{self._where}: {asked['base_url']} did not answer for model {own.model} after {own.retries} retries "
                f"({type(error).__name__}: {' '.join(str(error).split())[:200]}); correct it and go on with --resume: "
                f"answers so far are kept in {own.cache}"
            ) from error
        text = answer.choices[0].message.content if answer.choices else None
        if answer.usage is None and (own.token_limit is not None or own.cost_limit is not None):
            raise UserError(
                f"{self._where}: {asked['base_url']} does not tell how many tokens it took, so no limit can be kept; "
                "set token_limit and cost_limit to null"
            )
        told = Told(
            text=text or "",
            prompt_tokens=answer.usage.prompt_tokens if answer.usage else 0,
            completion_tokens=answer.usage.completion_tokens if answer.usage else 0,
        )
        self._kept.keep(asked, told)
        return told
