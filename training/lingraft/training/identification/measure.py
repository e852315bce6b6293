"""How often the language is named rightly, by language and by length, and "und" where it must."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from lingraft.training.calibrate.reliability import Reliability, of_labels
from lingraft.training.gate.significance import Interval, score_interval
from lingraft.training.identification.model import Identifier
from lingraft.training.identification.texts import UNDETERMINED, Lines

_RESAMPLES, _BINS = 1000, 15
_FEW = (1, 3, 8)  # words that are left of a text, to see what shortness costs


@dataclass(frozen=True)
class Share:
    """How often a test set's texts were answered rightly.

    accuracy: 0 to 1, with its interval.
    mistaken: what the others were taken for, by how often.
    """

    test_set: str
    language: str
    accuracy: Interval
    size: int
    mistaken: Mapping[str, int]


@dataclass(frozen=True)
class Identification:
    """What an identifier does on test text.

    shares: of every set and language, strangers (language "und") after the known.
    languages, strangers: means over the sets, each as heavy as the next.
    by_length: accuracy of known texts cut to so many words, over all of them.
    """

    shares: Sequence[Share]
    languages: float
    strangers: float | None
    by_length: Mapping[int, float]
    reliability: Reliability


def measure(
    found: Identifier, known: Lines, strange: Mapping[str, Sequence[str]], seed: int
) -> Identification:
    """Accuracies of test lines by language and source, and of lines in none of them."""
    sets = [(name, code, texts) for code, of in known.items() for name, texts in of.items()]
    shares = [_share(found, *each, seed) for each in sets]
    others = [_share(found, name, UNDETERMINED, texts, seed) for name, texts in strange.items()]
    texts = [text for _, _, lines in sets for text in lines]
    truth = _places(found, [code for _, code, lines in sets for _ in lines])
    return Identification(
        shares=[*shares, *others],
        languages=_mean(shares),
        strangers=_mean(others) if others else None,
        by_length={words: _cut_to(found, texts, truth, words) for words in _FEW},
        reliability=of_labels(_probabilities(found, texts), truth, _BINS, seed),
    )


def _share(found: Identifier, name: str, code: str, texts: Sequence[str], seed: int) -> Share:
    guesses = found.logits(texts).argmax(axis=1)
    right = guesses == found.labels.index(code)
    counted = np.stack([right, np.ones_like(right)], axis=1).astype(np.int64)
    accuracy = score_interval(counted, _ratio, _RESAMPLES, seed)
    wrong, times = np.unique(guesses[~right], return_counts=True)
    mistaken = {found.labels[w]: int(n) for w, n in zip(wrong, times, strict=True)}
    ordered = dict(sorted(mistaken.items(), key=lambda item: -item[1]))
    return Share(name, code, accuracy, len(texts), ordered)


def _ratio(sums: NDArray[np.int64]) -> NDArray[np.float64]:
    return sums[:, 0] / sums[:, 1]


def _mean(shares: Sequence[Share]) -> float:
    return float(np.mean([share.accuracy.value for share in shares]))


def _cut_to(found: Identifier, texts: Sequence[str], truth: NDArray[np.int64], words: int) -> float:
    some = [" ".join(text.split()[:words]) for text in texts]
    return float(np.mean(found.logits(some).argmax(axis=1) == truth))


def _probabilities(found: Identifier, texts: Sequence[str]) -> NDArray[np.float64]:
    return np.asarray(softmax(found.logits(texts).astype(np.float64), axis=1))


def _places(found: Identifier, codes: Sequence[str]) -> NDArray[np.int64]:
    numbers = {code: place for place, code in enumerate(found.labels)}
    return np.array([numbers[code] for code in codes], dtype=np.int64)
