"""GRPO, Dr. GRPO and RLOO as published: the gradients of one update of TRL's trainers, kept in a file."""

import json
from functools import partial
from pathlib import Path

import pytest
import torch
from formula_llama import formula_llama

from vineppo.credit.group import GroupAssigner, GrpoCredit, RlooCredit, grpo, rloo
from vineppo.credit.normalise import normalised
from vineppo.learner.learner import Learner
from vineppo.learner.logprobs import TokenLogprobs
from vineppo.learner.samples import to_samples
from vineppo.settings.learner import LearnerConfig
from vineppo.types import Finish, Judgement, Outcome, Question, Scored, Trajectory

TRL = json.loads(Path(__file__).with_name("group_reference.json").read_text())
METHODS = {
    "grpo": (GrpoCredit(), partial(grpo, scale=True)),
    "dr_grpo": (GrpoCredit(scale=False), partial(grpo, scale=False)),
    "rloo": (RlooCredit(), rloo),
}


def scored(row: dict) -> Scored:
    ids = tuple(row["completion"])
    trajectory = Trajectory(
        question=Question(id=str(row["place"]), prompt="?", answer=""),
        prompt_ids=tuple(TRL["prompts"][row["place"]]),
        response_ids=ids,
        logprobs=(0.0,) * len(ids),
        text="",
        finish=Finish.TERMINATED,
        policy_version=0,
    )
    judgement = Judgement(reward=row["reward"], outcome=Outcome.SCORED)
    return Scored(trajectory=trajectory, judgement=judgement, bounds=(0, len(ids)))


@pytest.mark.parametrize("method", METHODS)
def test_the_gradient_is_that_of_trl(method: str, monkeypatch: pytest.MonkeyPatch):
    credit, advantages = METHODS[method]
    group = [scored(row) for row in TRL["methods"][method]["rows"]]
    credits = normalised(GroupAssigner(advantages)(group, seed=0), credit.normalise)
    assert not any(any(own.advantages) for own in credits[-4:]), "all wrong teaches nothing"
    model = formula_llama(0.0)
    settings = LearnerConfig(epochs=1, minibatch=len(group), micro_batch=5, kl_coefficient=0, max_grad_norm=1e9)
    scorer = TokenLogprobs(model, temperature=1.0, chunk=1000)
    learner = Learner(scorer, None, settings, updates=1, average=credit.average, limit=TRL["limit"])
    caught: dict[str, torch.Tensor] = {}

    def catch(*, veto: bool = False) -> float:
        caught.update({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
        return 0.0

    monkeypatch.setattr(learner._optimizer, "step", catch)
    learner.update(to_samples(group, credits), seed=0)
    norms = {name: float(tensor.norm()) for name, tensor in caught.items()}
    assert norms == pytest.approx(TRL["methods"][method]["gradient_norms"], rel=1e-3, abs=1e-6)
    expected = torch.tensor(TRL["methods"][method]["head_gradient"])
    torch.testing.assert_close(caught["lm_head.weight"][5], expected, rtol=1e-3, atol=1e-6)
