"""How many times the data does training from scratch need? The distance between two curves.

Horizontal distance on the logarithm of the data's size, mean over the levels of score that both
curves reach, each curve made monotone first (isotonic regression) and straight between its points.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from lingraft.training.explain.figures import figure

Curve = NDArray[np.float64]  # [sizes] scores

_LEVELS = 101
_LOW, _HIGH = 0.025, 0.975


@dataclass(frozen=True)
class Factor:
    """Times the graft's data that the control needs, with its 95% interval.

    Infinite: the control never reached the graft's score; 0: the graft never reached the control's.

    tried: the greatest ratio of sizes that was tried, beyond which nothing is known.
    levels: scores over which the distance was taken; None where the curves share none.
    """

    value: float
    low: float
    high: float
    tried: float
    levels: tuple[float, float] | None

    @property
    def saves(self) -> bool:
        """Whether the whole interval lies above 1: otherwise no saving may be claimed."""
        return self.low > 1

    @property
    def sentence(self) -> str:
        """For people; it claims no more than was tried and shown."""
        if math.isinf(self.value) and math.isinf(self.low):
            return (
                f"from scratch needs more than {_number(self.tried)} times the data, the most that "
                "was tried"
            )
        interval = f"95% interval {self._times(self.low)} to {self._times(self.high)}"
        needs = f"from scratch needs {self._times(self.value)} times the data ({interval})"
        if self.saves:
            return needs
        if self.high < 1:
            return f"the graft saves no data: {needs}"
        return f"a saving of data is not shown: {needs}"

    def _times(self, value: float) -> str:
        if math.isinf(value):
            return f"more than {_number(self.tried)}"
        return f"less than {_number(1 / self.tried)}" if value == 0 else _number(value)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready; a bound without end is null, and `reached` tells a null value's reason."""
        return {
            "value": figure(self.value),
            "low": figure(self.low),
            "high": figure(self.high),
            "reached": math.isfinite(self.value),
            "tried": figure(self.tried),
            "levels": self.levels and [figure(level) for level in self.levels],
            "saves": self.saves,
            "sentence": self.sentence,
        }


def _number(value: float) -> str:
    if value < 1:
        return f"{value:.2g}"
    return f"{value:.1f}".removesuffix(".0") if value < 10 else f"{value:,.0f}"


def factor(
    sizes: Sequence[float],
    graft: Curve,
    control: Curve,
    resampled: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> Factor:
    """The factor between two curves over the same sizes, with its bootstrap interval.

    Args:
        sizes: amounts of data, rising, two or more.
        graft: scores [sizes].
        control: scores [sizes].
        resampled: scores of graft and control on each resample, [resamples, sizes] each.
    """
    logs = np.log(np.asarray(sizes, dtype=np.float64))
    value, levels = _distance(logs, graft, control)
    drawn = np.array([_distance(logs, g, c)[0] for g, c in zip(*resampled, strict=True)])
    # Order statistics themselves: between a number and infinity there is nothing to interpolate.
    low, high = np.quantile(drawn, (_LOW, _HIGH), method="inverted_cdf")
    times = [float(np.exp(x)) for x in (value, low, high)]
    return Factor(times[0], times[1], times[2], float(np.exp(logs[-1] - logs[0])), levels)


def _distance(
    logs: NDArray[np.float64], graft: Curve, control: Curve
) -> tuple[float, tuple[float, float] | None]:
    """Mean log distance (infinite where the control stays below, minus that where above)."""
    ours, theirs = (np.asarray(isotonic_regression(curve).x) for curve in (graft, control))
    low, high = max(ours[0], theirs[0]), min(ours[-1], theirs[-1])
    if low > high:
        return (math.inf if ours[0] > theirs[-1] else -math.inf), None
    levels = np.linspace(low, high, _LEVELS)
    apart = _size_at(levels, logs, theirs) - _size_at(levels, logs, ours)
    return float(apart.mean()), (float(low), float(high))


def _size_at(levels: Curve, logs: NDArray[np.float64], curve: Curve) -> NDArray[np.float64]:
    """The smallest log size at which a monotone curve reaches each level that it does reach."""
    after = np.searchsorted(curve, levels, side="left").clip(max=len(curve) - 1)
    before = (after - 1).clip(min=0)
    rise = curve[after] - curve[before]
    share = np.divide(levels - curve[before], rise, out=np.ones_like(levels), where=rise > 0)
    return np.asarray(logs[before] + share * (logs[after] - logs[before]))
