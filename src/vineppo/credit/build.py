"""From the settings of a credit method to the method at work."""

from vineppo.credit.settings import CreditParts, CreditSettings
from vineppo.seams import CreditAssigner


def build_assigner(credit: CreditSettings, parts: CreditParts) -> CreditAssigner:
    """The one thing that differs between the methods; dealt at random for the control arm."""
    assign = credit.build(parts)
    return credit.shuffled(assign) if credit.shuffle else assign
