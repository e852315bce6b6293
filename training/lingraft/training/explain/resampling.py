"""Scores of bootstrap resamples; the gate's own paired bootstrap where two arms are compared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lingraft.training.errors import DataError
from lingraft.training.gate.significance import (
    GRAFT,
    Interval,
    ScoreSums,
    Statistics,
    compare,
    draw,
    resampled_scores,
)

__all__ = ["Interval", "ScoreSums", "Scores", "Statistics", "gain", "point_score", "resampled"]

Scores = NDArray[np.float64]


def gain(
    first: Statistics, second: Statistics, score: ScoreSums, resamples: int, seed: int
) -> Interval:
    """Points of `first` over `second`, by paired bootstrap; statistics of the same sentences.

    Raises:
        DataError: they are not of the same sentences.
    """
    if len(first) != len(second) or not len(first):
        raise DataError(
            f"statistics of {len(first)} and of {len(second)} sentences cannot be compared: score "
            "every arm on the same dev sentences, and on at least one"
        )
    return compare({GRAFT: [first], "control": [second]}, score, resamples, seed).gain


def point_score(statistics: Statistics, score: ScoreSums) -> float:
    """The score of all sentences together."""
    return float(score(statistics.sum(axis=0, keepdims=True))[0])


def resampled(
    trained: Sequence[Statistics], score: ScoreSums, resamples: int, seeds: tuple[int, int]
) -> Scores:
    """Scores of the resamples [resamples], each the mean of as many trainings as there are.

    Sentences are drawn by the first of `seeds`, trainings by the second: arms that share the first
    are resampled on the same sentences, and the luck of training is in the interval too.
    """
    draws = draw(len(trained[0]), resamples, seeds[0])
    return resampled_scores(trained, draws, score, seeds[1])
