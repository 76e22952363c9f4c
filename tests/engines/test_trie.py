"""What prompts of different passes and calls begin with alike: prefilled once, held while there is room, met once."""

from collections.abc import Sequence
from functools import cache

import pytest
import torch
from conformance import assert_plain
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedModel

from tiny_models import tiny_kind, tiny_model
from vineppo.engines.prefixes import TokenIds, forks
from vineppo.engines.torch.engine import TorchEngine
from vineppo.engines.torch.forest import Forest
from vineppo.engines.torch.prefill import prefill_missing
from vineppo.engines.torch.trie import Trie, find_trunks
from vineppo.engines.torch.trunks import Piece, Pieces, Trunk
from vineppo.types import Completion, Request, Sampling

SHARED = tuple(3 + place % 9 for place in range(80))
"""More than trunks side by side hold once each."""
LAW, SHORT = Sampling(max_new_tokens=6), Sampling(max_new_tokens=3)
CONTEXT = 128


KINDS = ("deepseek_v3", "gemma4_text sharing")
"""Models that keep a latent, whose layers differ and share keys and values."""


def model_of(name: str) -> PreTrainedModel:
    return tiny_kind(name) if name in KINDS else tiny_model(name)


def piece(length: int) -> Piece:
    return Piece(torch.zeros(2, 1, length, 1))


def lengths(pieces: Pieces) -> list[int]:
    return [used for _, used in pieces]


def fed_to(model: PreTrainedModel) -> list[int]:
    """Tokens of each prefill pass from now on: all passes of more than one token a row."""
    fed: list[int] = []
    model.base_model.register_forward_pre_hook(
        lambda module, args, given: fed.append(given["input_ids"].numel()) if given["input_ids"].shape[1] > 1 else None,
        with_kwargs=True,
    )
    return fed


def engine_of(model: PreTrainedModel, *, rows: int = 1024, memory_bytes: int = 1 << 26) -> TorchEngine:
    return TorchEngine(model, end_ids=(1,), context=CONTEXT, rows=rows, memory_bytes=memory_bytes)


def engine_and_fed(model: PreTrainedModel, *, rows: int = 1024) -> tuple[TorchEngine, list[int]]:
    """An engine that has taken its measures, and what its prefill passes are fed from now on."""
    engine = engine_of(model, rows=rows)
    engine.sample([Request(prefix=(2,), count=1, seed=0)], Sampling(max_new_tokens=1))
    engine.load_weights({}, policy_version=0)
    return engine, fed_to(model)


def behind(beginning: TokenIds, own: Sequence[int]) -> list[Request]:
    """Questions of three tokens of their own."""
    return [Request(prefix=(*beginning, one, 5, 4), count=2, seed=one) for one in own]


# --- the trie by hand --------------------------------------------------------------------------------------------


def test_where_others_leave_each_of_several_sequences():
    ordered = [(1, 2, 3, 4), (1, 2, 3, 5), (1, 2, 6), (7, 8)]
    assert forks(ordered) == [{3, 2, 0}, {3, 2, 0}, {2, 0}, {0}]
    assert forks([]) == []
    assert forks([(1, 2)]) == [{0}]


@given(st.lists(st.lists(st.integers(0, 2), max_size=5).map(tuple), unique=True))
def test_forks_are_where_any_two_part(some: list[TokenIds]):
    def alike(one: TokenIds, other: TokenIds) -> int:
        return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))

    ordered = sorted(some)
    assert [found - {0} for found in forks(ordered)] == [
        {alike(one, other) for other in ordered if other != one} - {0} for one in ordered
    ]


def test_the_longest_known_beginning():
    trie, start = Trie(max_kept=100), piece(10)
    trie.remember(tuple(range(10)), ((start, 10),))
    trie.remember((*range(10), 20, 21), ((start, 10), (piece(2), 2)))
    trie.keep((*range(10), 30, 31, 32), ((start, 10),), lambda: piece(3).planes)
    assert lengths(trie.beginning((*range(10), 20, 21, 22))) == [10, 2]
    assert lengths(trie.beginning((*range(10), 30, 31, 40))) == [10, 2], "of a kept trajectory, too"
    assert lengths(trie.beginning((*range(10), 50))) == [10]
    assert lengths(trie.beginning((*range(5), 50))) == [5], "half of a piece is worth holding it"
    assert trie.beginning((*range(4), 50)) == (), "less is not"
    assert trie.beginning((*range(10), *range(60, 91))) == (), "ten of 41 tokens are hardly worth looking for"
    assert trie.beginning((99,)) == ()
    assert trie.fork((*range(4), 50)) == 4
    assert (trie.tokens, trie.kept_tokens) == (10 + 2 + 3, 10 + 3)


