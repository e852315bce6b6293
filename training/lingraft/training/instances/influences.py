"""Which examples a score calls the most helpful and the most harmful, for the report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Example:
    """One example: its row, from 0, its score, and its cells unless they are left out."""

    index: int
    score: float
    cells: tuple[str, ...] | None


@dataclass(frozen=True)
class Influences:
    """The examples with the highest scores, best first, and with the lowest, worst first."""

    helpful: tuple[Example, ...]
    harmful: tuple[Example, ...]


def influences(
    scores: NDArray[np.float64],
    rows: Sequence[tuple[str, ...]],
    n: int,
    sentences: bool = True,
) -> Influences:
    """The `n` most helpful and the `n` most harmful of `rows`, whose scores are `scores` [rows].

    A score is any number that is higher for what helps: by the methods of `scores`, or by
    gradients. Of equal rows one is shown. Without `sentences` only numbers and scores are given.
    """
    order = np.argsort(scores, kind="stable")

    def first(indices: Iterable[int]) -> tuple[Example, ...]:
        found: dict[tuple[str, ...], Example] = {}
        for i in indices:
            if len(found) == n:
                break
            cells = rows[i] if sentences else None
            found.setdefault(rows[i], Example(int(i), float(scores[i]), cells))
        return tuple(found.values())

    return Influences(first(order[::-1]), first(order))
