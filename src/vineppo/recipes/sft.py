"""Supervised finetuning on demonstrations: how a starting policy is made.

loss = - mean over the batch's response tokens of log pi(token | prompt, response so far)
"""

import time
from itertools import islice
from pathlib import Path
from statistics import fmean

import torch

from vineppo.config.schema import SftConfig
from vineppo.errors import UserError
from vineppo.learner.likelihood import accumulate_likelihood
from vineppo.learner.logprobs import TokenLogprobs, check_head
from vineppo.learner.lora import add_adapters
from vineppo.learner.optimizer import Optimizer
from vineppo.learner.packable import costs_of
from vineppo.learner.passes import Passes
from vineppo.learner.recompute import enable_recompute
from vineppo.learner.shares import shares
from vineppo.learner.trained import TrainedPolicy
from vineppo.lock import DirectoryLock
from vineppo.policy import DTYPES, Policy, cast, load_policy, new_policy, try_saving
from vineppo.progress import Display
from vineppo.recipes.demonstrated import Split, demonstrated, read_rows_of
from vineppo.recipes.interrupt import Interrupt
from vineppo.recipes.sft_folder import POLICY, Line, SftFolder
from vineppo.rng import derive_seed
from vineppo.seams import Progress

LINES = 40
"""Reports of the loss on the way, at the least; in long finetunings one every `LOG_EVERY` updates."""
LOG_EVERY = 50
CHUNK = 8192
"""Positions per vocabulary-wide softmax."""
INTERRUPTED = 130


def finetune(config: SftConfig, *, resume: bool = False) -> int:
    """Train and write the Hugging Face folder `config.output`. Returns the exit code."""
    folder = SftFolder(Path(config.output))
    folder.open(config, resume=resume)
    rows = read_rows_of(config)
    lock = DirectoryLock(folder.root, setting="output")
    try:
        if resume and folder.finished:
            print(f"output {folder.root} holds a finished policy; for another one give another output")
            return 0
        return Sft(config, folder, rows).run()
    finally:
        lock.release()


