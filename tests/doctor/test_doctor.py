"""The doctor: finds nothing wrong with what ships, and each ailment that it is there for."""

import io
import json
import re
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from math import log
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from rich.console import Console

from tiny_models import tiny_model
from vineppo.cli import main
from vineppo.config.load import load_config
from vineppo.config.schema import Config
from vineppo.doctor import examine
from vineppo.doctor.agreement import check_agreement
from vineppo.doctor.batch import check_batch
from vineppo.doctor.budget import SIZES, Budget, Size
from vineppo.doctor.credit import check_credit, expected_departures
from vineppo.doctor.endings import judge_endings
from vineppo.doctor.finding import Finding, Verdict
from vineppo.doctor.judge import QUESTIONS, check_judge
from vineppo.doctor.memory import judge_memory
from vineppo.doctor.probe import Probe, Sampled
from vineppo.doctor.show import Row
from vineppo.doctor.staleness import changed, check_staleness, judge_update
from vineppo.doctor.versions import check_versions, unmet
from vineppo.engines.torch.engine import TorchEngine
from vineppo.environment import Environment
from vineppo.learner.passes import Passes
from vineppo.policy import Policy, load_policy
from vineppo.progress import Display
from vineppo.recipes.build import build_environment, build_workshop
from vineppo.tasks.arithmetic import Arithmetic
from vineppo.tasks.build import build_task
from vineppo.tasks.gsm8k import Gsm8kTask
from vineppo.tasks.mathematics import MathTask
from vineppo.types import Judgement, Outcome, Sampling

ROOT = Path(__file__).resolve().parents[2]
QUICK = [
    "task={name: arithmetic, train_questions: 60, test_questions: 64}",
    "sampling={temperature: 1.0, top_p: 1.0, max_new_tokens: 80}",
    "training={iterations: 4, questions: 4, trajectories: 4}",
    "learner={minibatch: 8, micro_batch: 8}",
]
CONFIG = load_config(None, QUICK)


def examined(config: Config) -> dict[str, Verdict]:
    with Display(6) as display:
        return {finding.check: finding.verdict for finding in examine(config, display, Budget(60)).findings}


# --- the whole ---------------------------------------------------------------------------------------------------


def test_the_default_is_in_good_health(capsys):
    assert main(["doctor", *QUICK]) == 0
    printed = capsys.readouterr().out
    for check in ("versions", "devices", "batch", "judge", "memory", "prompts", "agreement", "credit", "stale cache"):
        assert f"\n{check} " in f"\n{printed}"
    assert "4 questions x 4 trajectories = 16 trajectories" in " ".join(printed.split())
    assert "FAIL" not in printed


def test_what_is_examined_is_what_will_be_trained(capsys):
    """In bfloat16 the engine samples from a rounded copy, and the learner computes from float32 weights."""
    assert main(["doctor", *QUICK, "policy.dtype=bfloat16"]) == 0
    printed = capsys.readouterr().out
    [found] = re.findall(r"differ by (\S+) on\s+average", printed)
    assert 1e-4 < float(found) < 5e-2
    assert "FAIL" not in printed
    assert "engine's copy" in printed


def test_a_failure_is_exit_code_1_and_what_depends_on_it_says_so(capsys, tmp_path: Path):
    assert main(["doctor", *QUICK, f"policy.path={tmp_path}"]) == 1
    printed = " ".join(capsys.readouterr().out.split())
    assert "policy FAIL policy.path is" in printed
    assert "agreement not run the model was not loaded, see above" in printed


