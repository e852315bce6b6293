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
_LENGTHS = 32  # classes of lengths, four to each doubling of the length: up to 215 units


def log_importance(
    texts: Sequence[Sequence[str]], sample: Sequence[Sequence[str]], order: int, buckets: int
) -> tuple[Floats, Floats]:
    """Logarithms of importance weights by hashed n-grams [texts], and the same per n-gram [texts].

    p / q, where p and q give n-grams of 1 to `order` units, hashed into `buckets`, their share in
    the sample and in the texts. Two things differ from the paper, for sentences are no chunks of
    128 words and a sample may be some hundred of them. The length is a feature too: without it
    long sentences lose for nothing but their length. And the sample's counts are smoothed by those
    of the texts (a Dirichlet prior, Zhai & Lafferty 2004; the paper adds 1e-8), for most n-grams
    are lacking there by chance.
    """
    ours = _Hashed(texts, order, buckets)
    ratios = _log_ratios(_Hashed(sample, order, buckets).counts(), ours.counts())
    lengths = _length_classes(texts)
    by_length = _log_ratios(
        np.bincount(_length_classes(sample), minlength=_LENGTHS),
        np.bincount(lengths, minlength=_LENGTHS),
    )
    sums, number = by_length[lengths], np.ones(len(texts))
    for text, bucket in ours.parts():
        sums += np.bincount(text, ratios[bucket], len(texts))
        number += np.bincount(text, minlength=len(texts))
    return sums, sums / number


def _log_ratios(sample: Ints, texts: Ints) -> Floats:
    """Logarithm of each feature's share in the sample over that in the texts."""
    q = (texts + 1) / (texts.sum() + len(texts))
    p = (sample + _PRIOR * q) / (sample.sum() + _PRIOR)
    return np.asarray(np.log(p) - np.log(q))


def _length_classes(texts: Sequence[Sequence[str]]) -> Ints:
    lengths = np.array([max(len(text), 1) for text in texts])
    return np.minimum(4 * np.log2(lengths), _LENGTHS - 1).astype(np.int64)


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
