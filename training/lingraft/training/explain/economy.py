"""The data-economy curve: graft and control at shares of the child's data, with what each cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from lingraft.training.explain.factor import Factor, factor
from lingraft.training.explain.figures import figure
from lingraft.training.explain.resampling import (
    Interval,
    Scores,
    ScoreSums,
    Statistics,
    point_score,
    resampled,
)

_R = TypeVar("_R")
_ARMS = ("graft", "control")
_TAILS = (2.5, 97.5)
_JOULES_PER_KWH = 3.6e6


@dataclass(frozen=True)
class Outcome:
    """What one training gave: dev statistics [sentences, k], and the seconds that it took."""

    statistics: Statistics
    seconds: float


Train = Callable[[float, str, int], Outcome]  # share in per cent, "graft" or "control", seed


@dataclass(frozen=True)
class Point:
    """One arm at one share: mean score over seeds with its 95% interval, seconds of all seeds."""

    share: float
    examples: int
    arm: str
    score: Interval
    by_seed: tuple[float, ...]
    seconds: float

    def as_dict(self, watts: float) -> dict[str, Any]:
        """JSON-ready, with the energy at that many watts."""
        return {
            "share": self.share,
            "examples": self.examples,
            "arm": self.arm,
            "score": figure(self.score.value),
            "low": figure(self.score.low),
            "high": figure(self.score.high),
            "by_seed": [figure(score) for score in self.by_seed],
            "seconds": figure(self.seconds, 1),
            "kwh": figure(kwh(self.seconds, watts), 6),
        }


@dataclass(frozen=True)
class Economy:
    """The curve; `factor` is None under two shares, `skipped` are shares beyond the budget."""

    points: tuple[Point, ...]
    factor: Factor | None
    skipped: tuple[float, ...]
    watts: float

    @property
    def seconds(self) -> float:
        """Of all trainings."""
        return sum(point.seconds for point in self.points)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready. The energy is an estimate: seconds times the watts that were stated."""
        return {
            "points": [point.as_dict(self.watts) for point in self.points],
            "factor": self.factor and self.factor.as_dict(),
            "skipped": list(self.skipped),
            "seconds": figure(self.seconds, 1),
            "watts": self.watts,
            "kwh": figure(kwh(self.seconds, self.watts), 6),
        }


def kwh(seconds: float, watts: float) -> float:
    """Energy in kilowatt hours at a steady power."""
    return seconds * watts / _JOULES_PER_KWH


def subset(sources: Sequence[Sequence[_R]], share: float, seed: int) -> list[list[_R]]:
    """`share` per cent of the rows of every data source, in their order, at least one of each.

    A smaller share of the same seed is always inside a larger one.
    """
    chosen = []
    for number, rows in enumerate(sources):
        order = np.random.default_rng([seed, number]).permutation(len(rows))
        count = min(len(rows), max(1, round(share / 100 * len(rows))))
        chosen.append([rows[i] for i in sorted(order[:count].tolist())])
    return chosen


def economy(
    train: Train,
    examples: int,
    score: ScoreSums,
    *,
    shares: Sequence[float] = (1, 2, 5, 10, 25, 50, 100),
    seeds: Sequence[int] = (1,),
    watts: float = 100.0,
    budget_seconds: float | None = None,
    resamples: int = 1000,
    seed: int = 1,
) -> Economy:
    """Train both arms at every share, from the smallest, and measure the factor between them.

    Args:
        train: trains an arm on a share of the data (see `subset`); its statistics are always of the
            same dev sentences.
        examples: of the child's whole data.
        score: of summed statistics, higher is better.
        budget_seconds: no further share is begun once this much training was done.
    """
    points: list[Point] = []
    drawn: dict[str, list[Scores]] = {arm: [] for arm in _ARMS}
    skipped, spent = [], 0.0
    for share in sorted(shares):
        if budget_seconds is not None and spent >= budget_seconds:
            skipped.append(share)
            continue
        for arm in _ARMS:
            outcomes = [train(share, arm, number) for number in seeds]
            trained = [outcome.statistics for outcome in outcomes]
            # Same sentences for all points, but the luck of each training is its own.
            again = resampled(trained, score, resamples, (seed, seed + len(points)))
            points.append(_point(share, arm, examples, outcomes, score, again))
            drawn[arm].append(again)
            spent += points[-1].seconds
    return Economy(tuple(points), _factor(points, drawn), tuple(skipped), watts)


def _point(
    share: float,
    arm: str,
    examples: int,
    outcomes: Sequence[Outcome],
    score: ScoreSums,
    again: Scores,
) -> Point:
    by_seed = tuple(point_score(outcome.statistics, score) for outcome in outcomes)
    low, high = np.percentile(again, _TAILS)
    return Point(
        share=share,
        examples=max(1, round(share / 100 * examples)),
        arm=arm,
        score=Interval(float(np.mean(by_seed)), float(low), float(high)),
        by_seed=by_seed,
        seconds=sum(outcome.seconds for outcome in outcomes),
    )


def _factor(points: Sequence[Point], drawn: dict[str, list[Scores]]) -> Factor | None:
    sizes = [point.share for point in points if point.arm == "graft"]
    if len(sizes) < 2:
        return None
    curves = {
        arm: np.array([point.score.value for point in points if point.arm == arm]) for arm in _ARMS
    }
    table = tuple(np.stack(drawn[arm], axis=1) for arm in _ARMS)
    return factor(sizes, curves["graft"], curves["control"], (table[0], table[1]))
