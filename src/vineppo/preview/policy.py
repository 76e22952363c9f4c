"""Cutting in a policy's tokens, and where it was uncertain."""

from collections.abc import Sequence
from itertools import repeat

from vineppo.chat import end_tokens, response_decoder
from vineppo.config.schema import Config
from vineppo.errors import UserError
from vineppo.learner.logprobs import TokenLogprobs, check_head
from vineppo.learner.passes import Passes
from vineppo.learner.scores import score
from vineppo.policy import Policy, load_policy, load_tokenizer
from vineppo.preview.cut import Cut, cut
from vineppo.preview.solutions import Solution
from vineppo.steps import Pieces
from vineppo.types import PromptAndResponse


def cut_tokens(config: Config, solutions: Sequence[Solution]) -> list[Cut]:
    """The solutions in the tokens of `config.policy`. Its model is loaded only where steps depend on probabilities."""
    tokenizer = load_tokenizer(config.policy.path)
    responses = [tuple(tokenizer(s.text, add_special_tokens=False).input_ids) for s in solutions]
    logprobs = repeat(None)
    if config.steps.needs_logprobs:
        policy = load_policy(
            config.policy.path, device=config.policy.device, template_kwargs=config.policy.chat_template_kwargs
        )
        prompts = [policy.encode(solution.prompt) for solution in solutions]
        logprobs = token_logprobs(config, policy, prompts, responses)
    segment = config.steps.build()
    pieces = Pieces(response_decoder(tokenizer, end_tokens(tokenizer)))
    return [
        cut(segment, ids, pieces(ids), own or [0.0] * len(ids)) for ids, own in zip(responses, logprobs, strict=False)
    ]


def token_logprobs(
    config: Config, policy: Policy, prompts: Sequence[tuple[int, ...]], responses: Sequence[tuple[int, ...]]
) -> list[list[float]]:
    """[T] per response, at the sampling temperature; top-p and top-k are not applied.

    Where nothing precedes a response, its first token follows the end token, as texts do in pre-training.
    """
    check_head(policy.model)
    samples = [
        PromptAndResponse(token_ids=(before := prompt or policy.end_ids[:1]) + ids, prompt_length=len(before))
        for prompt, ids in zip(prompts, responses, strict=True)
    ]
    for number, sample in enumerate(samples, 1):
        if len(sample.token_ids) > policy.context:
            raise UserError(
                f"solution {number} has {len(sample.token_ids)} tokens with its prompt, but the policy's context is "
                f"{policy.context}; shorten it, or take --limit {number - 1 or 1} or a policy with a longer context"
            )
        if not sample.prompt_length:
            raise UserError(
                f"solution {number} has no prompt and the policy no end token, so its first token has no probability; "
                "add a column prompt"
            )
    scorer = TokenLogprobs(
        policy.model, temperature=config.sampling.temperature, chunk=config.learner.logprob_chunk
    ).eval()
    return [scores.tolist() for scores in score(scorer, samples, passes=Passes(rows=config.learner.micro_batch))]
