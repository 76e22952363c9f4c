"""What an analysis found, as it stands in analysis.json. Values that could not be had are null, never a made-up 0."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

VERSION = 1
"""Of this format. A reader refuses another."""


class Record(BaseModel):
    """Frozen, and it knows all its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Interval(Record):
    """95 % bootstrap percentiles over questions."""

    low: float
    high: float


# --- values ------------------------------------------------------------------------------------------------------


class StateRecord(Record):
    """A state whose true value was measured."""

    question: str
    position: int
    """The state is the prompt plus this many response tokens."""
    step: int
    """The step that begins here; 0 is the root."""
    relative: float
    """Position over the length of the response it was taken from."""
    truth: float
    truth_error: float
    """Standard error of `truth`."""


class ValueScore(Record):
    """A source's values against the truth, over some states."""

    states: int
    mae: float
    """Mean absolute error. The truth's own noise is in it: see `mae_floor`."""
    mae_interval: Interval | None
    mae_floor: float
    """What a perfect source would score, because the truth is measured too."""
    bias: float
    """Mean of predicted minus true."""
    bias_interval: Interval | None
    explained_variance: float | None
    """1 - variance of the error / variance of the truth, its sampling noise taken out of both."""
    explained_within: float | None
    """The same after each question's own mean was taken out of error and truth."""
    explained_within_interval: Interval | None


class PositionBin(Record):
    """States in one part of the response."""

    low: float
    """Relative positions in low <= position < high."""
    high: float
    states: int
    mae: float
    bias: float
    mae_floor: float


class CalibrationBin(Record):
    """States whose predicted values lie close together."""

    low: float
    high: float
    states: int
    predicted: float
    truth: float
    """Means over the bin."""


class Calibration(Record):
    """What the truth is where a source says v."""

    bins: tuple[CalibrationBin, ...]
    error: float
    """Mean over states of |mean predicted - mean true| of their bin."""


# --- ranking -----------------------------------------------------------------------------------------------------


class ChoiceRecord(Record):
    """A state with its distinct next steps."""

    question: str
    position: int
    steps: tuple[str, ...]
    """The text of each next step."""
    truths: tuple[float, ...]
    """Of the state after each."""
    truth_errors: tuple[float, ...]


class Share(Record):
    """How often something was right, beside what guessing would give."""

    cases: int
    share: float
    interval: Interval | None
    chance: float


class RankingScore(Record):
    """How well a source tells next steps apart. `clear`: only where the truth tells them apart, too."""

    top1: Share | None
    """Its best is the true best. Of tied ones, the mean over them."""
    top1_clear: Share | None
    """Where the true best is better than the second by more than two standard errors."""
    pairwise: Share | None
    """Of two next steps with different truths the better one is named; a tie counts as half."""
    pairwise_clear: Share | None
    """Pairs whose truths differ by more than two standard errors."""


class Search(Record):
    """How the states for ranking were found."""

    examined: int
    kept: int
    draws: int
    """Continuations sampled per state."""
    alternatives: int
    """Distinct next steps kept, at most."""
    distinct: int
    """States with fewer distinct ones were skipped."""


# --- gradient ----------------------------------------------------------------------------------------------------


class GradientScore(Record):
    """A source's policy gradient over the analysed batch."""

    relative_variance: float | None
    """Variance over the large-sample gradient's squared norm; null: that is lost in its own noise."""
    relative_variance_error: float | None
    """Standard error, by the jackknife over questions."""
    cosine: float | None
    """To the large-sample gradient; null: one of the two is 0, as of rewards that are all equal."""
    cosine_error: float | None
    tokens_per_question: float | None = None
    """Decoded for its trajectories and rollouts."""
    noise_per_1000_tokens: float | None = None
    """Noise over signal of a gradient from 1,000 decoded tokens; null: the signal is lost in noise."""
    against_rloo: float | None = None
    """That, over what the group's mean takes; null: the group was not examined, or the ratio cannot be told."""
    against_rloo_low: float | None = None
    """Of its 95 % interval, by the jackknife over questions."""
    against_rloo_high: float | None = None


class GradientSetting(Record):
    """What the gradients were taken over."""

    questions: int
    trajectories: int
    """Of the analysed batch."""
    reference_questions: int
    reference_trajectories: int
    reference_relative_variance: float | None
    """Of the large-sample gradient itself."""


# --- reliability -------------------------------------------------------------------------------------------------


class ReliabilityPoint(Record):
    """What K rollouts per state would tell of the steps."""

    rollouts: int
    reliability: float | None
    """Share of the variance of measured advantages that is true differences."""
    sign_agreement: float | None
    """How often the measured advantage has the true sign, over steps whose sign the truth knows; 0 counts as half."""
    z: float | None
    """Median over these steps of |advantage| over the standard deviation of its measurement."""


class Reliability(Record):
    """How many rollouts it takes to tell steps apart here."""

    steps: int
    clear_steps: int
    """Steps whose true advantage differs from 0 by more than two standard errors."""
    signal: float | None
    """Mean square of the true advantages, the truth's noise taken out; null: nothing is left."""
    noise: float
    """Mean variance of an advantage measured with one rollout per state."""
    points: tuple[ReliabilityPoint, ...]
    rollouts_needed: int | None
    """The fewest with which signal is at least as large as noise (reliability 1/2)."""
    configured: int | None
    """The run's own K; null where it does not vine."""
    warning: str | None


# --- the whole ---------------------------------------------------------------------------------------------------


class Cost(Record):
    """What a source took for the analysed trajectories."""

    rollouts: int
    tokens: int
    """Decoded for rollouts."""
    tokens_per_trajectory: float
    seconds: float


class SourceRecord(Record):
    """All that was found of one source."""

    name: str
    meaning: str
    values: tuple[float, ...]
    """One per state."""
    steps: ValueScore | None
    """Over the states where a step begins, roots left out; null where there are none."""
    roots: ValueScore | None
    """Over the prompts."""
    by_position: tuple[PositionBin, ...]
    calibration: Calibration
    next_values: tuple[tuple[float, ...], ...]
    """One per next step of each choice; empty for a source that gives all of a state's next steps one value."""
    ranking: RankingScore | None
    gradient: GradientScore | None
    cost: Cost


class TruthCost(Record):
    """What the truth took."""

    rollouts: int
    """Per state."""
    states: int
    states_from_cache: int
    tokens: int
    """Decoded for those states that were not in the cache."""
    seconds: float


class Subject(Record):
    """What was analysed."""

    name: str
    policy: str
    policy_digest: str
    """Of the weights."""
    iteration: int | None
    """Of the checkpoint; null for a policy folder."""
    task: str
    split: str
    credit: str
    """The run's own."""
    questions: int
    trajectories: int
    """All together."""
    mean_length: float
    """Tokens per trajectory."""
    mean_reward: float


class Analysis(Record):
    """One analysis."""

    version: Literal[1] = VERSION
    subject: Subject
    states: tuple[StateRecord, ...]
    search: Search | None
    choices: tuple[ChoiceRecord, ...]
    sources: tuple[SourceRecord, ...]
    gradient: GradientSetting | None
    reliability: Reliability
    truth: TruthCost
    returns_explained: float | None = None
    """Share of the variance of returns that true values explain: the ceiling of `critic/explained_variance`."""
    returns_explained_interval: Interval | None = None
    config: str
    """As YAML."""
    provenance: dict[str, str]
