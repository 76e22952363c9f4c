"""What is refused, before anything is loaded; and how work is shared out."""

from importlib.metadata import PackageNotFoundError
from typing import Any

import pytest
import torch
from trl import GRPOConfig  # pyright: ignore[reportMissingImports]

from together import together
from vineppo.credit.coupled_assigner import CoupledCredit
from vineppo.credit.gae import PpoCredit
from vineppo.credit.group import GrpoCredit, RlooCredit
from vineppo.credit.tree_assigner import TreeCredit
from vineppo.credit.vine import VineCredit
from vineppo.errors import UserError
from vineppo.integrations.trl import CreditGRPOTrainer, versions
from vineppo.integrations.trl.engine import Row, chunks
from vineppo.integrations.trl.law import draw_firsts
from vineppo.integrations.trl.settings import check_server, check_settings, sampling_of
from vineppo.integrations.trl.shares import in_shares
from vineppo.integrations.trl.task import judgements
from vineppo.processes import Processes
from vineppo.steps.lines import LinesSteps
from vineppo.steps.uncertain import UncertainSteps
from vineppo.types import Outcome, Request, Sampling


@pytest.mark.parametrize(
    ("credit", "steps", "more", "settings", "complaint"),
    [
        (PpoCredit(), None, {}, {}, "credit is ppo, which needs a value network"),
        (TreeCredit(), None, {}, {}, "credit is tree, which learns from its rollouts, too"),
        ("vine", None, {}, {}, "credit is 'vine'; give the settings of a method"),
        (GrpoCredit(scale=False), None, {}, {}, "scale_rewards is 'group'.*set scale_rewards='none'"),
        (
            VineCredit(),
            None,
            {},
            {"multi_objective_aggregation": "normalize_then_sum"},
            "credit=vine needs one reward a response",
        ),
        (VineCredit(), None, {"tools": [max]}, {}, "tools is given, but credit=vine continues responses"),
        (CoupledCredit(), None, {"rollout_func": max}, {}, "rollout_func is given"),
        (CoupledCredit(), None, {}, {"min_p": 0.1}, "args.min_p is 0.1, but credit=coupled computes with the prob"),
        (CoupledCredit(), None, {}, {"repetition_penalty": 1.1}, "args.repetition_penalty is 1.1"),
        (CoupledCredit(), None, {}, {"generation_kwargs": {"typical_p": 0.9}}, "args.generation_kwargs is"),
        (VineCredit(mask_above=0.9), None, {}, {"min_p": 0.1}, "args.min_p is 0.1"),
        (VineCredit(), UncertainSteps(), {}, {"min_p": 0.1}, "steps=uncertain computes with"),
    ],
)
def test_what_cannot_work_is_refused(
    credit: Any, steps: Any, more: dict[str, Any], settings: dict[str, Any], complaint: str, tmp_path
):
    args = GRPOConfig(str(tmp_path), use_cpu=True, bf16=False, **settings)
    with pytest.raises(UserError, match=complaint):
        CreditGRPOTrainer("no/such-model", max, args, **more, credit=credit, steps=steps)


@pytest.mark.parametrize("credit", [RlooCredit(), GrpoCredit(), VineCredit()])
def test_a_law_that_nobody_looks_at_may_be_any(credit: Any, tmp_path):
    check_settings(credit, LinesSteps(), {"args": GRPOConfig(str(tmp_path), use_cpu=True, bf16=False, min_p=0.1)})
    check_settings(credit, LinesSteps(), {})


def test_images_are_refused_where_rollouts_would_need_them(tmp_path):
    from datasets import Dataset

    args = GRPOConfig(str(tmp_path), use_cpu=True, bf16=False)
    rows = Dataset.from_list([{"prompt": "?", "image": "a"}])
    with pytest.raises(UserError, match="train_dataset has a column image, but credit=vine"):
        CreditGRPOTrainer("no/such-model", max, args, rows, credit=VineCredit())


