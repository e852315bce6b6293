"""Code points as few symbols: known letters in lower case, and everything else by its kind.

A letter that no training text has is one and the same symbol, whatever it is: text in a script that
nobody taught then looks like no language, rather than like an accident of hashing.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

# 0 is no symbol: what stands beyond a text. Signs and stops are apart from the rest, since they
# tell a program from the words in it.
OTHER, DIGIT, STRANGE, SIGN, STOP = 1, 2, 3, 4, 5
_FIRST = 6
_KINDS = {**dict.fromkeys("_=()[]{}<>/\\|&*+#@$%^~", SIGN), **dict.fromkeys(".,:;!?", STOP)}
_PLANE = 1 << 16  # code points beyond it count as its last, which is no character
_LEAST_SHARE, _LEAST_COUNT = 2e-5, 5  # rarer letters of a language are other languages' names

Symbols = NDArray[np.int64]


@dataclass(frozen=True)
class Alphabet:
    """letters: known ones in lower case, with combining marks; their order is their number."""

    letters: str

    @cached_property
    def table(self) -> NDArray[np.uint16]:
        """The symbol of every code point of the first plane, [65536]."""
        numbers = {letter: _FIRST + place for place, letter in enumerate(self.letters)}
        return np.array([_symbol(chr(code), numbers) for code in range(_PLANE)], dtype=np.uint16)

    def symbols(self, text: str) -> Symbols:
        """Symbols [characters + 2] of a text in NFC, OTHER before and after it."""
        codes = np.frombuffer(f" {text} ".encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        return self.table[np.minimum(codes, _PLANE - 1)].astype(np.int64)


def alphabet_of(texts: Mapping[str, Iterable[str]]) -> Alphabet:
    """The letters that occur often enough in some language's texts, which are in NFC."""
    letters: set[str] = set()
    for lines in texts.values():
        counts = Counter("".join(lines).lower())
        least = max(_LEAST_COUNT, counts.total() * _LEAST_SHARE)
        letters |= {
            each
            for each, n in counts.items()
            if n >= least and ord(each) < _PLANE and _spells(each)
        }
    return Alphabet("".join(sorted(letters)))


def _symbol(character: str, numbers: Mapping[str, int]) -> int:
    known = numbers.get(character.lower()[:1])
    if known is not None:
        return known
    if _spells(character):
        return STRANGE
    if unicodedata.category(character).startswith("N"):
        return DIGIT
    return _KINDS.get(character, OTHER)


def _spells(character: str) -> bool:
    return unicodedata.category(character)[0] in "LM"
