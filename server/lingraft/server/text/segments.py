"""A text as sentences that a model can read, and their translations as a text again.

Nothing of the text is lost: white space between sentences is kept letter for letter, and a sentence
that is too long for the model is cut, never shortened.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from lingraft.server.text.sentences import split_sentences, trim

Encode = Callable[[str], list[int]]

_AFTER_CLAUSE = re.compile(r"[,;:،؛、，；：](?=\s)|\s[-–—](?=\s)|(?<=[.!?…؟۔])(?=\s)")
_AFTER_SPACE = re.compile(r"\s+")


@dataclass(frozen=True)
class Span:
    """Half-open range of code points of a text."""

    begin: int
    end: int


@dataclass(frozen=True)
class Sentence:
    """Where a sentence stands in the source, and the pieces of it, without tag and end."""

    span: Span
    pieces: tuple[int, ...]


@dataclass(frozen=True)
class Assembled:
    """A translated text, and where the translation of each sentence stands in it."""

    text: str
    spans: tuple[Span, ...]


def segment(text: str, encode: Encode, max_pieces: int) -> list[Sentence]:
    """The sentences of `text`, each of at most `max_pieces` pieces (a single letter may have more).

    A longer sentence is cut in halves at a clause mark, else at white space, else between letters,
    until the parts fit.
    """
    sentences: list[Sentence] = []
    for begin, end in split_sentences(text):
        sentences += _fit(text, begin, end, encode, max_pieces)
    return sentences


def assemble(text: str, sentences: Sequence[Sentence], outputs: Sequence[str]) -> Assembled:
    """The translations in place of the sentences of `text`; all between them stays as it is."""
    parts: list[str] = []
    spans = []
    done = length = 0
    for sentence, output in zip(sentences, outputs, strict=True):
        gap = text[done : sentence.span.begin]
        begin = length + len(gap)
        length = begin + len(output)
        parts += [gap, output]
        spans.append(Span(begin, length))
        done = sentence.span.end
    parts.append(text[done:])
    return Assembled("".join(parts), tuple(spans))


def _fit(text: str, begin: int, end: int, encode: Encode, max_pieces: int) -> Iterator[Sentence]:
    pieces = encode(text[begin:end])
    if len(pieces) <= max_pieces or end - begin < 2:
        yield Sentence(Span(begin, end), tuple(pieces))
        return
    cut = begin + _cut(text[begin:end])
    for half in (trim(text, begin, cut), trim(text, cut, end)):
        if half[0] < half[1]:
            yield from _fit(text, *half, encode, max_pieces)


def _cut(sentence: str) -> int:
    """The best place to cut, in the middle half, so that cutting ends soon. 0 < place < length."""
    middle = len(sentence) / 2
    for pattern in (_AFTER_CLAUSE, _AFTER_SPACE):
        places = [each.end() for each in pattern.finditer(sentence)]
        central = [place for place in places if abs(place - middle) <= middle / 2]
        if central:
            return min(central, key=lambda place: abs(place - middle))
    return _between_letters(sentence)


def _between_letters(sentence: str) -> int:
    """The middle, or the next place after it that does not part a letter from its accents."""
    place = len(sentence) // 2
    for later in range(place, len(sentence)):
        if not unicodedata.combining(sentence[later]):
            return later
    return place
