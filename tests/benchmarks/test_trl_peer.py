"""The outside peer: what TRL is told, what it leaves behind, and that its update is ours."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from transformers import TrainerCallback, TrainerControl, TrainerState

from equal_tuning import trl_peer
from equal_tuning.trl_peer import (
    Judge,
    Peer,
    Recorder,
    asked_questions,
    is_finished,
    make_optimizer,
    open_directory,
    train,
)
from equal_tuning.trl_settings import check_settings, recorded_settings, trainer_arguments
from vineppo.analysis.configurations import names_of, settings_of
from vineppo.compare.read import read_comparison
from vineppo.config.load import load_config
from vineppo.config.schema import Config
from vineppo.credit.group import grpo
from vineppo.curriculum.uniform import draw
from vineppo.errors import UserError
from vineppo.learner.learner import Learner
from vineppo.learner.logprobs import TokenLogprobs
from vineppo.policy import load_policy
from vineppo.recipes.build import build_environment
from vineppo.recipes.measurements import response_metrics
from vineppo.run_dir import RunDir
from vineppo.tasks.arithmetic import Arithmetic
from vineppo.tasks.build import build_task
from vineppo.trainer import Trainer
from vineppo.types import Finish, Judgement, Outcome, Question, Sample

needs_trl = pytest.mark.skipif(
    find_spec("trl") is None, reason="needs TRL: pip install -c constraints.txt -e '.[bench]'"
)
DEFAULT = "configs/arithmetic.yaml"
QUICK = [
    "task={name: arithmetic, train_questions: 60, test_questions: 20}",
    "sampling={temperature: 1.0, top_p: 1.0, max_new_tokens: 80}",
    "training={iterations: 4, questions: 4, trajectories: 4}",
    "learner={learning_rate: 1.0e-3, minibatch: 8}",
    "evaluation={every: 2}",
    "credit=grpo",
]
"""Overrides for a run that takes seconds."""


def config_of(*overrides: str) -> Config:
    return load_config(None, [*QUICK, *overrides])


def in_folder(folder: Path, *overrides: str) -> Config:
    return config_of(f"run.dir={folder}", *overrides)


# --- what TRL is told --------------------------------------------------------------------------------------------


def test_an_iteration_is_sampled_at_once_and_learned_from_in_our_minibatches():
    # 32 questions x 4 trajectories are 2 minibatches of 64, twice over: 4 updates, in 70 iterations 280.
    told = trainer_arguments(load_config(DEFAULT, ["credit=grpo"]))
    assert told["per_device_train_batch_size"] == 64
    assert told["gradient_accumulation_steps"] == 1
    assert told["steps_per_generation"] == 2
    assert told["num_generations"] == 4
    assert told["num_iterations"] == 2
    assert told["max_steps"] == 280


def test_the_laws_are_ours():
    told = trainer_arguments(
        config_of("sampling.top_p=0.9", "sampling.top_k=7", "learner.clip=0.3", "learner.kl_coefficient=0.01")
    )
    assert (told["temperature"], told["top_p"], told["top_k"], told["max_completion_length"]) == (1.0, 0.9, 7, 80)
    assert (told["epsilon"], told["beta"], told["loss_type"], told["scale_rewards"]) == (0.3, 0.01, "grpo", "group")
    fair = trainer_arguments(config_of("credit.scale=false"))
    assert (fair["scale_rewards"], fair["loss_type"]) == ("none", "dr_grpo")
    assert trainer_arguments(config_of("learner.average=tokens"))["loss_type"] == "bnpo"


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("credit=rloo", "credit is rloo; set credit=grpo"),
        ("recipe=rest_em", "recipe is rest_em"),
        ("curriculum=learnability", "curriculum is learnability"),
        ("learner.minibatch=7", "learner.minibatch 7 does not divide the 16 trajectories"),
        ("learner.lora={rank: 2}", "learner.lora is set"),
    ],
)
def test_what_trl_cannot_do_as_we_do_is_refused(override: str, complaint: str):
    check_settings(config_of())
    with pytest.raises(UserError, match=complaint):
        check_settings(config_of(override))


def test_without_trl_the_remedy_is_told(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(trl_peer, "find_spec", lambda name: None)
    assert trl_peer.main([DEFAULT, "credit=grpo", f"run.dir={tmp_path / 'run'}"]) == 2
    assert "TRL is not installed; install it with: pip install" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_it_asks_the_questions_that_we_ask():
    config = config_of("training.seed=3")
    train_questions = build_task(config.task).questions("train")
    asked = asked_questions(config, environment_of(config), train_questions)
    assert asked == [q for i in (1, 2, 3, 4) for q in draw(train_questions, count=4, seed=3, iteration=i)]


def test_the_learning_rate_rises_and_falls_as_ours():
    # 6 updates, 2 of warm-up: half, all, then down in four even parts.
    settings = config_of("learner.learning_rate=1.0", "learner.warmup_ratio=0.3").learner
    optimizer, schedule = make_optimizer(load_policy("bundled:arithmetic").model, settings, updates=6)
    rates = []
    for _ in range(6):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx([0.5, 1, 1, 0.75, 0.5, 0.25])


# --- what it leaves behind ---------------------------------------------------------------------------------------


def environment_of(config: Config):
    return build_environment(load_policy("bundled:arithmetic"), build_task(config.task), config.engine)


def test_metrics_of_a_batch():
    right, wrong = Judgement(reward=1, outcome=Outcome.CORRECT), Judgement(reward=0, outcome=Outcome.WRONG)
    cut_off = Judgement(reward=0, outcome=Outcome.TRUNCATED)
    over, cut = Finish.TERMINATED, Finish.TRUNCATED
    assert response_metrics(
        ["a", "a", "b", "b"], [right, wrong, wrong, cut_off], [over, over, over, cut], [3, 4, 5, 8]
    ) == {
        "reward": 0.25,
        "reward_std": 0.25,  # one half in the first group, nothing in the second
        "frac_reward_zero_std": 0.5,
        "outcome/correct": 0.25,
        "outcome/truncated": 0.25,
        "outcome/wrong": 0.5,
        "completions/mean_length": 5.0,
        "completions/clipped_ratio": 0.25,
        "tokens/trajectories": 20.0,
    }


def test_its_name_beside_ours():
    ours = [config_of(f"credit={credit}").model_dump() for credit in ("vine", "grpo")]
    settings = [settings_of(each) for each in (*ours, recorded_settings(config_of()))]
    assert names_of(settings, ["a", "b", "c"]) == ["policy_iteration vine", "policy_iteration grpo", "trl_grpo"]


def test_truncated_responses_earn_nothing_even_when_right():
    config = config_of()
    policy, question = load_policy("bundled:arithmetic"), Question(id="q", prompt="1+1=?\n", answer="2")
    judge = Judge(environment=environment_of(config), policy=policy, questions=[question])
    right = list(policy.encode("####2"))
    assert judge(completion_ids=[[*right, *policy.end_ids], right], place=[0, 0]) == [1.0, 0.0]
    assert judge.metrics["outcome/truncated"] == 0.5


def test_what_the_recorder_writes_compare_reads(tmp_path: Path):
    config = in_folder(tmp_path / "trl", "learner.epochs=1", "training.iterations=2", "evaluation.every=1")
    directory, environment = RunDir(tmp_path / "trl"), environment_of(config)
    open_directory(directory, recorded_settings(config), {})
    judge = Judge(environment=environment, policy=load_policy("bundled:arithmetic"), questions=[])
    model = load_policy("bundled:arithmetic").model
    recorder = Recorder(
        config=config,
        model=model,
        judge=judge,
        test=environment.task.questions("test"),
        environment=environment,
        to=directory,
    )
    recorder.on_train_begin(None, TrainerState(), TrainerControl())
    for update in (1, 2, 3, 4):
        judge.metrics = {"tokens/trajectories": 100.0}
        recorder.on_step_end(None, TrainerState(global_step=update), TrainerControl())
    lines = directory.read_metrics()
    assert [(line["iteration"], line["updates"]) for line in lines] == [(0, 0), (1, 2), (2, 4)]
    assert lines[0]["num_tokens"] == 0, "as in our runs"
    assert lines[2]["num_tokens"] == 200 + sum(line["tokens/evaluation"] for line in lines[1:])
    assert lines[2]["time/total"] == pytest.approx(lines[1]["time/iteration"] + lines[2]["time/iteration"])
    (experiment,) = read_comparison([directory.root]).experiments
    assert [point.at["updates"] for point in experiment.curve] == [0, 2, 4]
    # What evaluating took is no part of training: here nothing else took time.
    assert experiment.curve[2].at["seconds"] < 0.1 * lines[2]["time/total"]
    assert experiment.curve[2].at["tokens"] == 200


def test_a_run_of_other_settings_is_not_overwritten(tmp_path: Path):
    directory = RunDir(tmp_path / "trl")
    settings = recorded_settings(in_folder(tmp_path / "trl"))
    assert not is_finished(directory, settings)
    open_directory(directory, settings, {})
    assert not is_finished(directory, settings)
    directory.write_summary({})
    assert is_finished(directory, settings)
    with pytest.raises(UserError, match="holds a run of another config"):
        is_finished(directory, recorded_settings(in_folder(tmp_path / "trl", "training.seed=1")))


# --- with TRL ----------------------------------------------------------------------------------------------------


class Parity(Arithmetic):
    """Rewards that vary within any group."""

    def judge(self, questions, responses):
        rewards = [float(sum(map(ord, response)) % 3) for response in responses]
        return [Judgement(reward=reward, outcome=Outcome.SCORED) for reward in rewards]


@needs_trl
@pytest.mark.parametrize("scale", ["true", "false"])
def test_its_update_is_ours(tmp_path: Path, monkeypatch, scale: str):
    """The same responses, the same rewards: the same new weights."""
    config = in_folder(
        tmp_path, f"credit.scale={scale}", "training.iterations=1", "learner.epochs=1", "learner.minibatch=16",
        "learner.average=tokens", "learner.max_grad_norm=1e6",
    )  # fmt: skip
    seen: list[tuple[list[int], int, float]] = []

    class Spy(Judge):
        def __call__(self, completion_ids, place, **rest):
            rewards = super().__call__(completion_ids, place, **rest)
            seen.extend(zip(completion_ids, place, rewards, strict=True))
            return rewards

    monkeypatch.setattr(trl_peer, "Judge", Spy)
    peer = Peer(config, Parity(train_questions=60, test_questions=4), RunDir(tmp_path))
    start = load_policy("bundled:arithmetic").model
    before, norms = flat(start), GradientNorms(peer.policy.model)
    peer.trainer.add_callback(norms)
    peer.trainer.train()

    judge = peer.trainer.reward_funcs[0]
    samples = [
        as_sample(peer.policy.encode(judge.questions[place].prompt), ids, advantage)
        for group in (seen[i : i + 4] for i in range(0, 16, 4))
        for (ids, place, _), advantage in zip(
            group, grpo([reward for *_, reward in group], scale=scale == "true"), strict=True
        )
    ]
    learner = Learner(TokenLogprobs(start, temperature=1.0, chunk=4096), None, config.learner, updates=1)
    metrics = learner.update(samples, seed=0)
    assert norms.seen == pytest.approx([metrics["grad_norm"]], rel=1e-3)
    ours, theirs = flat(start) - before, flat(peer.policy.model) - before
    assert ours.norm() > 0
    assert (ours - theirs).norm() < 0.02 * ours.norm()


class GradientNorms(TrainerCallback):
    """Adam's first update hides the size of the gradient; this does not."""

    def __init__(self, model: torch.nn.Module):
        self._model = model
        self.seen: list[float] = []

    def on_pre_optimizer_step(self, *_, **__):
        self.seen.append(torch.cat([p.grad.flatten() for p in self._model.parameters()]).norm().item())


