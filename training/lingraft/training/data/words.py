"""Words of a text without what seldom makes another sentence: case, marks, digits, punctuation."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

_APOSTROPHES = "'`´‘’ʼʻ"  # typed at will, and the ʻokina among them
_UNSEEN = 0


class _Folding(dict[int, str]):
    """What becomes of each character, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        self[code] = folded = _fold(chr(code))
        return folded


def _fold(character: str) -> str:
    if character in _APOSTROPHES:
        return ""
    parts = unicodedata.normalize("NFKD", character).casefold()
    return "".join(_FOLDED.get(unicodedata.category(part)[:2], part) for part in parts)


# Categories that stay as they are: letters, and the spacing vowel signs of Indian scripts.
_FOLDED = {"Nd": "0", "Nl": "0", "No": "0", "Mn": "", "Me": "", "Cf": ""} | dict.fromkeys(
    ("Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc"), " "
)
_TABLE = _Folding()


def words(text: str) -> list[str]:
    """Lower-case words without marks and punctuation, each digit a 0.

    Composed and decomposed text give the same. Text without spaces is one word.
    """
    return text.translate(_TABLE).split()


def characters(text: str) -> list[str]:
    """The characters of `words`, with one space between two words."""
    return list(" ".join(words(text)))


class Numbering:
    """Numbers of the units of a closed vocabulary, from 1 in order of appearance; 0: not in it."""

    def __init__(self, texts: Iterable[Iterable[str]]) -> None:
        self.names = list(dict.fromkeys(unit for text in texts for unit in text))
        self._get: Callable[[str, int], int] = {n: i for i, n in enumerate(self.names, 1)}.get

    def __len__(self) -> int:
        """How many numbers there are, 0 included."""
        return len(self.names) + 1

    def __call__(self, units: Iterable[str]) -> list[int]:
        """The number of each of `units`."""
        get = self._get
        return [get(unit, _UNSEEN) for unit in units]


def places(lengths: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of texts that lie flat one after another: the text of each unit, and its place in it."""
    text = np.repeat(np.arange(len(lengths)), lengths)
    start = np.cumsum(lengths) - lengths
    return text, np.arange(len(text)) - start[text]
