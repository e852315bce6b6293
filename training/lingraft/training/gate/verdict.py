"""The gate: did the transfer help? A paired bootstrap against the better of control and parent.

Rule: PASS when the lower bound of the 95% interval of the gain is above 0; REFUSE when its upper
bound is below 0 in any direction or a served parent direction lost more than it may; HOLD else.
Paired bootstrap after Koehn (2004): both systems on the same resampled sentences.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Statistics = NDArray[np.int64]  # [items, sufficient statistics]
ScoreSums = Callable[[Statistics], NDArray[np.float64]]  # summed statistics [n, k] -> scores [n]

_TAILS = (2.5, 97.5)


class Verdict(StrEnum):
    """What the gate says of a graft."""

    PASS = "PASS"
    HOLD = "HOLD"
    REFUSE = "REFUSE"


@dataclass(frozen=True)
class Interval:
    """A gain in points of the metric with its 95% interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:+.2f} [{self.low:+.2f}, {self.high:+.2f}]"


@dataclass(frozen=True)
class Arms:
    """Sufficient statistics of the same items under each arm; `parent` may be unable to answer."""

    graft: Statistics
    control: Statistics
    parent: Statistics | None = None


@dataclass(frozen=True)
class Comparison:
    """One test set under all arms: point scores, and the gain over the better baseline."""

    graft: float
    control: float
    parent: float | None
    gain: Interval
    resampled: NDArray[np.float64]  # gains of the resamples, for pooling


def compare(arms: Arms, score: ScoreSums, resamples: int, seed: int) -> Comparison:
    """Paired bootstrap of the graft against the better of control and parent on one test set."""
    points = {"graft": arms.graft, "control": arms.control}
    if arms.parent is not None:
        points["parent"] = arms.parent
    scores = {
        name: float(score(rows.sum(axis=0, keepdims=True))[0]) for name, rows in points.items()
    }
    baseline = max((name for name in points if name != "graft"), key=scores.__getitem__)
    draws = _draws(len(arms.graft), resamples, seed)
    gains = score(draws @ arms.graft) - score(draws @ points[baseline])
    gain = _interval(scores["graft"] - scores[baseline], gains)
    return Comparison(scores["graft"], scores["control"], scores.get("parent"), gain, gains)


def _draws(items: int, resamples: int, seed: int) -> NDArray[np.int64]:
    """How often each item is drawn in each resample, [resamples, items]."""
    random = np.random.default_rng([seed, items])
    return random.multinomial(items, np.full(items, 1 / items), size=resamples)


def _interval(value: float, resampled: NDArray[np.float64]) -> Interval:
    low, high = np.percentile(resampled, _TAILS)
    return Interval(value, float(low), float(high))


def pool(comparisons: Sequence[Comparison]) -> Interval:
    """Mean gain over test sets of one seed, with the interval of the mean.

    Sets of equal size share their draws: the two directions of the same sentences are one sample,
    and taking them for two would make the interval narrower than the evidence.
    """
    value = float(np.mean([c.gain.value for c in comparisons]))
    return _interval(value, np.mean([c.resampled for c in comparisons], axis=0))


def decide(
    comparisons: Sequence[Comparison],
    parent_losses: Sequence[float] = (),
    max_parent_loss: float | None = None,
) -> tuple[Verdict, str]:
    """The verdict and its reason in one sentence.

    Args:
        comparisons: one per test set.
        parent_losses: points lost on each served direction of the parent (positive is a loss).
        max_parent_loss: more than this refuses; None where no parent direction is served.
    """
    worst = min(comparisons, key=lambda c: c.gain.high).gain
    if worst.high < 0:
        return Verdict.REFUSE, f"negative transfer: a gain of {worst} lies below zero"
    if max_parent_loss is not None and parent_losses and max(parent_losses) > max_parent_loss:
        lost = max(parent_losses)
        return Verdict.REFUSE, f"a served parent direction lost {lost:.1f}, over {max_parent_loss}"
    gain = pool(comparisons)
    if gain.low > 0:
        return Verdict.PASS, f"the gain of {gain} lies above zero"
    return Verdict.HOLD, f"the gain of {gain} does not exclude zero"