def three_prompts() -> tuple[Trie, Piece, list[Piece]]:
    """Of ten tokens in common and two of their own."""
    trie, start, own = Trie(max_kept=100, max_prompts=16), piece(10), [piece(2) for _ in range(3)]
    for index, one in enumerate(own):
        trie.remember((*range(10), 20 + index, 5), ((start, 10), (one, 2)))
    return trie, start, own


def test_the_least_recently_used_goes_first_and_what_all_begin_with_last():
    trie, start, own = three_prompts()
    assert trie.tokens == 16
    trie.beginning((*range(10), 20, 5, 7))  # the first is used again
    trie.drive_out(1)
    assert [trie.has(one) for one in (start, *own)] == [True, True, False, True]
    trie.drive_out(2)
    assert [trie.has(one) for one in (start, *own)] == [True, True, False, False]
    trie.drive_out(1)
    assert (trie.tokens, trie.has(start)) == (0, False)


def test_nothing_in_use_and_no_trajectory_is_driven_out():
    trie, start, own = three_prompts()
    trie.drive_out(1000, in_use={start, own[1]})
    assert [trie.has(one) for one in (start, *own)] == [True, False, True, False]
    trie, start, own = three_prompts()
    trie.drive_out(1000, in_use={start})
    assert [trie.has(one) for one in (start, *own)] == [True, False, False, True], "somebody must hold it"
    trie, start, own = three_prompts()
    trie.keep((*range(10), 40, 41), ((start, 10),), lambda: piece(2).planes)
    assert trie.idle(set()) == 6
    trie.drive_out(1000)
    assert (trie.tokens, trie.kept_tokens) == (12, 12)


def test_what_nobody_uses_is_bounded():
    trie, _, own = three_prompts()
    trie.trim()
    assert trie.tokens == 16
    trie.max_prompts = 13
    trie.trim(in_use={own[0]})
    assert [trie.has(one) for one in own] == [True, False, False]
    trie.clear()
    assert (trie.tokens, trie.idle(set())) == (0, 0)


# --- passes ------------------------------------------------------------------------------------------------------

BEGINNING = SHARED[:20]
PROMPTS = [(*BEGINNING, own, 5, 4) for own in range(3, 9)]


@pytest.mark.parametrize(
    ("together", "fed"),
    [
        (1000, [20 + 6 * 3]),
        (30, [23, 3 * 3, 2 * 3]),  # one alone; three rows of three tokens and the twenty known ones; two
        (1, [23, 3, 3, 3, 3, 3]),
    ],
)
def test_a_pass_finds_what_those_before_it_made(together: int, fed: list[int]):
    model = tiny_model("llama")
    found, trie = fed_to(model), Trie(max_kept=0, max_prompts=1000)
    trunks = find_trunks(PROMPTS, trie)
    prefill_missing(model, list(trunks.values()), trie, together=together)
    assert found == fed
    assert [lengths(trunks[prompt].pieces or ()) for prompt in PROMPTS] == [[20, 3]] * 6, "cut where the others leave"
    assert trie.tokens == 20 + 6 * 3
    found.clear()
    prefill_missing(model, list(find_trunks(PROMPTS, trie).values()), trie, together=together)
    assert found == []


@pytest.mark.parametrize("name", ["llama-gqa", "mistral-sliding", "gemma2", "gpt2", *KINDS])
def test_keys_and_values_behind_a_known_beginning_are_those_of_one_pass(name: str):
    model = model_of(name)
    mixed = [*PROMPTS, BEGINNING[:9], (*BEGINNING[:12], 12, 3), (7, 3, 12)]
    found = {}
    for together in (1000, 30):
        trie = Trie(max_kept=0)
        trunks = find_trunks(mixed, trie)
        prefill_missing(model, list(dict.fromkeys(trunks.values())), trie, together=together)
        found[together] = [
            torch.cat([own.planes[:, :, :used] for own, used in trunks[prompt].pieces or ()], dim=2) for prompt in mixed
        ]
    torch.testing.assert_close(found[30], found[1000], atol=1e-4, rtol=1e-4)


def test_later_calls_and_questions_prefill_what_is_their_own_until_the_weights_change():
    engine, fed = engine_and_fed(tiny_model("llama"))
    engine.sample(behind(BEGINNING, [3, 4, 5]), LAW)
    assert sum(fed) == 20 + 3 * 3
    engine.sample(behind(BEGINNING, [6, 7]), LAW)
    assert sum(fed) == 20 + 5 * 3
    engine.sample(behind(BEGINNING, [3, 7, 8]), LAW)
    assert sum(fed) == 20 + 6 * 3, "two of them are known as a whole"
    engine.load_weights({}, policy_version=1)
    engine.sample(behind(BEGINNING, [3, 7, 8]), LAW)
    assert sum(fed) == 20 + 6 * 3 + 20 + 3 * 3


