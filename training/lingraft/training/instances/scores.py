"""Scores of parent sentences against a target sample: the higher, the more they are like it.

Both methods know nothing of the model and cost no gradient. They see words without case, marks,
digits and punctuation (`data.words`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from lingraft.training.data.words import Numbering, characters, words
from lingraft.training.errors import DataError
from lingraft.training.instances.importance import log_importance
from lingraft.training.instances.ngrams import LanguageModel, Stream, stream
from lingraft.training.recipe.instances import Selection

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_CHUNK = 50000  # sentences scored at a time, so that memory stays small
_CUT = {"word": words, "character": characters}


def score(
    texts: Sequence[str], sample: Sequence[str], rule: Selection, seed: int
) -> tuple[Floats, Floats]:
    """The score of each text [texts] by the rule's method, and the same per n-gram [texts].

    Raises:
        DataError: there is no text, or the sample has too few words to tell.
    """
    cut = _CUT[rule.unit]
    units, known = [cut(text) for text in texts], [cut(text) for text in sample]
    if not any(units) or not any(known):
        raise DataError("selection: the parent's text or the target sample has no words")
    if rule.method == "ngram-importance":
        return log_importance(units, known, rule.order or 2, rule.buckets)
    difference = cross_entropy_difference(units, known, rule.order or 3, seed)
    return difference, difference


def cross_entropy_difference(
    texts: Sequence[Sequence[str]], sample: Sequence[Sequence[str]], order: int, seed: int
) -> Floats:
    """How many nats a unit a model of the sample is better than one of the texts [texts].

    Moore & Lewis (2010), sign turned: the second model is learned from as many of the texts, drawn
    with `seed`, and both know only units that the sample has twice. A text is never scored by a
    model that has seen it: there are two draws, each for the texts of the other.

    Raises:
        DataError: no unit stands in the sample twice.
    """
    numbering = _twice(sample)

    def learn(some: Iterable[Sequence[str]]) -> LanguageModel:
        return LanguageModel(stream(list(some), numbering, order), numbering, order)

    inside = learn(sample)
    drawn = np.random.default_rng(seed).permutation(len(texts))
    # Of fewer than two texts there are no two draws.
    size = max(1, min(len(sample), len(texts) // 2))
    draws = drawn[:size], drawn[-size:]
    first, second = (learn(texts[i] for i in draw) for draw in draws)
    results = np.zeros(len(texts))
    own = np.zeros(len(texts), np.bool_)
    own[draws[0]] = True
    for outside, chosen in ((first, np.flatnonzero(~own)), (second, np.flatnonzero(own))):
        for start in range(0, len(chosen), _CHUNK):
            part = chosen[start : start + _CHUNK]
            here = stream([texts[i] for i in part], numbering, order)
            gain = inside.log_probabilities(here) - outside.log_probabilities(here)
            results[part] = _mean(gain, here)
    return results


def _twice(sample: Sequence[Sequence[str]]) -> Numbering:
    everything = Numbering(sample)
    numbers = np.array([n for text in sample for n in everything(text)], np.int64)
    often = np.flatnonzero(np.bincount(numbers, minlength=len(everything)) > 1)
    if not len(often):
        raise DataError("selection: no word stands in the target sample twice; give more of it")
    return Numbering([[everything.names[n - 1] for n in often]])


def _mean(values: Floats, of: Stream) -> Floats:
    return np.bincount(of.text, values, of.size) / np.bincount(of.text, of.scored, of.size)
