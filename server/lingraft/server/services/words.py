"""Pieces merged to words: how sure the model was of each, and which word of the source it is from.

Words end at white space. Positions are code points.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lingraft.server.services.served import Choice
from lingraft.server.text import Sentence, Span
from lingraft.v1 import common_pb2, translation_pb2

_WORD = re.compile(r"\S+")
_LEAST_SHARE = 0.25  # of a target word's attention, for a link beside the strongest


@dataclass(frozen=True)
class TargetWords:
    """The words of a decoded sentence, and the numbers of the pieces of each (never none)."""

    spans: tuple[Span, ...]
    pieces: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, ids: Sequence[int], decode: Callable[[Sequence[int]], str]) -> TargetWords:
        """What each piece adds to the text is seen by decoding one more at a time."""
        text = decode(ids)
        ends = [_agreement(text, decode(ids[:count])) for count in range(len(ids) + 1)]
        spans = _words(text)
        pieces: list[list[int]] = [[] for _ in spans]
        for number, (begin, end) in enumerate(pairwise(ends)):
            for word in _touched(spans, begin, end):
                pieces[word].append(number)
        kept = [place for place, numbers in enumerate(pieces) if numbers]
        return cls(
            tuple(spans[place] for place in kept), tuple(tuple(pieces[place]) for place in kept)
        )


def word_scores(
    words: TargetWords, logprobs: Sequence[float], offset: int
) -> Iterator[translation_pb2.WordScore]:
    """The score of each word; `offset` is where the sentence begins in the text."""
    for span, pieces in zip(words.spans, words.pieces, strict=True):
        mean = sum(logprobs[piece] for piece in pieces) / len(pieces)
        yield translation_pb2.WordScore(target_span=_moved(span, offset), mean_logprob=mean)


def links(
    choice: Choice,
    text: str,
    sentence: Sentence,
    words: TargetWords,
    alignment: NDArray[np.float32],
    offset: int,
) -> Iterator[translation_pb2.AlignmentLink]:
    """The links of a sentence of `text`. `alignment` is [pieces,S] of all positions of the source.

    Attention to tag, prefix and end is left out: a word's shares of source words sum to 1.
    """
    front = alignment.shape[1] - 1 - len(sentence.pieces)
    shares = alignment[:, front:-1]
    spans, places = _source_words(choice, text, sentence)
    if not spans:
        return
    for target, pieces in zip(words.spans, words.pieces, strict=True):
        by_piece = shares[list(pieces)].sum(axis=0)
        weights = np.bincount(places, weights=by_piece, minlength=len(spans))
        if not weights.sum() > 0:
            continue
        weights = weights / weights.sum()
        for place in np.flatnonzero(weights >= min(_LEAST_SHARE, weights.max())):
            yield translation_pb2.AlignmentLink(
                source_span=_moved(spans[place], sentence.span.begin),
                target_span=_moved(target, offset),
                weight=min(1.0, weights[place]),
            )


def _source_words(choice: Choice, text: str, sentence: Sentence) -> tuple[list[Span], list[int]]:
    """The words of a source sentence, and the number of the word that each piece belongs to.

    A word's pieces end where those of the text up to its end do.
    """
    codec, language = choice.model.codec, choice.pair.source
    original = text[sentence.span.begin : sentence.span.end]
    spans = _words(original)
    ends = [len(codec.pieces(original[: span.end], language)) for span in spans]
    places = [
        next((word for word, end in enumerate(ends) if piece < end), len(spans) - 1)
        for piece in range(len(sentence.pieces))
    ]
    return spans, places


def _words(text: str) -> list[Span]:
    return [Span(*found.span()) for found in _WORD.finditer(text)]


def _touched(words: Sequence[Span], begin: int, end: int) -> list[int]:
    """Words that a piece has letters of; one without any belongs to the word that comes next."""
    touched = [place for place, word in enumerate(words) if word.begin < end and begin < word.end]
    if touched or not words:
        return touched
    following = (place for place, word in enumerate(words) if begin < word.end)
    return [next(following, len(words) - 1)]


def _agreement(text: str, other: str) -> int:
    """Letters at the beginning that are the same."""
    differing = (
        place for place, pair in enumerate(zip(text, other, strict=False)) if len({*pair}) > 1
    )
    return next(differing, min(len(text), len(other)))


def _moved(span: Span, offset: int) -> common_pb2.TextSpan:
    return common_pb2.TextSpan(begin=span.begin + offset, end=span.end + offset)