class Sft:
    """One finetuning, from its beginning or from the newest checkpoint in `folder`."""

    def __init__(self, config: SftConfig, folder: SftFolder, rows: Split | None):
        self._config, self._folder = config, folder
        policy = starting_policy(config)
        try_saving(policy)
        check_head(policy.model)
        self._policy = build_trained(config, policy)
        self._optimizer = Optimizer(
            self._policy.scorer,
            learning_rate=config.learning_rate,
            weight_decay=config.weight_decay,
            max_grad_norm=config.max_grad_norm,
            updates=config.updates,
            warmup_ratio=config.warmup_ratio,
            shape="linear",
        )
        checkpoint = folder.newest()
        self._done = 0 if checkpoint is None else int(checkpoint.name)
        self._demonstrated = demonstrated(config, policy, rows, skip=self._done * config.batch)
        self._tokens, self._seconds = 0, 0.0
        self._losses: list[float] = []
        self._between_updates = True
        if checkpoint is not None:
            self._restore(checkpoint)
        folder.begin(config)

    def run(self) -> int:
        """To the end, or until interrupted, when all that was done is saved."""
        config, interrupt = self._config, Interrupt()
        with Display(config.updates, done=self._done, unit="update") as display, interrupt.installed():
            self._tell_known(display)
            try:
                if not self._done:
                    self._report(display, loss=None)
                while self._done < config.updates:
                    with interrupt.deferred():
                        self._between_updates = False
                        self._update(display)
                        self._between_updates = True
            except KeyboardInterrupt:
                if self._between_updates and self._done:  # weights changed half-way are no update's
                    self._save()
                display.say(f"interrupted in update {self._done + 1}; the same command with --resume goes on")
                return INTERRUPTED
        self._folder.finish(self._policy.save)
        print(f"policy written to {self._folder.root}")
        return 0

    def _update(self, display: Display) -> None:
        """One batch, one step of the optimizer, and what is to be written after it."""
        config, started = self._config, time.monotonic()
        batch = list(islice(self._demonstrated.training, config.batch))
        measured = accumulate_likelihood(self._policy.scorer, batch, range(len(batch)), passes=self._policy.passes)
        self._optimizer.step()
        self._done += 1
        self._tokens += sum(len(item.token_ids) for item in batch)
        self._losses.append(measured["loss/likelihood"])
        self._seconds += time.monotonic() - started
        display.advance(self._done)
        if self._due(min(LOG_EVERY, -(-config.updates // LINES))) or self._due(config.evaluate_every):
            self._report(display, loss=fmean(self._losses))
            self._losses = []
        if config.checkpoint_every and self._done % config.checkpoint_every == 0 and self._done < config.updates:
            self._save()

    def _due(self, every: int) -> bool:
        return self._done == self._config.updates or (every > 0 and self._done % every == 0)

    def _report(self, display: Display, *, loss: float | None) -> None:
        """A line for the record and the reader; with the held-out loss where it is due."""
        held_out = None
        if self._demonstrated.held_out and (not self._done or self._due(self._config.evaluate_every)):
            with display.phase("held out") as progress:
                held_out = self._held_out_loss(progress)
        self._folder.add(
            Line(update=self._done, loss=loss, held_out_loss=held_out, tokens=self._tokens, seconds=self._seconds)
        )
        parts = [f"{self._done:>6}/{self._config.updates}"]
        parts += [] if loss is None else [f"loss {loss:.4f}"]
        parts += [] if held_out is None else [f"held out {held_out:.4f}"]
        display.say("  ".join([*parts, display.left(self._done)]).rstrip())

    def _held_out_loss(self, progress: Progress) -> float:
        """Mean over the tokens of all held-out responses."""
        items, policy = self._demonstrated.held_out, self._policy
        total, done = 0.0, 0
        for share in shares(items, range(len(items)), passes=policy.passes):
            with torch.no_grad():
                logprobs, _ = policy.scorer(share.batch(items, device=policy.policy.device))
            total -= logprobs.sum().item()
            done += len(share.indices)
            progress(done, len(items))
        return total / sum(item.response_length for item in items)

    def _tell_known(self, display: Display) -> None:
        """How often each demonstration will be seen."""
        if known := self._demonstrated.known:
            passes = self._config.updates * self._config.batch / known
            display.say(f"{known:,} demonstrations, {passes:.1f} passes, {len(self._demonstrated.held_out):,} held out")

    def _save(self) -> None:
        state = {
            "optimizer": self._optimizer.state_dict(),
            "tokens": self._tokens,
            "seconds": self._seconds,
            "losses": self._losses,
            "demonstrations": self._demonstrated.digest,
        }
        self._folder.save(self._done, self._policy.save, state)

    def _restore(self, checkpoint: Path) -> None:
        state = self._folder.state(checkpoint)
        if state["demonstrations"] != self._demonstrated.digest:
            raise UserError(
                f"output {self._folder.root} holds a finetuning on other demonstrations than are in task.path now; put "
                "them back, or give another output"
            )
        self._policy.restore(checkpoint / POLICY)
        self._optimizer.load_state_dict(state["optimizer"])
        self._tokens, self._seconds, self._losses = state["tokens"], state["seconds"], state["losses"]


def build_trained(config: SftConfig, policy: Policy) -> TrainedPolicy:
    """The policy made ready to be trained, in place: all of it, or adapters."""
    dtype = DTYPES["float32" if config.policy is None else config.policy.dtype]
    costs = None if config.pack_tokens == 0 else costs_of(policy.model, context=policy.context)
    added = None
    if config.lora is not None:
        cast(policy.model, dtype)  # frozen weights need no master copy
        added = add_adapters(policy.model, config.lora, seed=derive_seed(config.seed, "adapters"))
    if config.gradient_checkpointing:
        enable_recompute(policy.model)
    scorer = TokenLogprobs(
        policy.model, temperature=1.0, chunk=CHUNK, dtype=dtype, recompute=config.gradient_checkpointing
    )
    passes = Passes(rows=config.micro_batch, pack_tokens=config.pack_tokens, costs=costs)
    return TrainedPolicy(policy=policy, scorer=scorer, passes=passes, adapters=added)


def starting_policy(config: SftConfig) -> Policy:
    """A given model, or a small one with random weights."""
    if config.policy is not None:
        return load_policy(
            config.policy.path, device=config.policy.device, template_kwargs=config.policy.chat_template_kwargs
        )
    return new_policy(config.architecture, config.task.tokenizer(), seed=config.seed, device=config.device)
