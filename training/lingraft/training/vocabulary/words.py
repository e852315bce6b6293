"""N-grams of letters inside words, counted as TF-IDF counts them.

S ids of a text.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lingraft.training.vocabulary.ngrams import NGrams
from lingraft.training.vocabulary.spelling import SPACE, Codes, Spelling


@dataclass(frozen=True, eq=False)
class WordNGrams:
    """N-grams of letters that do not go over a space, though they may begin and end with one.

    `char_wb` of scikit-learn, hashed: where words begin and end tells prefixes and endings apart,
    and what stands beside a word does not change what is counted of it.
    """

    ngrams: NGrams
    spelling: Spelling

    def shares(self, ids: Codes) -> tuple[Codes, NDArray[np.float64]]:
        """The buckets of a text [S], each once, and what each counts there.

        A bucket met n times counts 1 + ln n (sublinear term frequency), and all of them are divided
        by the root of their sum: the length of such a vector, were every count 1.
        """
        letters = self.spelling.letters(ids)
        if not len(letters):
            return letters, np.zeros(0)
        blanks, rows = np.cumsum(letters == SPACE), []
        for order, found in enumerate(self.ngrams.by_order(letters), start=1):
            inner = blanks[order - 2 : -1] - blanks[: 1 - order] if order > 2 else 0 * found
            rows.append(found[inner == 0])
        buckets, counts = np.unique(np.concatenate(rows), return_counts=True)
        weights = 1 + np.log(counts)
        return buckets, weights / np.sqrt(weights.sum())
