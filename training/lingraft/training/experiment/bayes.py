"""Naive Bayes on what counts in texts.

N texts, C labels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.naive_bayes import ComplementNB

from lingraft.training.experiment.tallies import Csr, rarity

_SMOOTHING = 0.3  # what is added to the count of every n-gram

Floats = NDArray[np.float64]


def complement(counts: Csr, labels: Sequence[int], *, even: bool = False) -> Floats:
    """Rows [buckets, C] of complement naive Bayes (Rennie et al. 2003) on counts [N, buckets].

    Counts are weighed by inverse document frequency. What all labels have in common is taken out of
    every row, and n-grams of no text say nothing.

    Args:
        counts: what counts in each text.
        labels: of each text.
        even: every label has the same spread over the texts. By itself that of a label with few
            texts is small, for what all others have in common is much the same as what all have,
            and it hardly ever comes out on top.
    """
    scarce = rarity(counts)
    model = ComplementNB(alpha=_SMOOTHING).fit(counts * scarce, labels)
    found = model.feature_log_prob_.T * scarce[:, None]
    found -= found.mean(axis=1, keepdims=True)
    found[np.bincount(counts.indices, minlength=len(found)) == 0] = 0
    if even:
        spreads = np.maximum(np.asarray(counts @ found).std(axis=0), 1e-9)
        found *= spreads.mean() / spreads
    return np.asarray(found)
