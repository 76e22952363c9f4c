"""Step credit inside TRL's GRPOTrainer: `CreditGRPOTrainer`, and the settings it takes. See docs/trl.md."""

from vineppo.config.schema import (
    CoupledCredit,
    DelimiterSteps,
    GrpoCredit,
    LinesSteps,
    MathSteps,
    RlooCredit,
    TokensSteps,
    UncertainSteps,
    VineCredit,
    WholeSteps,
)
from vineppo.integrations.trl.versions import check_trl

check_trl()

from vineppo.integrations.trl.trainer import CreditGRPOTrainer  # noqa: E402 - a clear refusal comes before TRL's own

__all__ = [
    "CoupledCredit",
    "CreditGRPOTrainer",
    "DelimiterSteps",
    "GrpoCredit",
    "LinesSteps",
    "MathSteps",
    "RlooCredit",
    "TokensSteps",
    "UncertainSteps",
    "VineCredit",
    "WholeSteps",
]
