"""Character n-grams as rows of a table, by the hashing trick (Weinberger et al. 2009).

The hash is integer arithmetic that an ONNX graph repeats (`export/identifier.py`): no product
reaches 2^63.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lingraft.training.identification.alphabet import Symbols

FACTOR, MODULUS = 1_000_003, 2**31 - 1  # a prime
SPREAD, SALT = (7, 2), 7919  # of an n-gram's own factor and summand, by its order


@dataclass(frozen=True)
class NGrams:
    """All n-grams of 1 to `orders` symbols, in 2^`bits` buckets."""

    orders: int = 5
    bits: int = 16

    @property
    def buckets(self) -> int:
        """Rows of the table."""
        return 1 << self.bits

    def rows(self, symbols: Symbols) -> NDArray[np.int64]:
        """The bucket of every n-gram, unigrams first."""
        found, hashes = [], np.zeros(len(symbols), np.int64)
        for order in range(1, min(self.orders, len(symbols)) + 1):
            ends = len(symbols) - order + 1
            hashes = (hashes[:ends] * FACTOR + symbols[order - 1 :]) % MODULUS
            found.append(bucket(hashes, order, self.buckets))
        return np.concatenate(found)


def bucket(hashes: NDArray[np.int64], order: int, buckets: int) -> NDArray[np.int64]:
    """The row of n-grams of one order."""
    factor, summand = SPREAD[0] + SPREAD[1] * order, SALT * order
    return (hashes * factor + summand) % buckets
