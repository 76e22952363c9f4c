"""Which credit gives the least noise for its price, in words. Pure."""

from vineppo.analysis.records import Analysis, GradientScore

NOTHING = "\N{EN DASH}"
"""Not measured, or there is no such thing."""
CREDIT_WORDS = {
    "vine": "; set credit='{{name: vine, rollouts: {amount}}}'",
    "coupled": "; set credit='{{name: coupled, rollouts: {amount}}}'",
    "tree": "; set credit='{{name: tree, restarts: {amount}}}'",
    "grpo": "; set credit=grpo",
    "critic": "; set credit=ppo",
}
"""How a source is chosen for training."""


def cheapest_gradient(analysis: Analysis) -> str | None:
    """Which method to take, and how sure that is."""
    scored = [(s.name, s.gradient) for s in analysis.sources if s.gradient and s.gradient.against_rloo is not None]
    if not scored:
        return None
    name, best = min(scored, key=lambda pair: pair[1].against_rloo or 0.0)
    if best.against_rloo_high is None or best.against_rloo_high >= 1:
        return (
            "Gradient noise per decoded token: nothing is surely below RLOO's (credit=rloo); the least is that of "
            f"{name}, {ratio_text(best)}. More questions would tell: analysis.questions."
        )
    setting = CREDIT_WORDS.get(name.partition(":")[0], "").format(amount=name.partition(":")[2])
    return f"Least gradient noise per decoded token: {name}, {ratio_text(best)} of RLOO's{setting}."


def ratio_text(score: GradientScore | None) -> str:
    """Noise for its price over RLOO's, with its interval."""
    if score is None or score.against_rloo is None:
        return NOTHING
    low, high = score.against_rloo_low, score.against_rloo_high
    interval = "" if low is None or high is None or low == high else f" ({low:.2f} to {high:.2f})"
    return f"{score.against_rloo:.2f}{interval}"
