"""Settings of calibration: what is fitted on dev, and from how many examples on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from lingraft.training.recipe.settings import Positive, Rate, Strict

Feature = Literal[
    "mean_logprob",
    "min_logprob",
    "total_logprob",
    "log_length",
    "log_ratio",
    "distinct_share",
    "coverage",
]


class Thresholds(Strict):
    """Thresholds of one label, such as spam, for stated shares of false alarms."""

    label: Annotated[str, Field(min_length=1)]
    rates: Annotated[tuple[Rate, ...], Field(min_length=1)] = (0.001, 0.005, 0.01)
    default_rate: Rate | None = None  # decides when a request names no set; unset: none does
    # Expected false alarms under which a rate cannot be told from zero: of 3 expected, none is seen
    # one time in twenty (the rule of three; Hanley and Lippman-Hand 1983).
    least_expected: Annotated[float, Field(ge=1)] = 3.0
    # A language with too few examples takes the threshold of all languages together; what it gives
    # is still counted in that language.
    pooled: bool = False

    @field_validator("default_rate")
    @classmethod
    def _is_a_rate(cls, value: float | None, info: ValidationInfo) -> float | None:
        if value is not None and value not in info.data.get("rates", (value,)):
            raise ValueError(f"{value:g} is not among rates")
        return value


class Calibration(Strict):
    """Calibration of a classifier's probabilities, or of P(acceptable) of translations."""

    least_examples: Annotated[int, Field(ge=100)] = 100  # of a language; under it: not calibrated
    folds: Annotated[int, Field(ge=2, le=20)] = 5
    bins: Annotated[int, Field(ge=2, le=100)] = 15  # of the calibration error (Guo et al. 2017)
    seed: int = 20170806
    # Vector scaling has two parameters for each label: it needs so many examples of every one.
    vector_label_examples: Positive = 20
    thresholds: Thresholds | None = None
    # A translation is acceptable above this sentence chrF++, 0 to 100.
    acceptable_chrf: Annotated[float, Field(ge=0, lt=100)] = 40.0
    by: Literal["pair", "target"] = (
        "pair"  # one fit for each direction, or for each target language
    )
    features: tuple[Feature, ...] = (
        "mean_logprob",
        "min_logprob",
        "total_logprob",
        "log_length",
        "log_ratio",
        "distinct_share",
        "coverage",
    )
    # The features are tried from so many acceptable and so many unacceptable translations on.
    least_outcomes: Annotated[int, Field(ge=5)] = 10
