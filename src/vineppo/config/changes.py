"""What a resumed run may do otherwise than it was started with. Torch-free.

Three kinds: settings that change no result; those that change only what comes next, which is told in the provenance;
all others, which would make a run that nothing could have made.
"""

from dataclasses import dataclass

from vineppo.config.schema import Config
from vineppo.settings.strict import leaves

FREE = (
    "run",
    "checkpoint",
    "engine",
    "analysis",
    "processes",
    "policy.device",
    "learner.micro_batch",
    "learner.pack_tokens",
    "learner.logprob_chunk",
    "learner.gradient_checkpointing",
    "learner.reference_offload",
    "task.judge.workers",
    "task.response_column",
)
"""They do not decide what is learned; memory and speed, and rounding."""
MEASURED = ("evaluation",)
"""They decide what is measured; RestEM chooses its epoch by it, too."""
PLACES = ("policy.path", "task.path", "task.test_path", "task.train_file", "task.test_file")
"""Where model and data lie, who are known again by their digests."""
ONWARD = ("learner.learning_rate", "credit.critic_learning_rate")
"""They hold from here on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One setting."""

    words: str
    allowed: bool
    told: bool
    """Whether the provenance says it."""


def changes(before: Config, now: Config, *, found_again: bool) -> list[Change]:
    """All that differs. found_again: model and data have digests, so they may have moved."""
    old, new = leaves(before.model_dump()), leaves(now.model_dump())
    free = (*FREE, *(PLACES if found_again else ()), *(() if now.recipe.held_out else MEASURED))
    found = []
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) == new.get(key):
            continue
        words = f"{key} was {old.get(key)!r} and is now {new.get(key)!r}"
        extended = key == "training.iterations" and now.training.iterations > before.training.iterations
        if extended and now.learner.schedule == "linear":
            words += " (the learning rate follows its line over all of them from here on)"
        onward = extended or key in ONWARD
        found.append(Change(words=words, allowed=onward or is_in(key, free), told=onward))
    return found


def is_in(key: str, settings: tuple[str, ...]) -> bool:
    """Whether a dotted key is one of them, or inside one."""
    return any(key == setting or key.startswith(f"{setting}.") for setting in settings)
