"""Finding texts that copy a held-out one: equal, equal when folded, or sharing long runs of words.

Runs are compared as 64-bit sums of numbered words (Rabin and Karp's), all at once in numpy; that
two different runs have one sum is as good as impossible (some 1e-7 for 10 million against 400,000).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from lingraft.training.data.keys import key
from lingraft.training.data.words import Numbering, places, words

_CHUNK = 20000  # texts at a time, so that memory stays small
_POSTINGS = 500_000  # pairs of runs at a time, likewise
_FOLDED_WORDS = 3
_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd: multiplying by it loses nothing
_SIEVE_BITS = 4  # beyond those that number the runs: 15 of 16 others fall through

Ints = NDArray[np.int64]
Sums = NDArray[np.uint64]


class Kind(IntEnum):
    """How a text copies another; the first is the surest."""

    EXACT = 0  # same `keys.key`
    FOLDED = 1  # three words or more, the same once case, marks, digits and punctuation are folded
    NEAR = 2  # shared runs of words cover enough of the held-out text


@dataclass(frozen=True)
class Matches:
    """Pairs of a text and a held-out text, by number, each once with its surest kind."""

    texts: Ints
    held_out: Ints
    kinds: Ints


class Index:
    """Held-out texts, ready to be compared with any number of others.

    Texts of fewer than `ngram` words, and those without spaces, have no runs: only copies that are
    equal, or equal when folded, are found of them.
    """

    def __init__(self, held_out: Sequence[str], ngram: int, coverage: float) -> None:
        self._ngram, self._coverage = ngram, coverage
        folded = [words(text) for text in held_out]
        self._equal = (_where(map(key, held_out)), _where(map(_folded_key, folded)))
        self._number = Numbering(folded)
        # Drawn, not counted: sums of small numbers would meet.
        draw = np.random.default_rng(ngram)
        self._values = draw.integers(1, 2**64, len(self._number), np.uint64)
        self._lengths = np.array([len(units) for units in folded], np.int64)
        sums, text, place = self._runs(folded)
        varied = np.flatnonzero(self._varied(folded, text, place))
        order = varied[np.argsort(sums[varied], kind="stable")]
        self._sums, self._text, self._place = sums[order], text[order], place[order]
        bits = len(sums).bit_length() + _SIEVE_BITS
        self._shift = np.uint64(64 - bits)  # the upper bits of a sum depend on all its words
        self._sieve = np.zeros(1 << bits, np.bool_)
        self._sieve[self._sums >> self._shift] = True

    def find(self, texts: Sequence[str]) -> Matches:
        """Every pair of one of `texts` and a held-out text that counts as a copy."""
        found = [
            part + np.array([[start], [0], [0]], np.int64)
            for start in range(0, len(texts), _CHUNK)
            for part in self._find(texts[start : start + _CHUNK])
        ]
        pairs = np.concatenate(found, axis=1) if found else np.zeros((3, 0), np.int64)
        pairs = pairs[:, np.lexsort((pairs[2], pairs[1], pairs[0]))]
        new = np.ones(pairs.shape[1], np.bool_)
        new[1:] = (pairs[:2, 1:] != pairs[:2, :-1]).any(0)
        return Matches(*pairs[:, new])

    def _find(self, texts: Sequence[str]) -> list[Ints]:
        folded = [words(text) for text in texts]
        exact, same = self._equal
        return [
            _look_up(map(key, texts), exact, Kind.EXACT),
            _look_up(map(_folded_key, folded), same, Kind.FOLDED),
            self._near(folded),
        ]

    def _varied(self, folded: Sequence[list[str]], text: Ints, place: Ints) -> NDArray[np.bool_]:
        """Of each run, whether more than half of its words differ: "@user @user ..." is no text."""
        if not len(text):
            return np.zeros(0, np.bool_)
        numbers = np.array([n for units in folded for n in self._number(units)], np.int64)
        starts = np.cumsum(self._lengths) - self._lengths
        windows = np.lib.stride_tricks.sliding_window_view(numbers, self._ngram)
        runs = np.sort(windows[starts[text] + place], axis=1)
        different = 1 + (np.diff(runs, axis=1) != 0).sum(1)
        return np.asarray(2 * different > self._ngram)

    def _near(self, folded: Sequence[list[str]]) -> Ints:
        """Rows (text, held-out text, kind) of those whose shared runs cover enough."""
        sums, text, _ = self._runs(folded)
        some = np.flatnonzero(self._sieve[sums >> self._shift])
        first = np.searchsorted(self._sums, sums[some], "left")
        count = np.searchsorted(self._sums, sums[some], "right") - first
        met = np.bincount(text[some], count, len(folded))
        part = (np.cumsum(met) // _POSTINGS)[text[some]]  # whole texts, about so much work each
        return np.concatenate(
            [np.zeros((3, 0), np.int64)]
            + [
                self._enough(text[some][here], first[here], count[here])
                for here in (np.flatnonzero(part == p) for p in np.unique(part))
            ],
            axis=1,
        )

    def _enough(self, text: Ints, first: Ints, count: Ints) -> Ints:
        """Of shared runs, by their texts and their places among ours: the pairs that count."""
        here = np.repeat(text, count)
        posting = np.repeat(first, count) + places(count)[1]
        pairs, covered = self._covered(here, self._text[posting], self._place[posting])
        kept = pairs[:, covered >= self._coverage * self._lengths[pairs[1]]]
        return np.concatenate([kept, np.full((1, kept.shape[1]), Kind.NEAR, np.int64)])

    def _covered(self, here: Ints, there: Ints, place: Ints) -> tuple[Ints, Ints]:
        """Pairs [2, n] of texts, and how many words of the held-out one their runs cover [n]."""
        order = np.lexsort((place, there, here))
        here, there, place = here[order], there[order], place[order]
        new = np.ones(len(here), np.bool_)
        new[1:] = (here[1:] != here[:-1]) | (there[1:] != there[:-1])
        gain = np.full(len(here), self._ngram, np.int64)
        step = np.minimum(np.diff(place), self._ngram)
        gain[1:] = np.where(new[1:], self._ngram, step)
        starts = np.flatnonzero(new)
        covered = np.add.reduceat(gain, starts) if len(starts) else np.zeros(0, np.int64)
        return np.stack([here[starts], there[starts]]), covered

    def _runs(self, folded: Sequence[list[str]]) -> tuple[Sums, Ints, Ints]:
        """Of every run of `ngram` words: its sum, its text and its place in the text."""
        lengths = np.array([len(units) for units in folded], np.int64)
        numbers = [n for units in folded for n in self._number(units)]
        values = self._values[np.array(numbers, np.int64)]
        size = max(len(values) - self._ngram + 1, 0)
        sums = np.zeros(size, np.uint64)
        for shift in range(self._ngram):
            sums = sums * _BASE + values[shift : shift + size]
        text, place = places(lengths)
        inside = np.flatnonzero((place + self._ngram <= lengths[text])[:size])
        return sums[inside], text[inside], place[inside]


def _folded_key(units: Sequence[str]) -> str:
    """Empty for fewer than three words with a letter.

    Folding makes others of short texts the same: "Genesis 1" and "Genesis 2", or two words of a
    language that marks tell apart.
    """
    lettered = sum(unit.strip("0") != "" for unit in units)
    return " ".join(units) if lettered >= _FOLDED_WORDS else ""


def _where(names: Iterable[str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        if name:
            found.setdefault(name, []).append(number)
    return found


def _look_up(names: Iterable[str], known: dict[str, list[int]], kind: Kind) -> Ints:
    """Rows (text, held-out text, kind) of equal names."""
    pairs = [
        (number, other, int(kind))
        for number, name in enumerate(names)
        for other in known.get(name, ())
    ]
    return np.array(pairs, np.int64).reshape(-1, 3).T
