"""From requests to jobs: what shares a trunk stays together, and how much work that is. Pure."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from vineppo.engines.prefixes import TokenIds, maximal
from vineppo.engines.ray_pool.homes import Home, Homes
from vineppo.types import Request, Sampling


@dataclass(frozen=True, kw_only=True, eq=False)
class Job:
    """Requests that branch off one trunk. Whoever takes one takes all, so the trunk is prefilled once."""

    trunk: TokenIds
    requests: tuple[int, ...]
    """Indices into the list of requests."""
    sequences: int
    """Continuations they ask for."""
    tokens: int
    """To expect of them."""
    home: int | None
    """The replica that holds the trunk; None where nobody does."""


def make_jobs(requests: Sequence[Request], sampling: Sampling, homes: Homes) -> list[Job]:
    """Every request in exactly one job."""
    found = find_homes([request.prefix for request in requests], homes)
    together: dict[Home | TokenIds, list[int]] = defaultdict(list)
    for index, request in enumerate(requests):
        together[found[request.prefix]].append(index)
    return [make_job(place, own, requests, sampling) for place, own in together.items()]


def find_homes(prefixes: Sequence[TokenIds], homes: Homes) -> dict[TokenIds, Home | TokenIds]:
    """For each prefix its trunk: one that a replica holds, or the longest of these prefixes that continues it."""
    known = {prefix: homes.covering(prefix) for prefix in prefixes}
    fresh = maximal([prefix for prefix, home in known.items() if home is None])
    return {prefix: fresh[bisect_left(fresh, prefix)] if home is None else home for prefix, home in known.items()}


def make_job(place: Home | TokenIds, indices: Sequence[int], requests: Sequence[Request], sampling: Sampling) -> Job:
    """The requests at one place."""
    trunk, home = (place.trunk, place.replica) if isinstance(place, Home) else (place, None)
    own = [requests[index] for index in indices]
    return Job(
        trunk=trunk,
        requests=tuple(indices),
        sequences=sum(request.count for request in own),
        tokens=sum(request.count * expected_tokens(request, trunk, sampling) for request in own),
        home=home,
    )


def expected_tokens(request: Request, trunk: TokenIds, sampling: Sampling) -> int:
    """Of one continuation: as many as the trajectory still had from here, else the limit."""
    limit = sampling.max_new_tokens if request.max_new_tokens is None else request.max_new_tokens
    rest = len(trunk) - len(request.prefix)
    return min(rest + 1, limit) if rest else limit
