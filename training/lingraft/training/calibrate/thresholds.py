"""Thresholds of one label for stated shares of false alarms, with what they catch.

The threshold is an order statistic of the other labels' scores, so the interval of its false alarms
holds although it was set on the same examples (Wilks 1941: the share beyond it is distributed as
Beta, and the interval of Clopper and Pearson contains that one).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from lingraft.training.calibrate.reliability import Floats
from lingraft.training.errors import DataError
from lingraft.training.recipe.calibration import Thresholds
from lingraft.v1.common_pb2 import LabelThreshold

_TAIL = 0.025
_ROUNDING = 1e-9  # 3000 * 0.001 is under 3 in binary


@dataclass(frozen=True)
class Threshold:
    """The threshold for one rate in one language; without a `threshold`, `reason` says why.

    `rate` is the wanted share of false alarms, `false_positive_rate` the one that was met; the
    intervals are of 95%. All are shares, 0 to 1. `pooled`: set on all languages together; the
    shares are of this one.
    """

    language: str
    rate: float
    negatives: int
    positives: int
    threshold: float | None = None
    false_positive_rate: float = 0.0
    false_positive_interval: tuple[float, float] = (0.0, 1.0)
    recall: float = 0.0
    recall_interval: tuple[float, float] = (0.0, 1.0)
    reason: str = ""
    pooled: bool = False

    @property
    def profile(self) -> str:
        """Name of the set that it belongs to: "fpr-0.001"."""
        return f"fpr-{self.rate:g}"


@dataclass(frozen=True)
class ThresholdSets:
    """All thresholds of one label; `default` names the set that decides unasked, "" for none."""

    label: str
    default: str
    thresholds: tuple[Threshold, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a report."""
        told = [{"profile": each.profile, **asdict(each)} for each in self.thresholds]
        return {"label": self.label, "default": self.default, "thresholds": told}

    def as_messages(self) -> list[LabelThreshold]:
        """For the manifest."""
        return [_message(self.label, each) for each in self.thresholds]


def set_thresholds(
    probabilities: Floats,
    labels: Sequence[int],
    languages: Sequence[str],
    names: Sequence[str],
    settings: Thresholds,
) -> ThresholdSets:
    """Thresholds of `settings.label` for every language and rate.

    Args:
        probabilities: [N,C] as the server gives them: `ClassifierCalibration.probabilities`.
        labels: index of each example's label.
        languages: BCP-47 language of each example; those without one ("") are left out.
        names: the labels, in the order of the probabilities.
        settings: the label and the wanted rates, and whether languages may be taken together.

    Raises:
        DataError: no label has the name of the settings.
    """
    if settings.label not in names:
        listed = ", ".join(names)
        raise DataError(f"thresholds.label is {settings.label!r}; the labels are {listed}")
    place = list(names).index(settings.label)
    scored = _Scored(probabilities[:, place], np.asarray(labels) == place, np.asarray(languages))
    found = [
        _of_language(scored, language, rate, settings)
        for language in sorted(set(languages) - {""})
        for rate in settings.rates
    ]
    default = settings.default_rate
    return ThresholdSets(settings.label, f"fpr-{default:g}" if default else "", tuple(found))


@dataclass(frozen=True)
class _Scored:
    """Scores [N] of a label, whether each example has it, and its language."""

    scores: Floats
    own: NDArray[np.bool_]
    languages: NDArray[np.str_]

    def among(self, here: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """Scores of the examples of other labels, and of the label's, of some."""
        return self.scores[here & ~self.own], self.scores[here & self.own]


def _of_language(scored: _Scored, language: str, rate: float, settings: Thresholds) -> Threshold:
    """The threshold of a language, or that of all together with what it gives in this one."""
    negatives, positives = scored.among(scored.languages == language)
    alone = _threshold(language, rate, negatives, positives, settings)
    enough = len(negatives) and len(positives)  # to tell what it gives
    if alone.threshold is not None or not settings.pooled or not enough:
        return alone
    everywhere = _threshold("", rate, *scored.among(scored.languages != ""), settings)
    if everywhere.threshold is None:
        return alone
    return _at(replace(alone, pooled=True), everywhere.threshold, negatives, positives)


def _threshold(
    language: str, rate: float, negatives: Floats, positives: Floats, settings: Thresholds
) -> Threshold:
    bare = Threshold(language, rate, len(negatives), len(positives))
    expected = rate * len(negatives)
    if expected + _ROUNDING < settings.least_expected:
        needed = int(np.ceil(settings.least_expected / rate - _ROUNDING))
        return replace(bare, reason=f"{len(negatives)} of other labels, under the {needed} needed")
    if not len(positives):
        return replace(bare, reason=f"no examples of {settings.label}")
    allowed = int(expected + _ROUNDING)
    highest_kept_out = float(np.sort(negatives)[::-1][allowed])
    above = np.concatenate([negatives, positives])
    above = above[above > highest_kept_out]
    if not len(above):
        return replace(bare, reason="too many examples of other labels have the highest score")
    return _at(bare, (highest_kept_out + float(above.min())) / 2, negatives, positives)


def _at(bare: Threshold, level: float, negatives: Floats, positives: Floats) -> Threshold:
    """A threshold with what it gives on these examples."""
    alarms, caught = int((negatives >= level).sum()), int((positives >= level).sum())
    return replace(
        bare,
        threshold=level,
        reason="",
        false_positive_rate=alarms / len(negatives),
        false_positive_interval=binomial_interval(alarms, len(negatives)),
        recall=caught / len(positives),
        recall_interval=binomial_interval(caught, len(positives)),
    )


def binomial_interval(hits: int, size: int) -> tuple[float, float]:
    """95% interval of a share (Clopper and Pearson 1934)."""
    low = float(beta.ppf(_TAIL, hits, size - hits + 1)) if hits else 0.0
    high = float(beta.ppf(1 - _TAIL, hits + 1, size - hits)) if hits < size else 1.0
    return low, high


def _message(label: str, each: Threshold) -> LabelThreshold:
    message = LabelThreshold(
        profile=each.profile,
        label=label,
        language=each.language,
        target_rate=each.rate,
        negatives=each.negatives,
        positives=each.positives,
        usable=each.threshold is not None,
        reason=each.reason,
        pooled=each.pooled,
    )
    if each.threshold is not None:
        message.threshold = each.threshold
        message.false_positive_rate, message.recall = each.false_positive_rate, each.recall
        low, high = each.false_positive_interval
        message.false_positive_rate_low, message.false_positive_rate_high = low, high
        message.recall_low, message.recall_high = each.recall_interval
    return message
