"""How well a parent's vocabulary spells the child's text."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lingraft.training.data.corpora import spread
from lingraft.training.rank.child import ENGLISH, Child
from lingraft.training.vocabulary.codec import UNK, Codec
from lingraft.training.vocabulary.normalise import normalise

# Punctuation and symbols: "house," is the word "house", with a piece of its own for the comma.
_NO_WORD = ("P", "S")


@dataclass(frozen=True)
class Coverage:
    """How a vocabulary spells a text. Words are what stands between spaces.

    known: share of pieces that are neither unknown nor bytes, 0 to 1.
    whole_words: share of words, stripped of punctuation, that are one piece, 0 to 1.
    fertility: pieces per word, punctuation included.
    english_fertility: the same for English text; None where the child's data has none.
    """

    known: float
    whole_words: float
    fertility: float
    english_fertility: float | None
    words: int


def coverage_of(codec: Codec, child: Child, sentences: int) -> Coverage:
    """Coverage of the child's own languages, on at most `sentences` of each, evenly spread."""
    texts = {code: _some(child.texts[code], sentences) for code in child.texts}
    own = {code: texts[code] for code in child.languages}
    english = {ENGLISH: texts[ENGLISH]} if ENGLISH in texts else {}
    return measure(codec, own, english)


def measure(
    codec: Codec, own: Mapping[str, Sequence[str]], english: Mapping[str, Sequence[str]]
) -> Coverage:
    """Coverage of sentences by language, held against English where there is some."""
    pieces = known = whole = words = bare = 0
    for language, sentences in own.items():
        for word, count in _words(sentences, language).items():
            ids = codec.encode_target(word, language)[:-1]
            pieces += count * len(ids)
            known += count * sum(not _is_fallback(codec, index) for index in ids)
            words += count
            if inner := _stripped(word):
                bare += count
                whole += count * _is_one_piece(codec, inner, language)
    return Coverage(
        known=known / max(pieces, 1),
        whole_words=whole / max(bare, 1),
        fertility=pieces / max(words, 1),
        english_fertility=_fertility(codec, english),
        words=words,
    )


def _some(texts: Sequence[str], limit: int) -> list[str]:
    return [texts[i] for i in spread(len(texts), limit)]


def _words(sentences: Iterable[str], language: str) -> Counter[str]:
    return Counter(word for text in sentences for word in normalise(text, language).split())


def _stripped(word: str) -> str:
    start, end = 0, len(word)
    while start < end and unicodedata.category(word[start])[0] in _NO_WORD:
        start += 1
    while end > start and unicodedata.category(word[end - 1])[0] in _NO_WORD:
        end -= 1
    return word[start:end]


def _is_one_piece(codec: Codec, word: str, language: str) -> bool:
    ids = codec.encode_target(word, language)[:-1]
    return len(ids) == 1 and not _is_fallback(codec, ids[0])


def _is_fallback(codec: Codec, index: int) -> bool:
    return index == UNK or bool(codec.spm.is_byte(index))


def _fertility(codec: Codec, texts: Mapping[str, Sequence[str]]) -> float | None:
    pieces = words = 0
    for language, sentences in texts.items():
        for word, count in _words(sentences, language).items():
            pieces += count * (len(codec.encode_target(word, language)) - 1)
            words += count
    return pieces / words if words else None
