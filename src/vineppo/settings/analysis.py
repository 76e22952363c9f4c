"""What `vineppo analyze` measures, and how carefully: the settings of `analysis`."""

from typing import Literal, Self

from pydantic import Field, model_validator

from vineppo.settings.strict import Strict


class AnalysisConfig(Strict):
    """The instruments."""

    sources: list[str] | None = None
    """Credit to examine: vine:K, coupled:K, tree:K, spo_tree, critic, group (RLOO), grpo, constant; none: the run's own
    and the usual ones."""
    split: Literal["train", "test"] = "train"
    """Whose questions; credit works on those of train."""
    questions: int = Field(default=64, ge=3)
    """Questions of the analysed batch."""
    trajectories: int = Field(default=4, ge=2)
    """Trajectories per question."""
    states: int = Field(default=256, ge=1)
    """States where a step begins whose true value is measured, about so many; their roots come on top."""
    truth_rollouts: int = Field(default=256, ge=2)
    """Rollouts that make the truth of one state."""
    choices: int = Field(default=128, ge=0)
    """States at which next steps are ranked; 0: no ranking."""
    draws: int = Field(default=16, ge=2)
    """Continuations sampled at a state to find its next steps; a confident policy needs many."""
    alternatives: int = Field(default=5, ge=2)
    """Distinct next steps ranked at a state, at most: the first that were found."""
    distinct: int = Field(default=3, ge=2)
    """States with fewer are skipped; at most `alternatives`."""
    gradient_questions: int = Field(default=1024, ge=0)
    """Questions of the large-sample gradient, others than the analysed ones where there are any; 0: no gradients."""
    seed: int = 0
    """All randomness of the analysis derives from it, but for the truth, which is the same for all."""

    @model_validator(mode="after")
    def _distinct_can_be_had(self) -> Self:
        most = min(self.alternatives, self.draws)
        if self.distinct > most:
            raise ValueError(
                f"analysis.distinct is {self.distinct}, but analysis.draws {self.draws} and analysis.alternatives "
                f"{self.alternatives} allow {most}; set it to at most {most}"
            )
        return self