def test_questions_that_cannot_be_asked_are_a_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    rows = [{"prompt": f"{i}+1=?\n", "answer": str(i + 1)} for i in range(20)]
    rows += [{"prompt": "1+\ud800=?", "answer": "1"}, {"prompt": "1+" * 400, "answer": "1"}]
    for split in ("train", "test"):
        (tmp_path / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = f"task={{name: dataset, path: {tmp_path}}}"
    assert main(["doctor", task, *QUICK[1:]]) == 1
    printed = " ".join(capsys.readouterr().out.split())
    assert "prompts FAIL 4 of 44 questions cannot be asked: 2 with half characters" in printed
    assert "agreement not run" in printed
    assert main(["doctor", task, *QUICK[1:], "training.unfit_questions=drop"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "prompts warn 20 training and 20 test questions fit" in printed


def test_a_task_that_cannot_be_built_is_a_finding(tmp_path: Path):
    verdicts = examined(load_config(None, [f"task={{name: gsm8k, path: {tmp_path}}}"]))
    assert verdicts["task"] is Verdict.FAIL
    assert {verdicts[name] for name in ("judge", "memory", "agreement", "credit", "stale cache")} == {Verdict.NOT_RUN}


def test_an_engine_that_cannot_be_built_is_a_finding(monkeypatch):
    monkeypatch.setattr("vineppo.doctor.build_environment", lambda *_: refuse())
    verdicts = examined(CONFIG)
    assert (verdicts["engine"], verdicts["agreement"]) == (Verdict.FAIL, Verdict.NOT_RUN)


def refuse():
    from vineppo.errors import UserError

    raise UserError("no engine today; come back tomorrow")


# --- time --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "size"), [(1000, SIZES[0]), (300, SIZES[1]), (60, SIZES[2]), (10, SIZES[3]), (5, None)]
)
def test_the_look_is_as_close_as_the_time_allows(seconds: float, size: Size | None):
    """The smallest, of 2 x 2 x 8 tokens, took 1 s: five passes of 4 x 4 x 16 should take 5 x 8 x 1.25 = 50 s."""
    assert Budget(seconds, clock=lambda: 0.0).largest(1.0, passes=5) == size


def test_what_is_left_shrinks_and_never_below_nothing():
    now = iter([0.0, 4.0, 11.0])
    budget = Budget(10, clock=lambda: next(now))
    assert (budget.left, budget.left) == (6.0, 0.0)


def test_without_time_the_sampler_is_looked_at_once_and_the_rest_is_left_out(capsys):
    assert main(["doctor", *QUICK, "--seconds", "0.01"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert re.search(r"over \d\d tokens", printed)  # 4 trajectories of 8 tokens, and rollouts of at most 8
    for check in ("stale cache", "endings"):
        assert f"{check} not run it would not have ended within 0 s; give --seconds more" in printed


def test_responses_that_had_no_time_to_end_tell_nothing(policy: Policy):
    judge = partial(judge_endings, policy=policy, sampling=Sampling(max_new_tokens=80))
    verdicts = [judge(1.0, 8, tried=tried).verdict for tried in (40, 80)]
    assert verdicts == [Verdict.NOT_RUN, Verdict.WARN]
    finding = judge(0.5, 8, tried=40)
    assert finding.verdict is Verdict.OK
    assert "4 of 8 were cut off at 40 tokens (sampling.max_new_tokens is 80" in finding.found


# --- credit ------------------------------------------------------------------------------------------------------


def sampled(*logprobs: tuple[float, ...]) -> Sampled:
    """The last one is a rollout."""
    return Sampled(tokens=(), logprobs=logprobs, trajectories=len(logprobs) - 1, versions=frozenset({0}))


def test_departures_are_what_could_have_been_written_instead():
    half = log(0.5)
    assert expected_departures(sampled((half, 0.0, half), (half,), (half,) * 9)) == pytest.approx((1.0 + 0.5) / 2)


@pytest.mark.parametrize(("departures", "restarts"), [(1, "3"), (4, "0.25"), (10, "0.1")])
def test_the_less_sure_the_policy_the_fewer_restarts(departures: int, restarts: str):
    own = (log(0.5),) * (2 * departures)
    tree, vine = (
        check_credit(load_config(None, [*QUICK, f"credit={name}"]), sampled(own, own)) for name in ("tree", "vine")
    )
    assert f"{departures}.0 times a trajectory" in tree.found
    assert f"credit.restarts about {restarts};" in tree.found
    assert "only measures" not in tree.found
    assert "credit=vine only measures" in vine.found


# --- sampler and trainer -----------------------------------------------------------------------------------------


@pytest.fixture
def policy() -> Policy:
    return load_policy("bundled:arithmetic", device="cpu")


def probe_of(policy: Policy, environment: Environment) -> Probe:
    return Probe(
        environment=environment,
        scorer=build_workshop(CONFIG).scorer(policy.model),
        questions=environment.task.questions("train"),
        sampling=CONFIG.sampling.law,
        passes=Passes(rows=8),
    )


@pytest.fixture
def environment(policy: Policy) -> Environment:
    return build_environment(policy, build_task(CONFIG.task), CONFIG.engine)


def test_a_sampler_with_other_weights_disagrees(policy: Policy, environment: Environment):
    probe = probe_of(policy, environment)
    sampled = probe.sample()
    assert check_agreement(probe, sampled).verdict is Verdict.OK
    with changed(policy.model):
        assert check_agreement(probe, sampled).verdict is Verdict.FAIL


def test_low_precision_is_a_warning(policy: Policy, environment: Environment):
    probe = probe_of(policy, environment)
    sampled = probe.sample()
    noisy = replace(sampled, logprobs=tuple(tuple(lp + 0.01 for lp in own) for own in sampled.logprobs))
    assert check_agreement(probe, noisy).verdict is Verdict.WARN


def test_an_update_reaches_the_embedded_engine_and_leaves_the_weights_as_they_were(
    policy: Policy, environment: Environment
):
    before = {name: tensor.clone() for name, tensor in policy.model.state_dict().items()}
    probe = probe_of(policy, environment)
    finding = check_staleness(probe, policy.model, probe.sample())
    assert finding.verdict is Verdict.OK, finding.found
    assert "100% of the samples are the first ones again" in finding.found
    assert all(torch.equal(before[name], tensor) for name, tensor in policy.model.state_dict().items())


class Forgetful(TorchEngine):
    """Shares the trainer's weights, but keeps what it cached under the old ones."""

    def load_weights(self, state, *, policy_version):
        self._policy_version = policy_version


class Deaf(TorchEngine):
    """Has weights of its own and never takes new ones."""

    def load_weights(self, state, *, policy_version):
        self._policy_version = policy_version


class Mute(TorchEngine):
    """Takes the weights but not their version."""

    def load_weights(self, state, *, policy_version):
        super().load_weights(state, policy_version=0)


@pytest.mark.parametrize(("kind", "own"), [(Forgetful, False), (Deaf, True), (Mute, False)])
def test_a_sampler_that_an_update_does_not_reach_is_found(policy: Policy, kind: type[TorchEngine], own: bool):
    sampler = load_policy("bundled:arithmetic", device="cpu") if own else policy
    engine = kind(sampler.model, end_ids=policy.end_ids, context=policy.context, memory_bytes=1 << 28)
    task = build_task(CONFIG.task)
    probe = probe_of(policy, Environment(engine=engine, task=task, encode=policy.encode, decode=policy.decode))
    assert check_staleness(probe, policy.model, probe.sample()).verdict is Verdict.FAIL


# --- judge -------------------------------------------------------------------------------------------------------


class Lenient(Arithmetic):
    """Accepts whatever it is told."""

    def judge(self, questions, responses):
        return [Judgement(reward=1.0, outcome=Outcome.CORRECT) for _ in questions]


class Harsh(Arithmetic):
    """Accepts nothing."""

    def judge(self, questions, responses):
        return [Judgement(reward=0.0, outcome=Outcome.WRONG) for _ in questions]


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        (Lenient, "64 of 64 wrong answers are accepted, e.g. question"),
        (Harsh, "64 of 64 gold answers are refused, e.g. question"),
    ],
)
def test_a_judge_that_judges_wrongly_is_found(kind: type[Arithmetic], found: str):
    task = kind(operations=3, modulus=50, operators="+-", train_questions=10, test_questions=QUESTIONS, seed=0)
    finding = check_judge(CONFIG.task, task)
    assert finding.verdict is Verdict.FAIL
    assert found in finding.found


def test_answers_are_put_as_each_task_reads_them(tmp_path: Path):
    rows = [{"problem": f"{i}?", "solution": rf"It is \boxed{{\frac{{{i}}}{{7}}}}."} for i in range(1, 9)]
    for split in ("train", "test"):
        (tmp_path / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = load_config(None, [f"task={{name: math, path: {tmp_path}}}"]).task
    assert check_judge(task, build_task(task)).verdict is Verdict.OK
    assert Gsm8kTask().response("7") == "So it is.\n#### 7"
    assert Gsm8kTask().another("1.5") == "2.5"
    assert MathTask().another("x") == "x + 17"


def math_task(folder: Path):
    rows = [{"problem": f"{i}?", "solution": rf"It is \boxed{{\frac{{{i}}}{{7}}}}."} for i in range(1, 9)]
    for split in ("train", "test"):
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = load_config(None, [f"task={{name: math, path: {folder}}}"]).task
    return config, build_task(config)


def test_other_spellings_other_golds_and_tricks_are_tried(tmp_path: Path):
    finding = check_judge(*math_task(tmp_path))
    assert finding.verdict is Verdict.OK
    assert "32 of 32 other spellings accepted" in finding.found
    assert "0 of 8 gold answers of other questions accepted" in finding.found
    assert "0 of 136 shapes that game a judge accepted" in finding.found


def test_equal_answers_are_no_answers_of_others(tmp_path: Path):
    settings, task = math_task(tmp_path)
    questions = [replace(question, answer="3") for question in task.questions("test")[:4]]
    twins = SimpleNamespace(questions=lambda split: [*questions, replace(questions[0], answer="4")], judge=task.judge)
    assert "0 of 2 gold answers of other questions accepted" in check_judge(settings, twins).found


def test_a_narrow_terminal_has_what_was_found_below_its_check():
    finding = Finding(check="judge", verdict=Verdict.WARN, found="many words " * 6, remedy="do that")
    told = {width: io.StringIO() for width in (40, 100)}
    for width, file in told.items():
        Console(file=file, width=width).print(Row(finding))
    assert [line.rstrip() for line in told[40].getvalue().splitlines()] == [
        "judge: warn",
        "  many words many words many words many",
        "  words many words many words",
        "  -> do that",
    ]
    assert told[100].getvalue().split()[:4] == ["judge", "warn", "many", "words"]
    assert told[100].getvalue().count("\n") == 2


def test_a_judge_that_can_be_gamed_is_found(tmp_path: Path, monkeypatch):
    config, task = math_task(tmp_path)

    def last_number(questions, responses):
        """Pays whatever holds the answer, but for what the first checks find."""
        return [
            Judgement(reward=float(q.answer in r and not r.endswith("+ 17}$.")), outcome=Outcome.SCORED)
            for q, r in zip(questions, responses, strict=True)
        ]

    monkeypatch.setattr(task, "judge", last_number)
    finding = check_judge(config, task)
    assert finding.verdict is Verdict.FAIL
    assert "a list of guesses of question test-0 ('1, 2, 3, " in finding.found


def test_a_judge_that_knows_one_spelling_is_found(tmp_path: Path, monkeypatch):
    config, task = math_task(tmp_path)

    def verbatim(questions, responses):
        return [
            Judgement(reward=float(r == config.response(q.answer)), outcome=Outcome.SCORED)
            for q, r in zip(questions, responses, strict=True)
        ]

    monkeypatch.setattr(task, "judge", verbatim)
    finding = check_judge(config, task)
    assert finding.verdict is Verdict.WARN
    assert "0 of 32 other spellings accepted (in dollars of question test-0" in finding.found


def test_reward_functions_cannot_be_tried():
    config = load_config(None, ["task={name: dataset, rewards: [{function: 'a.py:b'}]}"])
    finding = check_judge(config.task, Arithmetic(operations=3, modulus=50, operators="+", test_questions=4))
    assert finding.verdict is Verdict.NOT_RUN


# --- batch, memory, versions -------------------------------------------------------------------------------------


def test_the_batch_in_words():
    found = check_batch(load_config(ROOT / "configs/gsm8k.yaml"))
    assert found.verdict is Verdict.OK
    assert found.found == (
        "64 questions x 8 trajectories = 512 trajectories an iteration, 9 rollouts from each distinct state. "
        "8 minibatches of 64 x 2 passes = 16 updates, each in 8 forward passes of 8. 650 iterations: 10,400 updates."
    )


def test_a_minibatch_that_is_left_over_is_a_warning():
    finding = check_batch(load_config(None, ["training={questions: 5, trajectories: 2}", "learner.minibatch=4"]))
    assert finding.verdict is Verdict.WARN
    assert "The last minibatch of a pass has only 2" in finding.found


def test_memory_is_judged_by_what_there_is():
    verdicts = [judge_memory(needed, 100, 1, "cpu").verdict for needed in (50, 90, 91, 100, 101)]
    assert verdicts == [Verdict.OK, Verdict.OK, Verdict.WARN, Verdict.WARN, Verdict.FAIL]


def test_versions_that_do_not_fit_are_named():
    from packaging.requirements import Requirement

    assert check_versions().verdict is Verdict.OK
    assert unmet(Requirement("torch>=2.9")) is None
    assert unmet(Requirement("torch>=99")) == f"torch {version('torch')} is not >=99"
    assert unmet(Requirement("no-such-package")) == "no-such-package is missing"
    assert unmet(Requirement("no-such-package; extra == 'dev'")) is None


def test_a_sampler_too_imprecise_to_tell_is_a_warning():
    near = judge_update(versions_right=True, usual=1e-3, moved=0.1, off=4e-3, back=1e-3, same=1.0)
    blind = judge_update(versions_right=True, usual=2e-2, moved=0.1, off=2e-2, back=2e-2, same=1.0)
    stale = judge_update(versions_right=True, usual=1e-3, moved=0.1, off=6e-3, back=1e-3, same=1.0)
    unsure = judge_update(versions_right=True, usual=1e-3, moved=0.1, off=float("nan"), back=1e-3, same=1.0)
    assert [f.verdict for f in (near, blind, stale, unsure)] == [Verdict.OK, Verdict.WARN, Verdict.FAIL, Verdict.FAIL]


def test_norms_of_zeros_are_changed_and_go_back():
    """Gemma's begin so: what is added to 1."""
    model = tiny_model("gemma")
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.zero_()
    vectors = [parameter for parameter in model.parameters() if parameter.ndim == 1]
    with changed(model):
        assert all(0.05 < float(vector.detach().std()) < 0.5 for vector in vectors)
    assert all(bool((vector == 0).all()) for vector in vectors)
    still = judge_update(versions_right=True, usual=0.0, moved=0.0, off=0.0, back=0.0, same=1.0)
    assert still.verdict is Verdict.WARN
    assert "moved nothing" in still.remedy
