"""Cheap signs of a bad translation: pure functions, run on every answer.

A loop is one only beyond what the source itself repeats. Measured on odd texts by
`benchmarks.odd`; on good translations they are silent (docs/reports/odd-texts.md).
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Hashable, Sequence

_LONGEST_UNIT = 10  # pieces
_LEAST_TIMES = 4
_LEAST_PIECES = 8

_LONGEST_PHRASE = 12  # words
_PHRASE_TIMES = 3
# A letter six times in a row; and, inside a word, a string of 2 to 20 characters. With a bounded
# count a line of one letter does not take quadratic time; short words are not looked into twice.
_ONE_LETTER = re.compile(r"([^\W\d_])\1{5}")
_STUTTER = re.compile(r"(?=(.{2,20}?)\1{5})", re.DOTALL)
_SHORTEST_STUTTER = 12

# A text of so many words, fewer than half of whose neighbours are new, goes round in a circle even
# if no two turns are alike.
_ROUND_WORDS = 16
_NEW_PAIRS = 0.5
_FEWER_THAN_SOURCE = 0.2

_COPIED = 0.8
_COPY_WORDS = 3
_OF_ADDRESSES = ("://", "www.", "@")


def is_circle(ids: Sequence[int], source: Sequence[int]) -> bool:
    """Whether the output's pieces run in a circle and the source's do not.

    A circle is a unit of 1 to 10 pieces, four or more times in a row, eight or more pieces long.
    """
    return _circles(ids) and not _circles(source)


def _circles(ids: Sequence[int]) -> bool:
    if _commonest(ids) < _LEAST_TIMES:
        return False  # nearly always
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


def is_loop(source: str, output: str) -> bool:
    """Whether the output is stuck in a phrase, in a string of characters, or in a few words.

    A phrase of 1 to 12 words three times in a row; in a word a string of up to 20 characters with a
    letter six times; or 16 words of whose pairs of neighbours less than half are new.
    """
    said, given = output.casefold().split(), source.casefold().split()
    times = _most_times(said)
    if times >= _PHRASE_TIMES and times > _most_times(given):
        return True
    if _stutters(said) and not _stutters(given):
        return True
    if len(said) < _ROUND_WORDS:
        return False
    new = _new_pairs(said)
    return new < _NEW_PAIRS and new < _new_pairs(given) - _FEWER_THAN_SOURCE


def _most_times(words: Sequence[str]) -> int:
    """How often the most repeated phrase of 1 to 12 words stands in a row; 1 if not thrice."""
    most = 1
    if not _keeps_time(words):
        return most  # nearly always
    for size in range(1, min(_LONGEST_PHRASE, len(words) // 2) + 1):
        run = 0
        for earlier, later in zip(words, words[size:], strict=False):
            run = run + 1 if earlier == later else 0
            most = max(most, run // size + 1)
    return most


def _keeps_time(words: Sequence[str]) -> bool:
    """Whether a word stands three times at equal distances, of no more than the longest phrase."""
    if _commonest(words) < _PHRASE_TIMES:
        return False
    return any(
        first == second == third
        for size in range(1, _LONGEST_PHRASE + 1)
        for first, second, third in zip(words, words[size:], words[2 * size :], strict=False)
    )


def _commonest(parts: Sequence[Hashable]) -> int:
    """How often the commonest of them is there."""
    return max(Counter(parts).values(), default=0)


def _stutters(words: Sequence[str]) -> bool:
    if any(_ONE_LETTER.search(word) for word in words):
        return True
    return any(
        any(map(str.isalpha, found[1]))
        for word in words
        if len(word) >= _SHORTEST_STUTTER
        for found in _STUTTER.finditer(word)
    )


def _new_pairs(words: Sequence[str]) -> float:
    """Share of neighbours that did not stand together before."""
    pairs = list(itertools.pairwise(words))
    return len(set(pairs)) / len(pairs) if pairs else 1.0


def is_copy(source: str, output: str) -> bool:
    """Whether the output is the source again, or nearly so, but for case and white space.

    Nearly: at least four of five of its words, where it has three or more, are words of the source.
    Text without letters ("3.14"), single words (names) and addresses may well stay as they are.
    """
    said, given = _lettered(output), _lettered(source)
    if len(said) < _COPY_WORDS:
        return len(said) > 1 and said == given
    return (Counter(said) & Counter(given)).total() >= _COPIED * len(said)


def _lettered(text: str) -> list[str]:
    """Words with a letter, addresses left out."""
    text = text.casefold()
    words = [word for word in text.split() if any(map(str.isalpha, word))]
    signs = [sign for sign in _OF_ADDRESSES if sign in text]  # nearly always none
    return [word for word in words if not any(sign in word for sign in signs)] if signs else words


def is_wordless(source: str, output: str) -> bool:
    """Whether the output has neither letter nor digit though the source has; or no letter, though
    the source has, and no digit that is not the source's: of "3. bread" no more than "3."."""
    if any(map(str.isalpha, output)) or not any(map(str.isalnum, source)):
        return False
    digits = Counter(filter(str.isalnum, output)) - Counter(filter(str.isalnum, source))
    lettered = any(map(str.isalpha, source))
    return not digits if lettered else not any(map(str.isalnum, output))
