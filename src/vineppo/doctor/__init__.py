"""Is everything as a run needs it? Checks that cost seconds, before hours are spent.

One check a file. What a check needs and is not there is a finding of its own, and the check says that it could not run.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from vineppo.chat import encode_prompts
from vineppo.config.schema import Config
from vineppo.doctor.agreement import check_agreement
from vineppo.doctor.batch import check_batch
from vineppo.doctor.budget import MARGIN, SIZES, Budget
from vineppo.doctor.credit import check_credit
from vineppo.doctor.endings import check_endings
from vineppo.doctor.finding import Finding, Verdict
from vineppo.doctor.judge import check_judge
from vineppo.doctor.memory import check_memory
from vineppo.doctor.probe import Probe, Sampled
from vineppo.doctor.prompts import describe_prompts, whole_prompts
from vineppo.doctor.show import Row, rest
from vineppo.doctor.staleness import check_staleness
from vineppo.doctor.versions import check_devices, check_versions
from vineppo.errors import UserError
from vineppo.learner.logprobs import check_head
from vineppo.policy import Policy, load_policy, load_tokenizer, pick_device, try_saving
from vineppo.progress import Display
from vineppo.recipes.build import build_environment, build_workshop
from vineppo.recipes.fitting import fitting
from vineppo.seams import Task
from vineppo.tasks.build import build_task

Made = TypeVar("Made")
STAGES = 7
SECONDS = 60.0
"""That the checks may take, where nothing else is asked for."""
PASSES = 5
"""Times that agreement and stale cache sample and score, together."""
ROUNDS = 2
"""Of decoding in a look: trajectories, then rollouts from their middle."""
FEWEST_TOKENS = 8
"""A response cut off at fewer says nothing."""


@dataclass(kw_only=True)
class Examination:
    """The findings so far."""

    display: Display
    budget: Budget
    findings: list[Finding] = field(default_factory=list)
    memory: list[str] = field(default_factory=list)
    """The forecast behind the finding, as a table."""

    @property
    def failed(self) -> bool:
        """Whether any check did."""
        return any(finding.verdict is Verdict.FAIL for finding in self.findings)

    def add(self, *findings: Finding) -> None:
        """Told at once."""
        self.findings += findings
        for finding in findings:
            self.display.show(Row(finding))

    def attempt(self, check: str, make: Callable[[], Made]) -> Made | None:
        """What `make` makes; None, and a finding, where the person at the keyboard must do something first."""
        try:
            return make()
        except UserError as error:
            self.add(Finding(check=check, verdict=Verdict.FAIL, found=str(error)))
            return None

    def leave_out(self, why: str, *checks: str) -> None:
        """These cannot run."""
        self.add(*(Finding(check=check, verdict=Verdict.NOT_RUN, found=why) for check in checks))


def diagnose(config: Config, *, seconds: float = SECONDS) -> bool:
    """Check all that `seconds` allow, and print it. True where nothing failed."""
    budget = Budget(seconds)
    taken = budget.timed()
    with Display(STAGES, unit="check") as display:
        examination = examine(config, display, budget)
    print(rest(examination.findings, examination.memory, seconds=taken()))
    return not examination.failed


def examine(config: Config, display: Display, budget: Budget) -> Examination:
    """Cheap checks first; the model is loaded only where memory should suffice."""
    done = Examination(display=display, budget=budget)
    with display.phase("versions"):
        done.add(check_versions(), check_devices(config), check_batch(config))
    display.advance(1)
    task = done.attempt("task", lambda: build_task(config.task))
    if task is None:
        done.leave_out(
            "there is no task", "judge", "memory", "endings", "answers", "agreement", "credit", "stale cache"
        )
        return done
    with display.phase("judge"):
        done.add(check_judge(config.task, task))
    display.advance(2)
    with display.phase("memory"):
        fits = examine_memory(config, task, done)
    display.advance(3)
    if not fits:
        done.leave_out(
            "the model was not loaded, see above", "endings", "answers", "agreement", "credit", "stale cache"
        )
        return done
    asked = config.policy
    load = partial(load_policy, asked.path, device=asked.device, template_kwargs=asked.chat_template_kwargs)
    with display.phase("load"):
        policy = done.attempt("policy", load)
    display.advance(4)
    if policy is None:
        done.leave_out("there is no policy", "endings", "answers", "agreement", "credit", "stale cache")
        return done
    with display.phase("prompts"):
        fit = done.attempt("prompts", lambda: fitting(task, policy, config, quiet=True))
    if fit is None:
        done.leave_out(
            "a run would not start with these prompts", "endings", "answers", "agreement", "credit", "stale cache"
        )
        return done
    done.add(describe_prompts(fit[0], policy, dropped=fit[1]))
    examine_engine(config, fit[0], policy, done, display)
    return done


def examine_memory(config: Config, task: Task, done: Examination) -> bool:
    """Whether the model may be loaded."""
    tokenizer = done.attempt("policy", lambda: load_tokenizer(config.policy.path))
    device = done.attempt("policy", lambda: pick_device(config.policy.device))
    if tokenizer is None or device is None:
        done.leave_out("there is no policy", "memory")
        return False
    prompts = whole_prompts([*task.questions("train"), *task.questions("test")])
    kwargs = config.policy.chat_template_kwargs
    encoded = done.attempt("prompts", lambda: encode_prompts(tokenizer, prompts, kwargs))
    if encoded is None:
        done.leave_out("prompts cannot be told in tokens", "memory")
        return False
    longest = max(map(len, encoded), default=0)
    finding, done.memory = check_memory(config, prompt=longest, device=device)
    done.add(finding)
    return finding.verdict is not Verdict.FAIL


def examine_engine(config: Config, task: Task, policy: Policy, done: Examination, display: Display) -> None:
    """Sampler beside trainer, before and after an update."""
    shop = build_workshop(config)
    head = done.attempt("policy", lambda: (try_saving(policy), check_head(policy.model)))
    environment = done.attempt("engine", lambda: build_environment(shop.sampled(policy), task, config.engine))
    if not head or environment is None:
        done.leave_out(
            "there is no engine or no learner for this model",
            "endings",
            "answers",
            "agreement",
            "credit",
            "stale cache",
        )
        return
    probe = Probe(
        environment=environment,
        scorer=shop.scorer(policy.model),
        questions=task.questions("train"),
        sampling=config.sampling.law,
        passes=shop.passes(policy),
    )
    with display.phase("agreement"):
        look = choose_look(probe, done.budget)
        done.add(check_agreement(look.probe, look.sampled), check_credit(config, look.sampled))
    display.advance(5)
    with display.phase("stale cache"):
        if look.again:
            done.add(check_staleness(look.probe, policy.model, look.sampled))
        else:
            done.leave_out(no_time(done.budget), "stale cache")
    display.advance(6)
    with display.phase("endings"):
        steps = int(done.budget.left / (MARGIN * look.seconds_a_token))
        if steps >= FEWEST_TOKENS:
            done.add(*check_endings(probe, policy, config.task, limit=steps))
        else:
            done.leave_out(no_time(done.budget), "endings", "answers")
    display.advance(7)


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """Samples of as many questions and tokens as there is time for."""

    probe: Probe
    sampled: Sampled
    again: bool
    """Whether there is time to look as often as the last checks must."""
    seconds_a_token: float
    """Of decoding, however many sequences at a time."""


def choose_look(probe: Probe, budget: Budget) -> Look:
    """The smallest one first, which tells how long others take."""
    small = replace(probe, size=SIZES[-1])
    taken = budget.timed()
    sampled = small.sample()
    decoding = taken()
    small.score(sampled)
    size = budget.largest(taken(), passes=PASSES)
    if size is None or size == small.size:
        return Look(
            probe=small,
            sampled=sampled,
            again=size is not None,
            seconds_a_token=decoding / (ROUNDS * small.size.tokens),
        )
    larger = replace(probe, size=size)
    taken = budget.timed()
    sampled = larger.sample()
    return Look(probe=larger, sampled=sampled, again=True, seconds_a_token=taken() / (ROUNDS * size.tokens))


def no_time(budget: Budget) -> str:
    """Why a check was left out."""
    return f"it would not have ended within {budget.seconds:.0f} s; give --seconds more"
