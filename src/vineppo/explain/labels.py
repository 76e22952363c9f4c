"""Process labels from values: whether a step left the policy able to succeed.

    label(step k) = V(s_{k+1}) > threshold

With threshold 0 this is Math-Shepherd's hard estimation (Wang et al., arXiv 2312.08935, section 3.2): a step is good
if any rollout from the state after it succeeds. Its soft estimation is V(s_{k+1}) itself, which the plain export holds.
The last step's label is whether the solution's own reward exceeds the threshold.
"""

from collections.abc import Sequence


def step_labels(values_after: Sequence[float | None], threshold: float) -> list[bool | None]:
    """[N] labels from the value after each step; None where it was not measured."""
    return [None if value is None else value > threshold for value in values_after]
