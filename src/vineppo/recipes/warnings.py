"""What a person should be told at once: numbers that mean something other than they seem to."""

from collections import Counter
from collections.abc import Sequence

from vineppo.policy import Policy
from vineppo.tasks.settings import TaskSettings
from vineppo.types import Finish, Outcome, Scored

MOST = 5
"""Different failures that a person reads of."""


def cut_off(share: float, what: str, *, policy: Policy, limit: int, known: set[str]) -> str | None:
    """A warning, once, where every response was cut off: then nothing was learned from how any of them ends."""
    if share < 1 or what in known:
        return None
    known.add(what)
    return f"all {what} were cut off at sampling.max_new_tokens {limit}; {remedy(policy)}"


def remedy(policy: Policy) -> str:
    """For the two ways in which that comes about."""
    return (
        "raise it where they are still at work; where they go on after their answer, the policy ends them with a token "
        f"that is none of {policy.end_names}: add it to eos_token_id in its generation_config.json, or what they go on "
        "with to sampling.stop"
    )


def failures(scored: Sequence[Scored], known: set[str]) -> list[str]:
    """Warnings of scorers that failed, each reason once: `known` has those that were told, and gets these."""
    counts = Counter(
        str(item.judgement.told.get("failure", "no reason given"))
        for item in scored
        if item.judgement.outcome is Outcome.FAILED
    )
    new = [reason for reason in counts if reason not in known][: max(0, MOST - len(known))]
    known.update(new)
    return [
        f"the scorer failed on {counts[reason]} of {len(scored)} responses, whose reward is 0 ({reason})"
        for reason in new
    ]


def silent(scored: Sequence[Scored], task: TaskSettings, *, limit: int, known: set[str]) -> list[str]:
    """Warnings of an iteration that hardly teaches, each kind once: all rewards equal, or most responses cut
    off or without an answer. Where all are cut off `cut_off` has told it, also where all of them are left out."""
    if not scored:
        return []
    rewards = {item.reward for item in scored}
    count, outcome = _most(scored)
    mostly = count > len(scored) / 2 and outcome in (Outcome.TRUNCATED, Outcome.UNPARSEABLE)
    nothing = len(rewards) == 1 and len(scored) > 1
    kind = f"{outcome} {nothing}"
    everywhere = all(item.trajectory.finish is Finish.TRUNCATED for item in scored)
    if not (mostly or nothing) or kind in known or (everywhere and outcome is Outcome.TRUNCATED):
        return []
    known.add(kind)
    why = cause_of(outcome, task, limit=limit, reward=next(iter(rewards)))
    words = f"{count} of {len(scored)} responses {why}"
    if nothing:
        words = f"all rewards of this iteration are {next(iter(rewards)):g}: {words}"
    return [words]


def _most(scored: Sequence[Scored]) -> tuple[int, Outcome]:
    """The most frequent of what came of responses; being cut off counts, however it was judged."""
    found = Counter(
        Outcome.TRUNCATED if item.trajectory.finish is Finish.TRUNCATED else item.judgement.outcome for item in scored
    )
    ((outcome, count),) = found.most_common(1)
    return count, outcome


def cause_of(outcome: str, task: TaskSettings, *, limit: int, reward: float = 0.0) -> str:
    """What most responses were, and the setting to look at first."""
    return {
        Outcome.TRUNCATED: f"were cut off at sampling.max_new_tokens {limit}; raise it, or see what ends one "
        "(vineppo doctor)",
        Outcome.UNPARSEABLE: _unread(task),
        Outcome.FAILED: "could not be scored (task.rewards, task.judge)",
        Outcome.TIMEOUT: "took the judge too long or too much memory (task.judge)",
        Outcome.WRONG: "were read and are wrong; read some (trajectories/, `vineppo eval`), and take easier questions "
        "(curriculum=learnability), a better policy.path, or more training.trajectories",
        Outcome.SCORED: f"got {reward:g} from the reward functions; see what they are handed (task.rewards, "
        "docs/tasks.md)",
        Outcome.CORRECT: "are right; take harder questions, or those that can still teach (curriculum=learnability)",
    }[Outcome(outcome)]


def _unread(task: TaskSettings) -> str:
    if task.rewarded:
        return "got None from all reward functions; see what they are handed (task.rewards, docs/tasks.md)"
    if task.unjudged:
        return "had no answer that the task could read; see what it looks for"
    form = task.response("42").splitlines()[-1]
    return (
        f"had no answer that task {task.called} could read; it looks for {form!r}: ask for that in the prompt "
        "(task.template), or teach it (vineppo sft)"
    )
