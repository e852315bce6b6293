"""Small n-gram language models: interpolated Kneser-Ney, in numpy.

Chen & Goodman (1999): interpolated Kneser-Ney is the best of the smoothings for small samples of
text, and unlike stupid back-off its values are probabilities, whose logarithms may be subtracted.

An n-gram is named by a number: the number of its first n-1 units times the vocabulary's size, plus
its last unit; those seen in training lie in one sorted array for each n, and an n-gram's number is
its place there. So a whole corpus is looked up with one search for each order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lingraft.training.data.words import Numbering

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Units = Sequence[Sequence[str]]
_NONE = -1  # the number of an n-gram that training has not seen


@dataclass(frozen=True)
class Stream:
    """Texts as one array of unit numbers, each with `order - 1` starts before and an end behind.

    units: [positions]. text: [positions], which text it is of. scored: [positions], not a start.
    """

    units: Ints
    text: Ints
    scored: NDArray[np.bool_]
    size: int


def stream(texts: Units, numbering: Numbering, order: int) -> Stream:
    """The stream of texts; units outside the numbering become one unknown unit."""
    start, end = len(numbering), len(numbering) + 1
    head = [start] * (order - 1)
    units: list[int] = []
    lengths = np.array([len(text) + order for text in texts], np.int64)
    for text in texts:
        units += head
        units += numbering(text)
        units.append(end)
    flat = np.array(units, np.int64)
    text_of = np.repeat(np.arange(len(lengths)), lengths)
    return Stream(flat, text_of, flat != start, len(texts))


@dataclass(frozen=True)
class _Table:
    """The n-grams of one order, and what their probabilities are made of.

    names: sorted. discounted: the n-gram's count less the discount, over its context's count.
    spare: of each context, the probability that it leaves to the next shorter order.
    """

    names: Ints
    discounted: Floats
    spare: Floats


class LanguageModel:
    """P(unit | up to `order - 1` units before it), learned from one stream of texts."""

    def __init__(self, training: Stream, numbering: Numbering, order: int) -> None:
        # Units that can follow: the known ones, the unknown one and the end; the start cannot.
        self._follow = len(numbering) + 1
        self._tables: list[_Table] = []
        numbers = [np.zeros(len(training.units), np.int64)]  # of the empty n-gram
        contexts = 1
        for _ in range(order):
            names = self._names(numbers[-1], training.units)
            kinds = np.unique(names)
            numbers.append(np.searchsorted(kinds, names))
            self._tables.append(_Table(kinds, np.zeros(len(kinds)), np.ones(contexts)))
            contexts = len(kinds)
        for n, table in enumerate(self._tables, 1):
            counts = _counts(numbers, training.scored, n, len(table.names))
            _discount(table, counts, table.names // (self._follow + 1))

    def log_probabilities(self, texts: Stream) -> Floats:
        """Natural logarithm of the probability of every position [positions]; 0 for starts."""
        numbers = np.zeros(len(texts.units), np.int64)
        chances = np.full(len(texts.units), 1 / self._follow)
        for table in self._tables:
            # Of the position before; of the first one whatever: it is a start, or n is 1.
            context = np.roll(numbers, 1)
            numbers = _find(table.names, self._names(numbers, texts.units))
            own = np.where(numbers != _NONE, table.discounted[numbers], 0.0)
            chances = own + np.where(context != _NONE, table.spare[context], 1.0) * chances
        return np.where(texts.scored, np.log(chances), 0.0)

    def _names(self, numbers: Ints, units: Ints) -> Ints:
        """Names of the n-grams that end at each position, of the numbers of those one shorter."""
        context = np.roll(numbers, 1)
        return np.where(context == _NONE, _NONE, context * (self._follow + 1) + units)


def _find(names: Ints, wanted: Ints) -> Ints:
    """The place of each wanted name among `names`, sorted."""
    place = np.minimum(np.searchsorted(names, wanted), len(names) - 1)
    return np.where(names[place] == wanted, place, _NONE)


def _counts(numbers: Sequence[Ints], scored: NDArray[np.bool_], n: int, size: int) -> Ints:
    """How often each n-gram was seen; a shorter one: after how many different units."""
    seen = np.flatnonzero(scored)
    if n + 1 < len(numbers):
        seen = seen[np.unique(numbers[n + 1][seen], return_index=True)[1]]
    return np.bincount(numbers[n][seen], minlength=size)


def _discount(table: _Table, counts: Ints, context: Ints) -> None:
    """Fill in the table: what is taken off each count goes to the shorter n-grams."""
    once, twice = (counts == 1).sum(), (counts == 2).sum()
    # Ney, Essen & Kneser's estimate; text with no such n-grams has nothing to estimate from.
    discount = once / (once + 2 * twice) if once and twice else 0.5
    contexts = len(table.spare)
    total = np.bincount(context, counts, contexts)
    kinds = np.bincount(context, counts > 0, contexts)
    known = total > 0
    table.spare[known] = discount * kinds[known] / total[known]
    seen = counts > 0
    table.discounted[seen] = (counts[seen] - discount) / total[context[seen]]
