"""Step credit inside TRL's GRPOTrainer: `CreditGRPOTrainer`. See docs/trl.md."""

from vineppo.integrations.trl.versions import check_trl

check_trl()

from vineppo.integrations.trl.trainer import CreditGRPOTrainer  # noqa: E402 - a clear refusal comes before TRL's own

__all__ = ["CreditGRPOTrainer"]
