"""Which chains are on the map, and on which of them policies are trained."""

from chain_map.family import Chain

SIZES = (4, 8, 16, 32, 64)


def all_decide(decisions: int, success: float) -> Chain:
    """Every decision matters and no error is mended: a long chain that succeeds is sure of every decision."""
    return Chain(decisions=decisions, right=success ** (1 / decisions), matter=decisions)


def few_decide(decisions: int, right: float, matter: int = 4) -> Chain:
    """The policy is as unsure of the decisions that do not matter."""
    return Chain(decisions=decisions, right=right, matter=matter)


def mended(decisions: int, right: float, mend: float) -> Chain:
    """Errors are mended later, if the chain is long enough."""
    return Chain(decisions=decisions, right=right, matter=decisions, mend=mend)


FAMILIES: dict[str, tuple[Chain, ...]] = {
    "all decide, 50 % succeed": tuple(all_decide(size, 0.5) for size in SIZES),
    "all decide, 10 % succeed": tuple(all_decide(size, 0.1) for size in SIZES),
    "all decide, 95 % succeed": tuple(all_decide(size, 0.95) for size in SIZES),
    "four decide, right at 0.6": tuple(few_decide(size, 0.6) for size in SIZES),
    "four decide, right at 0.8": tuple(few_decide(size, 0.8) for size in SIZES),
    "four decide, right at 0.95": tuple(few_decide(size, 0.95) for size in SIZES),
    "mended at 0.2, right at 0.9": tuple(mended(size, 0.9, 0.2) for size in SIZES),
    "mended at 0.5, right at 0.8": tuple(mended(size, 0.8, 0.5) for size in SIZES),
    "32 decisions, right at 0.9, some decide": tuple(few_decide(32, 0.9, matter) for matter in (1, 2, 8, 16)),
    "steps of 8 tokens": (Chain(decisions=16, right=0.8, matter=4, tokens_per_step=8),),
}
"""The curves of the figure: one knob along each."""

TRAINED: tuple[Chain, ...] = (
    all_decide(8, 0.5),
    all_decide(16, 0.5),
    all_decide(16, 0.1),
    few_decide(8, 0.6),
    few_decide(16, 0.6),
    few_decide(16, 0.8),
    few_decide(32, 0.8),
    few_decide(32, 0.95),
    mended(8, 0.8, 0.5),
    mended(16, 0.9, 0.2),
)

QUICK: tuple[Chain, ...] = (all_decide(16, 0.5), few_decide(16, 0.8), mended(16, 0.9, 0.2))
"""Of the quick form: the map and the training runs."""


def chains() -> list[Chain]:
    """All on the map, each once."""
    return list(dict.fromkeys(chain for family in FAMILIES.values() for chain in family))
