"""From the settings of a method to the method at work in TRL's trainer."""

from functools import partial

from vineppo.config.schema import CoupledCredit, CreditConfig, GrpoCredit, RlooCredit, VineCredit
from vineppo.credit.coupled_assigner import CoupledAssigner
from vineppo.credit.group import GroupAssigner, grpo, rloo
from vineppo.credit.shuffle import Shuffled
from vineppo.credit.vine import VineAssigner
from vineppo.environment import Environment
from vineppo.seams import CreditAssigner
from vineppo.types import Sampling


def build_assigner(credit: CreditConfig, environment: Environment, sampling: Sampling) -> CreditAssigner:
    """Dealt at random for the control arm."""
    assign = build_method(credit, environment, sampling)
    return Shuffled(assign) if credit.shuffle else assign


def build_method(credit: CreditConfig, environment: Environment, sampling: Sampling) -> CreditAssigner:
    """What each token earned."""
    match credit:
        case VineCredit() as vine:
            return VineAssigner(
                environment,
                rollouts=vine.rollouts,
                max_states=vine.max_states,
                mask_above=vine.mask_above,
                sampling=sampling,
            )
        case CoupledCredit() as coupled:
            return CoupledAssigner(
                environment,
                rollouts=coupled.rollouts,
                token_budget=coupled.token_budget,
                segments=coupled.segments,
                mask_above=coupled.mask_above,
                sampling=sampling,
            )
        case GrpoCredit() as group:
            return GroupAssigner(partial(grpo, scale=group.scale))
        case RlooCredit():
            return GroupAssigner(rloo)
        case _:
            raise AssertionError("check_settings refuses all others")
