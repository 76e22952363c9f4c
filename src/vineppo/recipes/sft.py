"""Supervised finetuning on a task's demonstrations: how a starting policy is made.

loss = - mean over the batch's response tokens of log pi(token | prompt, response so far)
"""

from pathlib import Path

from vineppo.config.schema import SftConfig
from vineppo.errors import UserError
from vineppo.learner.likelihood import accumulate_likelihood
from vineppo.learner.logprobs import TokenLogprobs, check_head
from vineppo.learner.optimizer import Optimizer
from vineppo.lock import DirectoryLock
from vineppo.output_folder import check_empty
from vineppo.policy import DTYPES, Policy, load_policy, new_policy, try_saving
from vineppo.progress import Display
from vineppo.tasks.demonstrations import endless_demonstrations
from vineppo.tasks.settings import Demonstration
from vineppo.types import PromptAndResponse

LOG_EVERY = 50
"""Updates between lines."""
CHUNK = 8192
"""Positions per vocabulary-wide softmax."""


def finetune(config: SftConfig) -> int:
    """Train and write the Hugging Face folder `config.output`. Returns the exit code."""
    output = Path(config.output)
    check_empty(output, "output")
    lock = DirectoryLock(output, setting="output")
    try:
        return _finetune(config, output)
    finally:
        lock.release()


def _finetune(config: SftConfig, output: Path) -> int:
    policy = starting_policy(config)
    try_saving(policy)
    demonstrations = endless_demonstrations(config.task, seed=config.seed)
    check_head(policy.model)
    dtype = DTYPES["float32" if config.policy is None else config.policy.dtype]
    scorer = TokenLogprobs(policy.model, temperature=1.0, chunk=CHUNK, dtype=dtype)
    optimizer = Optimizer(
        scorer,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        updates=config.updates,
        warmup_ratio=config.warmup_ratio,
        shape="linear",
    )
    with Display(config.updates, unit="update") as display:
        for update in range(1, config.updates + 1):
            batch = [tokenize(policy, next(demonstrations)) for _ in range(config.batch)]
            measured = accumulate_likelihood(scorer, batch, range(len(batch)), micro_batch=config.micro_batch)
            optimizer.step()
            display.advance(update)
            if update % LOG_EVERY == 0 or update == config.updates:
                display.say(f"{update:>6}/{config.updates}  loss {measured['loss/likelihood']:.4f}")
    policy.save(output)
    print(f"policy written to {output}")
    return 0


def tokenize(policy: Policy, demonstration: Demonstration) -> PromptAndResponse:
    """Prompt, response and the end token."""
    prompt, response = demonstration
    prompt_ids = policy.encode(prompt)
    response_ids = policy.tokenizer(response, add_special_tokens=False).input_ids
    if len(prompt_ids) >= policy.context:
        raise UserError(
            f"a demonstration's prompt has {len(prompt_ids)} tokens, but the model's context is {policy.context}; "
            "shorten task.template, or take a model with a longer context"
        )
    token_ids = (*prompt_ids, *response_ids, *policy.end_ids[:1])[: policy.context]
    return PromptAndResponse(token_ids=token_ids, prompt_length=len(prompt_ids))


def starting_policy(config: SftConfig) -> Policy:
    """A given model, or a small one with random weights."""
    if config.policy is not None:
        return load_policy(
            config.policy.path, device=config.policy.device, template_kwargs=config.policy.chat_template_kwargs
        )
    return new_policy(config.architecture, config.task.tokenizer(), seed=config.seed, device=config.device)
