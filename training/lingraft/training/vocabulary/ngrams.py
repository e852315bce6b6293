"""N-grams as rows of a table, by the hashing trick (Weinberger et al. 2009).

Symbols are what is counted: kinds of characters of a language identifier, letters of a classifier.
The hash is integer arithmetic that NumPy and an ONNX graph (`export/hashing.py`) do alike: no
product reaches 2^63.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FACTOR, MODULUS = 1_000_003, 2**31 - 1  # of the rolling hash; the modulus is a prime
_SPREAD, _SALT = (7, 2), 7919


Symbols = NDArray[np.int64]


@dataclass(frozen=True)
class NGrams:
    """All n-grams of 1 to `orders` symbols, in 2^`bits` buckets."""

    orders: int = 5
    bits: int = 16

    @property
    def buckets(self) -> int:
        """Rows of the table."""
        return 1 << self.bits

    def by_order(self, symbols: Symbols) -> list[Symbols]:
        """Buckets [.., S - n + 1] of the n-grams of each order n, for symbols [.., S], S from 1.

        The n-gram at a place begins with the symbol there. Orders above S have none and are left
        out.
        """
        hashes: Symbols = symbols % MODULUS
        found: list[Symbols] = []
        for order in range(1, min(self.orders, symbols.shape[-1]) + 1):
            if order > 1:  # an n-gram fewer than of the order before
                hashes = (hashes[..., :-1] * FACTOR + symbols[..., order - 1 :]) % MODULUS
            factor, summand = mixing(order)
            found.append((hashes * factor + summand) % self.buckets)
        return found

    def rows(self, symbols: Symbols) -> Symbols:
        """The bucket of every n-gram of one text's symbols [S], unigrams first."""
        return np.concatenate(self.by_order(symbols))


def mixing(order: int) -> tuple[int, int]:
    """Factor and summand that make buckets of the hashes of one order, apart from the others'."""
    return _SPREAD[0] + _SPREAD[1] * order, _SALT * order
