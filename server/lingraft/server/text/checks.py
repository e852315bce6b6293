"""Cheap signs of a bad translation: pure functions."""

from __future__ import annotations

from collections.abc import Sequence

_LONGEST_UNIT = 10
_LEAST_TIMES = 4
_LEAST_PIECES = 8


def is_loop(ids: Sequence[int], source: Sequence[int]) -> bool:
    """Whether the output runs in a circle and its source does not.

    A circle is a unit of 1 to 10 pieces, four or more times in a row, eight or more pieces long.
    """
    return _circles(ids) and not _circles(source)


def _circles(ids: Sequence[int]) -> bool:
    return any(_runs(ids, unit) for unit in range(1, min(_LONGEST_UNIT, len(ids) // 2) + 1))


def _runs(ids: Sequence[int], unit: int) -> bool:
    """Whether pieces equal those `unit` places before them for long enough."""
    needed = max(_LEAST_TIMES * unit, _LEAST_PIECES) - unit
    run = 0
    for earlier, later in zip(ids, ids[unit:], strict=False):
        run = run + 1 if earlier == later else 0
        if run >= needed:
            return True
    return False


def is_copy(source: str, output: str) -> bool:
    """Whether the output is the source again, but for case and white space.

    Text without letters ("3.14") and single words (names) may well stay as they are.
    """
    words = source.casefold().split()
    lettered = sum(any(letter.isalpha() for letter in word) for word in words)
    return lettered > 1 and words == output.casefold().split()