def test_questions_that_come_one_by_one_share_as_well():
    engine, fed = engine_and_fed(tiny_model("llama"))
    for request in behind(BEGINNING, range(3, 8)):
        engine.sample([request], LAW)
    assert fed == [23, 3, 3, 3, 3]


def test_rows_that_wait_share_with_those_that_decode():
    engine, fed = engine_and_fed(tiny_model("llama"), rows=2)
    engine.sample(behind(BEGINNING, range(3, 9)), LAW)
    assert fed == [23, 3, 3, 3, 3, 3]


# --- decoding ----------------------------------------------------------------------------------------------------


def test_trunks_side_by_side_hold_once_what_all_begin_with():
    model, trie = tiny_model("llama"), Trie(max_kept=0)
    trunks = list(find_trunks([(*SHARED, 3, 5), (*SHARED, 4, 5, 6), SHARED[:78], (*SHARED[:70], 12)], trie).values())
    trunks = list(dict.fromkeys(trunks))
    prefill_missing(model, trunks, trie)
    forest = Forest(trunks)
    assert (forest.shared.shape[3], forest.planes.shape[1], forest.planes.shape[3]) == (70, 3, 13)
    alone = Forest(trunks[:1])
    assert (alone.shared.shape[3], alone.planes.shape[3]) == (len(trunks[0].tokens), 0)
    short = [Trunk((*SHARED[:63], own)) for own in (11, 12)]
    prefill_missing(model, short, trie)
    assert Forest(short).shared.shape[3] == 0, "too few tokens to be worth a product of their own"


@pytest.mark.parametrize("name", ["llama-gqa", "mistral-sliding", "gemma2", "gpt-neox", *KINDS])
def test_behind_a_long_beginning_logprobs_are_those_of_a_plain_pass(name: str):
    """Of trajectories, of states beyond the beginning, at its end and within it."""
    model = model_of(name)
    engine = engine_of(model)
    asked = [Request(prefix=(*SHARED, *own), count=2, seed=7, branches=True) for own in ((3, 5), (4,), (12, 2, 5))]
    groups = engine.sample(asked, LAW)
    whole = [(*one.prefix, *own.token_ids) for one, group in zip(asked, groups, strict=True) for own in group]
    states = [Request(prefix=one[:cut], count=1, seed=cut) for one in whole for cut in (66, 80, 83) if cut < len(one)]
    for request, group in zip([*asked, *states], [*groups, *engine.sample(states, LAW)], strict=True):
        assert_plain(model, request, group)


# --- any mix -----------------------------------------------------------------------------------------------------

prompts = st.tuples(
    st.sampled_from([0, 1, 12, 66, 80]), st.lists(st.integers(3, 4), min_size=1, max_size=4), st.booleans()
).map(lambda made: (*SHARED[: made[0]], *made[1], *((6,) * 20 if made[2] else ())))
calls = st.lists(st.lists(prompts, min_size=1, max_size=4), min_size=1, max_size=2)
LLAMAS = ("llama-gqa", "mistral-sliding")


@cache
def mixing(name: str, memory: int, rows: int) -> TorchEngine:
    return engine_of(tiny_model(name), memory_bytes=memory, rows=rows)


@cache
def alone(name: str, prefix: TokenIds) -> tuple[Completion, ...]:
    """What an engine samples that knows nothing else."""
    engine = mixing(name, 1 << 25, 64)
    engine.load_weights({}, policy_version=0)
    return engine.sample([Request(prefix=prefix, count=2, seed=len(prefix))], SHORT)[0]


@settings(max_examples=12, deadline=None)
@given(calls, st.sampled_from([(1, 64), (60_000, 64), (200_000, 64), (1 << 26, 3)]), st.sampled_from(LLAMAS))
def test_any_prompts_in_any_passes_are_sampled_as_each_alone(
    asked: list[list[TokenIds]], limits: tuple[int, int], name: str
):
    engine = mixing(name, *limits)
    engine.load_weights({}, policy_version=0)
    for call in asked:
        groups = engine.sample([Request(prefix=own, count=2, seed=len(own), branches=True) for own in call], SHORT)
        for prefix, group in zip(call, groups, strict=True):
            expected = alone(name, prefix)
            assert [own.token_ids for own in group] == [own.token_ids for own in expected]
            for own, other in zip(group, expected, strict=True):
                assert own.logprobs == pytest.approx(other.logprobs, abs=1e-4)
