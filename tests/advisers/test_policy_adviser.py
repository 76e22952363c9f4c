"""Another policy as adviser: it answers, each inquiry from its own seed, and says where it cannot."""

from pathlib import Path

import pytest

from vineppo.advisers.policy import PolicyAdviser
from vineppo.advisers.settings import AdviserParts, Inquiry
from vineppo.engines.build import alone
from vineppo.engines.settings import PoolConfig
from vineppo.engines.torch.settings import TorchEngineConfig
from vineppo.errors import UserError
from vineppo.settings.sections import PolicyConfig
from vineppo.types import Message, Question

ARITHMETIC = PolicyConfig(path="bundled:arithmetic", device="cpu")


def inquiry(text: str) -> Inquiry:
    return Inquiry(
        messages=(Message(role="user", content=text),), question=Question(id="q", prompt="?", answer=""), steps=()
    )


def test_it_samples_from_the_policy_it_names():
    engine = TorchEngineConfig(memory_gib=0.05)
    settings = PolicyAdviser(policy=ARITHMETIC, max_new_tokens=4, temperature=1.0)
    ask = settings.build(AdviserParts(where="credit.adviser", open_engine=lambda policy: engine.build(policy)))
    [first, second] = ask([inquiry("12*7=?"), inquiry("3+4=?")], count=2, seed=0)
    assert [answer.tokens for answer in (*first, *second)] == pytest.approx([4] * 4, abs=3)
    assert ask([inquiry("12*7=?"), inquiry("3+4=?")], count=2, seed=0) == [first, second]
    assert ask([], count=2, seed=0) == []
    [long] = ask([inquiry("7+" * 900)], count=2, seed=0)
    assert [(answer.text, answer.tokens) for answer in long] == [("", 0)] * 2, "no room is left for an answer"


def test_a_pool_and_a_smaller_context_are_the_trained_policys():
    engine = TorchEngineConfig(context=9, pool=PoolConfig(replicas=2), rows=7)
    assert alone(engine) == TorchEngineConfig(rows=7)


def test_what_is_missing_is_said(tmp_path: Path):
    with pytest.raises(UserError, match=r"credit.adviser.policy.path names no model .* endpoint or function"):
        PolicyAdviser().build(AdviserParts(where="credit.adviser"))
    with pytest.raises(UserError, match=r"no engine for another policy here; set credit.adviser.name=endpoint"):
        PolicyAdviser(policy=ARITHMETIC).build(AdviserParts(where="credit.adviser"))
