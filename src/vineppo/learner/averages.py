"""What the policy loss of a minibatch is divided by: the published methods differ in this, too. Pure.

    tokens      the minibatch's tokens that learn                      PPO, VinePPO (masked mean), DAPO
    responses   trajectories, times each one's own such tokens         GRPO, arXiv 2402.03300, eq. 3
    sums        trajectories                                           RLOO, arXiv 2402.14740: a response is one action
    limit       trajectories, times the longest response there can be  Dr. GRPO, arXiv 2503.20783: a constant

Trajectories alone are counted: a branch says with how much of their weight it counts by its advantages.
"""

from collections.abc import Sequence

from vineppo.settings.learner import Average


def token_weights(
    learning: Sequence[int], trajectories: Sequence[bool], average: Average, *, limit: int
) -> list[float]:
    """Per sample of a minibatch, what each of its tokens' losses is multiplied by.

    learning: how many tokens learn. trajectories: whether it is one, or a branch. limit: tokens of a response.
    """
    own = [count for count, is_own in zip(learning, trajectories, strict=True) if is_own]
    number, total = max(len(own), 1), max(sum(own), 1)
    match average:
        case "tokens":
            return [1 / total] * len(learning)
        case "sums":
            return [1 / number] * len(learning)
        case "limit":
            return [1 / (number * limit)] * len(learning)
        case "responses":
            return [
                1 / (number * max(count, 1)) if is_own else 1 / total
                for count, is_own in zip(learning, trajectories, strict=True)
            ]
