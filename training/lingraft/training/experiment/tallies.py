"""What counts in texts, as a matrix, and how rare it is. N texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from lingraft.training.vocabulary.words import WordNGrams

Csr = Any  # scipy has no types: a scipy.sparse.csr_array
Rows = Sequence[Sequence[int]]  # source ids of texts, each with its end


def tally(ids: Rows, words: WordNGrams) -> Csr:
    """What counts in each text, [N, buckets]."""
    found = [words.shares(np.asarray(row, dtype=np.int64)) for row in ids]
    starts = np.cumsum([0, *(len(buckets) for buckets, _ in found)])
    places = np.concatenate([buckets for buckets, _ in found])
    values = np.concatenate([shares for _, shares in found])
    return csr_array((values, places, starts), shape=(len(ids), words.ngrams.buckets))


def rarity(tallies: Csr) -> NDArray[np.float64]:
    """Inverse document frequency [buckets], 1 for what is in every text.

    After Sparck Jones 1972; smoothed as in scikit-learn.
    """
    texts, buckets = tallies.shape
    having = np.bincount(tallies.indices, minlength=buckets)
    return np.asarray(np.log((1 + texts) / (1 + having)) + 1)
