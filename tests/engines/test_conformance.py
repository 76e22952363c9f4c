"""What every engine promises, asked of each in the same words.

vLLM's part runs where it is installed (`make test-vllm`) and is skipped elsewhere.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from conformance import (
    CLOSE,
    CONTEXT,
    END,
    ENGINES,
    TEXTS,
    Subject,
    assert_plain,
    decode,
    law_of_two_tokens,
    make_subject,
    plain_logprobs,
)

from vineppo.errors import UserError
from vineppo.types import Finish, Request, Sampling

PROMPT = (2, 5, 7)
LONG = tuple(3 + place % 9 for place in range(40))
"""More than a page of any cache."""
LAWS = {
    "plain": Sampling(),
    "cool": Sampling(temperature=0.6),
    "top_p": Sampling(top_p=0.9),
    "cool_top_p": Sampling(temperature=0.6, top_p=0.9),
    "top_k": Sampling(top_k=4),
}


@pytest.fixture(params=ENGINES)
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    made = make_subject(request.param)
    yield made
    made.restore()


def limited(sampling: Sampling, max_new_tokens: int) -> Sampling:
    return Sampling(
        temperature=sampling.temperature, top_k=sampling.top_k, top_p=sampling.top_p, max_new_tokens=max_new_tokens
    )


# --- the law -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_forbidden", [0, 1, 3])
@pytest.mark.parametrize("law", LAWS)
def test_two_tokens_follow_the_exact_law(subject: Subject, law: str, num_forbidden: int):
    sampling = limited(LAWS[law], 2)
    subject.skip_unless_it_applies(sampling)
    likeliest = sorted(law_of_two_tokens(subject.model, PROMPT, limited(LAWS[law], 1), ()).items(), key=lambda x: -x[1])
    forbidden = tuple(dict.fromkeys(tokens[0] for tokens, _ in likeliest))[:num_forbidden]
    expected = law_of_two_tokens(subject.model, PROMPT, sampling, forbidden)
    (group,) = subject.engine.sample(
        [Request(prefix=PROMPT, count=subject.draws, seed=3, forbidden_first=forbidden)], sampling
    )
    seen = Counter(completion.token_ids for completion in group)
    assert seen.keys() <= expected.keys()
    statistic, cells = chi_square(seen, expected)
    assert statistic < cells + 4 * (2 * cells) ** 0.5 + 4, "chi-square far above its mean: the law is wrong"


def chi_square(seen: Counter[tuple[int, ...]], law: dict[tuple[int, ...], float]) -> tuple[float, int]:
    """The statistic and its number of cells. It needs well-filled cells, so rare completions are counted together."""
    draws = seen.total()
    rare = {tokens for tokens, probability in law.items() if probability * draws < 10}
    cells = [(seen[tokens], probability * draws) for tokens, probability in law.items() if tokens not in rare]
    tail = sum(law[tokens] for tokens in rare) * draws
    if tail > 5:
        cells.append((sum(seen[tokens] for tokens in rare), tail))
    return sum((count - mean) ** 2 / mean for count, mean in cells), len(cells)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("num_forbidden", [0, 2])
def test_logprobs_are_those_of_the_law_that_was_sampled(subject: Subject, law: str, num_forbidden: int):
    sampling = limited(LAWS[law], 12)
    subject.skip_unless_it_applies(sampling)
    requests = [
        Request(prefix=LONG[:cut], count=2, seed=cut, forbidden_first=(4, 9)[:num_forbidden]) for cut in range(1, 40, 3)
    ]
    for request, group in zip(requests, subject.engine.sample(requests, sampling), strict=True):
        assert_plain(subject.model, request, group, sampling)
        assert all(completion.token_ids[0] not in request.forbidden_first for completion in group)


def test_rollouts_that_branch_off_trajectories_have_the_law_of_their_prefix(subject: Subject):
    sampling = Sampling(max_new_tokens=12)
    requests = [Request(prefix=LONG[:length], count=2, seed=length, branches=True) for length in (3, 30, 35)]
    groups = subject.engine.sample(requests, sampling)
    whole = [r.prefix + c.token_ids for r, group in zip(requests, groups, strict=True) for c in group]
    branches = [Request(prefix=trunk[:cut], count=2, seed=cut) for trunk in whole for cut in range(3, len(trunk), 2)]
    for request, group in zip(branches, subject.engine.sample(branches, sampling), strict=True):
        assert_plain(subject.model, request, group, sampling)


def test_temperature_zero_takes_the_likeliest_token_and_is_certain_of_it(subject: Subject):
    sampling = Sampling(temperature=0, max_new_tokens=12)
    subject.skip_unless_it_applies(sampling)
    requests = [Request(prefix=LONG[:cut], count=1, seed=0) for cut in (1, 3, 33)]
    requests += [Request(prefix=PROMPT, count=1, seed=0, forbidden_first=(token,)) for token in range(2, 13)]
    for request, (completion,) in zip(requests, subject.engine.sample(requests, sampling), strict=True):
        assert completion.logprobs == (0.0,) * len(completion.token_ids)
        assert plain_logprobs(subject.model, request, completion.token_ids, sampling).tolist() == [0.0] * len(
            completion.token_ids
        )


def test_forbidding_all_that_a_truncated_law_leaves_gives_the_likeliest_other_token(subject: Subject):
    sampling = Sampling(top_k=1, max_new_tokens=1)
    subject.skip_unless_it_applies(sampling)
    ((first,),) = subject.engine.sample([Request(prefix=PROMPT, count=1, seed=0)], sampling)
    forbidding = Request(prefix=PROMPT, count=5, seed=0, forbidden_first=first.token_ids)
    (others,) = subject.engine.sample([forbidding], sampling)
    assert {other.logprobs for other in others} == {(0.0,)}
    assert len({other.token_ids for other in others} - {first.token_ids}) == 1
    assert_plain(subject.model, forbidding, others, sampling)


# --- weights -----------------------------------------------------------------------------------------------------


def test_new_weights_change_logprobs_as_a_plain_forward_pass_of_the_trainer_predicts(subject: Subject):
    request = Request(prefix=PROMPT, count=20, seed=0)
    (before,) = subject.engine.sample([request], Sampling(max_new_tokens=10))
    subject.change(1.3, policy_version=4)
    (after,) = subject.engine.sample([request], Sampling(max_new_tokens=10))
    assert_plain(subject.model, request, after)
    stale = [torch.tensor(c.logprobs) - plain_logprobs(subject.model, request, c.token_ids) for c in before]
    assert torch.cat(stale).abs().mean() > 0.05, "the change is too small to see whether it arrived"
    assert {c.policy_version for c in before} == {0}
    assert {c.policy_version for c in after} == {4}
    assert subject.engine.policy_version == 4


def test_nothing_cached_under_old_weights_survives_new_ones(subject: Subject):
    requests = [Request(prefix=LONG[:cut], count=3, seed=cut, branches=True) for cut in (33, 40)]
    subject.engine.sample(requests, Sampling(max_new_tokens=12))
    subject.change(1.3, policy_version=1)
    for request, group in zip(requests, subject.engine.sample(requests, Sampling(max_new_tokens=12)), strict=True):
        assert_plain(subject.model, request, group)


def test_many_small_updates_all_arrive(subject: Subject):
    request = Request(prefix=LONG, count=2, seed=0)
    for version in range(1, 6):
        subject.change(1 + 0.01 * version, policy_version=version)
        (group,) = subject.engine.sample([request], Sampling(max_new_tokens=10))
        assert_plain(subject.model, request, group)


def test_sleep_changes_nothing(subject: Subject):
    request = Request(prefix=PROMPT, count=3, seed=0)
    before = subject.engine.sample([request], Sampling(max_new_tokens=10))
    subject.engine.sleep()
    subject.engine.sleep()
    assert subject.engine.sample([request], Sampling(max_new_tokens=10)) == before


# --- ends and limits ---------------------------------------------------------------------------------------------


def test_an_end_token_terminates_and_the_limit_truncates(subject: Subject):
    (group,) = subject.engine.sample([Request(prefix=PROMPT, count=300, seed=0)], Sampling(max_new_tokens=6))
    assert len(group) == 300
    assert {completion.finish for completion in group} == set(Finish)
    for completion in group:
        ended = completion.token_ids[-1] == END
        assert completion.finish is (Finish.TERMINATED if ended else Finish.TRUNCATED)
        assert ended or len(completion.token_ids) == 6
        assert END not in completion.token_ids[:-1]
        assert len(completion.logprobs) == len(completion.token_ids)


def test_an_end_token_in_the_last_place_still_terminates(subject: Subject):
    (group,) = subject.engine.sample([Request(prefix=PROMPT, count=300, seed=0)], Sampling(max_new_tokens=3))
    at_the_limit = [c for c in group if len(c.token_ids) == 3]
    assert {c.finish for c in at_the_limit if c.token_ids[-1] == END} == {Finish.TERMINATED}
    assert {c.finish for c in at_the_limit if c.token_ids[-1] != END} == {Finish.TRUNCATED}


def test_a_requests_own_limit_wins(subject: Subject):
    requests = [Request(prefix=PROMPT, count=40, seed=limit, max_new_tokens=limit) for limit in (1, 2, 5)]
    groups = subject.engine.sample(requests, Sampling(max_new_tokens=50))
    assert [max(len(completion.token_ids) for completion in group) for group in groups] == [1, 2, 5]


def test_the_context_ends_a_response(subject: Subject):
    if not subject.limited:
        pytest.skip("this engine has no context")
    prefix = (2,) * (CONTEXT - 2)
    (group,) = subject.engine.sample([Request(prefix=prefix, count=20, seed=0)], Sampling(max_new_tokens=50))
    assert max(len(completion.token_ids) for completion in group) == 2
    with pytest.raises(UserError, match=f"no room in the model's context of {CONTEXT}"):
        subject.engine.sample([Request(prefix=(2,) * CONTEXT, count=1, seed=0)], Sampling())


# --- stop strings ------------------------------------------------------------------------------------------------


def first_stop(request: Request, tokens: tuple[int, ...], stop: tuple[str, ...]) -> int | None:
    """After how many tokens the text of the response holds one: by the definition."""
    texts = (decode((*request.written, *tokens[:length])) for length in range(1, len(tokens) + 1))
    return next((length for length, text in enumerate(texts, 1) if any(own in text for own in stop)), None)


@pytest.mark.parametrize("stop", [("ab",), ("ba\n", "xx", "aé")])
def test_a_stop_string_ends_a_response_and_changes_nothing_before(subject: Subject, stop: tuple[str, ...]):
    sampling = Sampling(max_new_tokens=16)
    requests = [
        Request(prefix=LONG[:cut], count=4, seed=cut, position=cut % 2, forbidden_first=(4,) * (cut % 3 == 0))
        for cut in range(2, 38, 2 if len(stop) == 1 else 1)
    ]
    unstopped = subject.engine.sample(requests, sampling)
    stopped = subject.engine.sample(requests, replace(sampling, stop=stop))
    ended = 0
    for request, whole, group in zip(requests, unstopped, stopped, strict=True):
        for full, cut in zip(whole, group, strict=True):
            length = first_stop(request, full.token_ids, stop)
            ended += length is not None
            assert cut.token_ids == full.token_ids[:length]
            assert cut.finish is (full.finish if length is None else Finish.TERMINATED)
            assert cut.logprobs == pytest.approx(full.logprobs[:length], abs=CLOSE)
    assert ended > 10, "too few stopped to tell"


@pytest.mark.parametrize("position", [0, 1, 3])
def test_a_stop_string_may_begin_in_the_response_so_far_but_not_in_the_prompt(subject: Subject, position: int):
    request = Request(prefix=(5, 7, 10), count=300, seed=0, position=position)  # ba, c, a blank and an a
    (group,) = subject.engine.sample([request], Sampling(max_new_tokens=1, stop=("ab",)))
    assert {c.token_ids[0] for c in group} > {3, 4, 5}
    for completion in group:
        (token,) = completion.token_ids
        stops = token in (4, 6) or (position and TEXTS[token].startswith("b"))
        assert completion.finish is (Finish.TERMINATED if stops or token == END else Finish.TRUNCATED)


# --- counts, order, seeds ----------------------------------------------------------------------------------------


def test_as_many_as_asked_for_in_the_order_asked(subject: Subject):
    prefixes = [LONG[:5], PROMPT, LONG[:36], PROMPT, LONG[:2], (9,)]
    counts = [3, 1, 0, 2, 5, 4]
    requests = [Request(prefix=p, count=c, seed=i) for i, (p, c) in enumerate(zip(prefixes, counts, strict=True))]
    groups = subject.engine.sample(requests, Sampling(max_new_tokens=8))
    assert [len(group) for group in groups] == counts
    for request, group in zip(requests, groups, strict=True):
        assert_plain(subject.model, request, group)


def test_the_same_seed_gives_the_same_whatever_else_is_asked_and_cached(subject: Subject):
    requests = [Request(prefix=LONG[: 1 + 5 * i], count=3, seed=7 * i) for i in range(8)]
    sampling = Sampling(max_new_tokens=10)
    together = subject.engine.sample(requests, sampling)
    backwards = subject.engine.sample(requests[::-1], sampling)[::-1]
    apart = [subject.engine.sample([request], sampling)[0] for request in requests]
    more = subject.engine.sample([Request(prefix=r.prefix, count=5, seed=r.seed) for r in requests], sampling)
    expected = [[c.token_ids for c in group] for group in together]
    assert [[c.token_ids for c in group] for group in backwards] == expected
    assert [[c.token_ids for c in group] for group in apart] == expected
    assert [[c.token_ids for c in group[:3]] for group in more] == expected


def test_other_seeds_and_other_numbers_are_other_draws(subject: Subject):
    requests = [Request(prefix=PROMPT, count=40, seed=seed) for seed in range(3)]
    groups = subject.engine.sample(requests, Sampling(max_new_tokens=16))
    long = [c.token_ids for group in groups for c in group if len(c.token_ids) == 16]
    assert len(long) > 10
    assert len(set(long)) == len(long), "two continuations drew the same numbers"


def test_progress_ends_at_the_total(subject: Subject):
    calls: list[tuple[int, int]] = []
    requests = [Request(prefix=PROMPT, count=2, seed=seed) for seed in range(3)]
    subject.engine.sample(requests, Sampling(max_new_tokens=3), progress=lambda *call: calls.append(call))
    if calls:  # the fake is done at once
        assert calls[-1] == (6, 6)
        assert [done for done, _ in calls] == sorted({done for done, _ in calls})