def as_sample(prompt: tuple[int, ...], ids: list[int], advantage: float) -> Sample:
    return Sample(
        token_ids=(*prompt, *ids),
        prompt_length=len(prompt),
        logprobs=(0.0,) * len(ids),
        advantages=(advantage,) * len(ids),
    )


def flat(model: torch.nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten().clone() for parameter in model.parameters()])


@needs_trl
def test_a_run_beside_ours(tmp_path: Path, capsys):
    """4 iterations of 2 epochs over 2 minibatches."""
    ours = Trainer(in_folder(tmp_path / "ours")).train()
    directory = train(in_folder(tmp_path / "trl"))
    compared = read_comparison([tmp_path / "ours", tmp_path / "trl"])
    assert [experiment.name for experiment in compared.experiments] == ["ours", "trl"]
    lines = directory.read_metrics()
    assert [line["updates"] for line in lines] == [line["updates"] for line in ours.metrics] == [0, 4, 8, 12, 16]
    assert lines[0]["eval/accuracy"] == ours.metrics[0]["eval/accuracy"]
    assert {"eval/accuracy" in line for line in lines[::2]} == {True}
    assert json.loads(directory.summary_file.read_text())["updates"] == 16
    trained, start = load_policy(str(directory.policy)).model, load_policy("bundled:arithmetic").model
    assert not torch.equal(flat(trained), flat(start))
    before = directory.metrics_file.read_bytes()
    train(in_folder(tmp_path / "trl"))
    assert "holds a finished run" in capsys.readouterr().out
    assert directory.metrics_file.read_bytes() == before