def test_a_server_must_tell_the_log_probs_of_what_it_samples_from():
    check_server(CoupledCredit(), LinesSteps(), "processed_logprobs")
    check_server(VineCredit(), LinesSteps(), "raw_logprobs")
    with pytest.raises(UserError, match="restart it with --logprobs-mode processed_logprobs"):
        check_server(CoupledCredit(), LinesSteps(), "raw_logprobs")


def test_another_trl_is_refused(monkeypatch):
    monkeypatch.setattr(versions, "version", lambda name: "1.17.2")
    with pytest.raises(UserError, match=r"TRL is 1.17.2, but .* methods of 1.16.x.*pip install 'trl==1.16"):
        versions.check_trl()
    monkeypatch.setattr(versions, "version", lambda name: "1.16.9")
    versions.check_trl()

    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(versions, "version", missing)
    with pytest.raises(UserError, match=r"install it with: pip install 'vineppo\[trl\]'"):
        versions.check_trl()


def test_the_law_is_read_off_trls_settings(tmp_path):
    args = GRPOConfig(
        str(tmp_path), use_cpu=True, bf16=False, temperature=0.7, top_p=0.9, top_k=7, max_completion_length=33
    )
    assert sampling_of(args) == Sampling(temperature=0.7, top_p=0.9, top_k=7, max_new_tokens=33)


# --- parts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("items", [[], [1], [1, 2, 3], [1, 2, 3, 4]])
def test_each_process_does_as_much_and_all_get_all(items: list[int]):
    def work(processes: Processes) -> tuple[list[int], list[int]]:
        loads: list[int] = []

        def square(own: list[int]) -> list[int]:
            loads.append(len(own))
            return [item * item for item in own]

        return in_shares(processes, items, square), loads

    for found, loads in together(2, work):
        assert found == [item * item for item in items]
        assert loads == ([] if not items else [(len(items) + 1) // 2])


def test_first_tokens_follow_the_law_of_their_place():
    """Two positions with other laws; from shares, each half of the law gives one; what is forbidden never comes."""
    logits = torch.log(torch.tensor([[0.5, 0.5, 1e-9], [1e-9, 0.25, 0.75]]))
    asked = [
        Request(prefix=(7,), count=2, seed=1, stratified=True),
        Request(prefix=(7, 8), count=4, seed=1, stratified=True),
        Request(prefix=(7, 8), count=3, seed=1, forbidden_first=(2,)),
        Request(prefix=(7,), count=0, seed=1),
    ]
    halves, quarters, left, none = draw_firsts(logits, asked, Sampling())
    assert sorted(token for token, _ in halves) == [0, 1]
    assert sorted(token for token, _ in quarters) == [1, 2, 2, 2]
    assert [logprob for _, logprob in halves] == pytest.approx([-0.6931472] * 2)
    assert [token for token, _ in left] == [1, 1, 1]
    assert left[0][1] == pytest.approx(0, abs=1e-6)
    assert none == []


def row(left: int) -> Row:
    return Row(place=0, prefix=(1,), begun=(), logprobs=(), limit=left)


def test_rows_with_as_much_left_go_together():
    lefts = [8, 3, 7, 4, 2]
    found = [[own.left for own in chunk] for chunk in chunks([row(left) for left in lefts], 2)]
    assert found == [[8, 7], [4, 3], [2]]
    assert [[own.left for own in chunk] for chunk in chunks([row(8), row(3)], 9)] == [[8], [3]]  # less than half
    assert [len(chunk) for chunk in chunks([row(left) for left in lefts], None)] == [5]
    assert list(chunks([], None)) == []


def test_rewards_are_weighed_and_silence_is_no_zero():
    nan = float("nan")
    found = judgements(torch.tensor([[1.0, 2.0], [nan, 3.0], [nan, nan]]), torch.tensor([1.0, 0.5]))
    assert [own.reward for own in found] == [2.0, 1.5, 0.0]
    assert [own.left_out for own in found] == [False, False, True]
    assert found[2].outcome is Outcome.UNPARSEABLE
