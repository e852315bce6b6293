"""Is the graft better? Paired bootstrap over sentences and seeds, and Holm over a table.

Paired bootstrap after Koehn (2004): all arms on the same resampled sentences. Arms that were
trained several times are resampled over their seeds too, so that the interval holds the luck of
training as well as that of the test set. Holm (1979) keeps a table of many tests honest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev

import numpy as np
from numpy.typing import NDArray

Statistics = NDArray[np.int64]  # [items, sufficient statistics]
ScoreSums = Callable[[Statistics], NDArray[np.float64]]  # summed statistics [n, k] -> scores [n]
Gains = NDArray[np.float64]  # one gain for each resample

GRAFT = "graft"
# The graft without one of its parts: they explain a gain, and are no alternative to beat.
ABLATIONS = ("random-rows",)
_TAILS = (2.5, 97.5)
_Z_ALPHA, _Z_POWER = 1.96, 0.84  # two-sided 5%, power 80%


@dataclass(frozen=True)
class Interval:
    """A score, or a difference of two, in points of the metric with its 95% interval."""

    value: float
    low: float
    high: float

    @property
    def shows_gain(self) -> bool:
        """Whether the whole interval lies above zero; otherwise no gain may be claimed."""
        return self.low > 0

    def __str__(self) -> str:
        return f"{self.value:+.2f} [{self.low:+.2f}, {self.high:+.2f}]"


@dataclass(frozen=True)
class SeedScores:
    """The score of an arm for every seed that it was trained with."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over seeds."""
        return mean(self.values)

    @property
    def deviation(self) -> float | None:
        """Standard deviation over seeds (n-1); None for one seed."""
        return stdev(self.values) if len(self.values) > 1 else None


@dataclass(frozen=True)
class Comparison:
    """One test set under all arms.

    baseline: the arm that the gain is over: the best that is neither the graft nor an ablation.
    over: the difference to every other arm.
    resampled: gains of the resamples, for pooling.
    p: one-sided p of "no better than the baseline".
    """

    scores: Mapping[str, SeedScores]
    baseline: str
    over: Mapping[str, Interval]
    resampled: Gains
    p: float

    @property
    def gain(self) -> Interval:
        """The difference to the baseline."""
        return self.over[self.baseline]

    def score(self, arm: str) -> float | None:
        """Mean score of an arm; None where it did not answer."""
        return self.scores[arm].mean if arm in self.scores else None


def compare(
    arms: Mapping[str, Sequence[Statistics]], score: ScoreSums, resamples: int, seed: int
) -> Comparison:
    """The graft against the best other arm on one test set.

    Args:
        arms: statistics of the same items for every seed of every arm; "graft" is one of them.
        score: scores of summed statistics.
    """
    points = {
        name: SeedScores(tuple(float(score(s.sum(axis=0, keepdims=True))[0]) for s in seeds))
        for name, seeds in arms.items()
    }
    others = [name for name in arms if name != GRAFT]
    baseline = max((n for n in others if n not in ABLATIONS), key=lambda n: points[n].mean)
    draws = draw(len(arms[GRAFT][0]), resamples, seed)
    ours = resampled_scores(arms[GRAFT], draws, score, seed)
    # Seeds of two arms are drawn apart: nothing pairs them.
    gains = {name: ours - resampled_scores(arms[name], draws, score, seed + 1) for name in others}
    over = {name: interval(points[GRAFT].mean - points[name].mean, gains[name]) for name in others}
    return Comparison(points, baseline, over, gains[baseline], p_of(gains[baseline]))


def draw(items: int, resamples: int, seed: int) -> NDArray[np.int64]:
    """How often each item is drawn in each resample, [resamples, items]."""
    random = np.random.default_rng([seed, items])
    return random.multinomial(items, np.full(items, 1 / items), size=resamples)


def resampled_scores(
    seeds: Sequence[Statistics], draws: NDArray[np.int64], score: ScoreSums, seed: int
) -> Gains:
    """Scores of the resamples, each the mean of as many seeds, drawn anew, as there are.

    Args:
        seeds: statistics of the same items for every seed.
        draws: how often each item is drawn, as `draw` gives it.
        seed: of the draw of seeds.
    """
    table = np.stack([score(draws @ statistics) for statistics in seeds])  # [seeds, resamples]
    resamples = table.shape[1]
    random = np.random.default_rng([seed, resamples])
    chosen = random.integers(0, len(seeds), size=(len(seeds), resamples))
    return np.asarray(np.take_along_axis(table, chosen, axis=0).mean(axis=0))


def interval(value: float, resampled: Gains) -> Interval:
    """`value` with the middle 95% of its resamples."""
    low, high = np.percentile(resampled, _TAILS)
    return Interval(value, float(low), float(high))


def score_interval(statistics: Statistics, score: ScoreSums, resamples: int, seed: int) -> Interval:
    """The score of one system with the interval of a bootstrap over its items."""
    draws = draw(len(statistics), resamples, seed)
    value = float(score(statistics.sum(axis=0, keepdims=True))[0])
    return interval(value, score(draws @ statistics))


def p_of(gains: Gains) -> float:
    """Share of resamples without a gain, the observed one counted among them."""
    return (1 + int((gains <= 0).sum())) / (1 + len(gains))


def pool(comparisons: Sequence[Comparison]) -> Interval:
    """Mean gain over test sets, with the interval of the mean.

    Sets of equal size share their draws: the two directions of the same sentences are one sample,
    and taking them for two would make the interval narrower than the evidence.
    """
    value = float(np.mean([c.gain.value for c in comparisons]))
    return interval(value, np.mean([c.resampled for c in comparisons], axis=0))


def holm(ps: Sequence[float]) -> list[float]:
    """Adjusted p-values of a family of tests (Holm 1979), in the order given."""
    adjusted = [0.0] * len(ps)
    floor = 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        floor = max(floor, min(1.0, (len(ps) - rank) * ps[index]))
        adjusted[index] = floor
    return adjusted


def seeds_needed(deviation: float, effect: float) -> int:
    """Seeds for each arm to find a difference of `effect` (two-sided 5%, power 80%).

    Args:
        deviation: standard deviation over seeds, in the unit of `effect`.
        effect: smallest difference worth finding, above 0.
    """
    return max(1, math.ceil(2 * ((_Z_ALPHA + _Z_POWER) * deviation / effect) ** 2))
