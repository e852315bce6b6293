"""Choosing or weighting parent sentences by their scores against a target sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lingraft.training.errors import DataError
from lingraft.training.instances.influences import Influences, influences
from lingraft.training.instances.scores import score
from lingraft.training.recipe.instances import Selection

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Row = tuple[str, ...]

_SIDES = {"source": (0,), "target": (1,), "both": (0, 1)}


@dataclass(frozen=True)
class Selected:
    """What is chosen of the parent's rows.

    scores: [rows], higher is more like the target: nats per word gained (cross-entropy difference)
        or the logarithm of the importance weight (n-gram importance).
    weights: [rows], visits of each row; they sum to the kept share of the rows, rounded.
    indices: rows to train on, in order; one of weight 2.3 stands there twice or three times.
    effective: how many equally weighted rows would count as much (Kish 1965).
    """

    scores: Floats
    weights: Floats
    indices: Ints
    effective: float
    influences: Influences


def select(rows: Sequence[Row], sample: Sequence[Row], rule: Selection, seed: int) -> Selected:
    """Choose among parent `rows` what is like the target's `sample`, by the rule; seeded.

    The cells compared must be in one language: with side "source", cell 0 of both. With "both" the
    scores of the sides are added (Axelrod, He & Gao 2011). Cross-entropy difference keeps the best
    rows; n-gram importance draws them without replacement by its weights (Gumbel top-k, as DSIR),
    which keeps rare kinds of sentences. With `weight` every row stays, visited in proportion to
    exp(score per n-gram): the sum over a sentence would leave only a few.

    Raises:
        DataError: there are no rows, or the sample has too few words to tell.
    """
    if not rows or not sample:
        raise DataError("selection: there is no parent text to choose from, or no target sample")
    sides = [
        score([row[side] for row in rows], [row[side] for row in sample], rule, seed)
        for side in _SIDES[rule.side]
    ]
    scores, even = (np.sum(values, axis=0) for values in zip(*sides, strict=True))
    keep = max(1, round(rule.keep * len(rows)))
    random = np.random.default_rng(seed)
    if rule.weight:
        weights = visits(even, keep)
        indices = resample(weights, random)
    else:
        noisy = (
            scores + random.gumbel(size=len(rows)) if rule.method == "ngram-importance" else scores
        )
        indices = np.sort(np.argsort(-noisy, kind="stable")[:keep])
        weights = np.zeros(len(rows))
        weights[indices] = 1.0
    return Selected(
        scores=scores,
        weights=weights,
        indices=indices,
        effective=float(weights.sum() ** 2 / (weights**2).sum()),
        influences=influences(scores, rows, rule.list_examples, rule.show_sentences),
    )


def visits(scores: Floats, total: float) -> Floats:
    """Weights [rows] in proportion to exp(score) that sum to `total`."""
    raw = np.exp(scores - scores.max())
    return np.asarray(raw / raw.sum() * total)


def resample(weights: Floats, random: np.random.Generator) -> Ints:
    """Rows, in order and with repetition, each `weights[row]` times rounded up or down.

    Systematic resampling (Kitagawa 1996): as many rows in all as the weights sum to, rounded, and
    each on average as often as its weight says.
    """
    ends = np.cumsum(weights)
    marks = np.arange(round(float(ends[-1]))) + random.random()
    return np.minimum(np.searchsorted(ends, marks, side="right"), len(weights) - 1)
