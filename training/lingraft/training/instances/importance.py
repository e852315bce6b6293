"""Importance weights of texts by hashed n-grams (DSIR, Xie et al. 2023)."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from lingraft.training.data.words import Numbering, places

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_CHUNK = 50000  # texts at a time, so that memory stays small
_PRIOR = 1000.0  # n-grams of all texts that stand behind the sample's own counts
_BASE = np.uint64(0x9E3779B97F4A7C15)


def log_importance(
    texts: Sequence[Sequence[str]], sample: Sequence[Sequence[str]], order: int, buckets: int
) -> tuple[Floats, Floats]:
    """Logarithms of importance weights by hashed n-grams [texts], and the same per n-gram [texts].

    p / q, where p and q give n-grams of 1 to `order` units, hashed into `buckets`, their share in
    the sample and in the texts. As a sample may be some hundred sentences and lack most n-grams by
    chance, its counts are smoothed by those of the texts (a Dirichlet prior, Zhai & Lafferty 2004;
    the paper adds 1e-8). Weights are products over a text: the paper's texts are all chunks of 128
    words, while of sentences unlike the sample the short ones lose least.
    """
    ours = _Hashed(texts, order, buckets)
    counts = ours.counts()
    q = (counts + 1) / (counts.sum() + buckets)
    theirs = _Hashed(sample, order, buckets).counts()
    p = (theirs + _PRIOR * q) / (theirs.sum() + _PRIOR)
    ratios = np.log(p) - np.log(q)
    sums, number = np.zeros(len(texts)), np.zeros(len(texts))
    for text, bucket in ours.parts():
        sums += np.bincount(text, ratios[bucket], len(texts))
        number += np.bincount(text, minlength=len(texts))
    return sums, sums / np.maximum(number, 1)


class _Hashed:
    """Texts whose n-grams are asked for part by part: all at once would fill the memory."""

    def __init__(self, texts: Sequence[Sequence[str]], order: int, buckets: int) -> None:
        self._texts, self._order, self._buckets = texts, order, buckets
        self._number = Numbering(texts)
        # Python's own hash changes from run to run.
        named = [0, *(zlib.crc32(name.encode()) for name in self._number.names)]
        self._values = np.array(named, np.uint64)

    def counts(self) -> Ints:
        """How many n-grams fall into each bucket [buckets]."""
        counts = np.zeros(self._buckets, np.int64)
        for _, bucket in self.parts():
            counts += np.bincount(bucket, minlength=self._buckets)
        return counts

    def parts(self) -> Iterator[tuple[Ints, Ints]]:
        """For some texts and one length of n-grams at a time: each one's text and bucket."""
        for start in range(0, len(self._texts), _CHUNK):
            chunk = self._texts[start : start + _CHUNK]
            numbers = [n for text in chunk for n in self._number(text)]
            values = self._values[np.array(numbers, np.int64)]
            text, place = places(np.array([len(units) for units in chunk], np.int64))
            sums = np.zeros(len(values), np.uint64)
            for n in range(1, self._order + 1):
                # Those that end at each position, of those one shorter at the position before.
                sums = (np.roll(sums, 1) + np.uint64(n)) * _BASE + values
                whole = place >= n - 1
                yield text[whole] + start, self._bucket(sums[whole])

    def _bucket(self, sums: NDArray[np.uint64]) -> Ints:
        mixed = (sums ^ (sums >> np.uint64(31))) * _BASE  # the upper bits depend on all
        return ((mixed >> np.uint64(32)) % np.uint64(self._buckets)).astype(np.int64)
