"""The language models: probabilities that sum to one and tell what was seen."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from lingraft.training.data.words import Numbering
from lingraft.training.instances.ngrams import LanguageModel, stream

TEXTS = [
    ["the", "cat", "sees", "the", "dog"],
    ["the", "dog", "sees", "the", "cat"],
    ["a", "cat", "sleeps"],
    ["the", "cat", "sleeps"],
]
NUMBERING = Numbering(TEXTS)


def _model(order: int) -> LanguageModel:
    return LanguageModel(stream(TEXTS, NUMBERING, order), NUMBERING, order)


def _last(model: LanguageModel, order: int, before: list[str], unit: str | None) -> float:
    """Probability of one unit, or of the end, after others."""
    here = stream([before if unit is None else [*before, unit]], NUMBERING, order)
    scores = model.log_probabilities(here)[here.scored]
    return math.exp(scores[-1] if unit is None else scores[-2])


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize(
    "before", [[], ["the"], ["the", "cat"], ["never", "seen"], ["sleeps", "the"]]
)
def test_probabilities_sum_to_one(order: int, before: list[str]) -> None:
    """Over all known units, the unknown one and the end, after anything."""
    model = _model(order)
    following = [*NUMBERING.names, "unknown", None]
    assert sum(_last(model, order, before, unit) for unit in following) == pytest.approx(1)


def test_every_probability_is_above_zero() -> None:
    """Unknown units and unseen orders too."""
    model = _model(3)
    here = stream([["zebra", "a", "a", "dog"]], NUMBERING, 3)
    assert np.isfinite(model.log_probabilities(here)).all()


def test_counts_of_endings_decide_what_is_backed_off_to() -> None:
    """Kneser-Ney's point: Francisco is frequent, and follows one word only."""
    texts = [["san", "francisco"]] * 6 + [[w, "glass"] for w in ("red", "old", "big")]
    numbering = Numbering(texts)
    model = LanguageModel(stream(texts, numbering, 2), numbering, 2)

    def after_unseen(unit: str) -> float:
        here = stream([["glass", unit]], numbering, 2)
        return float(model.log_probabilities(here)[here.scored][1])

    assert after_unseen("glass") > after_unseen("francisco")


def test_interpolated_kneser_ney_by_hand() -> None:
    """One bigram of a corpus small enough to count on paper."""
    texts = [["a", "b"], ["a", "b"], ["a", "c"]]
    numbering = Numbering(texts)
    model = LanguageModel(stream(texts, numbering, 2), numbering, 2)
    here = stream([["a", "b"]], numbering, 2)
    # Bigrams: start a 3, a b 2, a c 1, b end 2, c end 1: n1 = 2, n2 = 2, so D = 2 / 6.
    # Endings: a 1, b 1, c 1, end 2 of 5 kinds: n1 = 3, n2 = 1, so D1 = 3 / 5; 5 units may follow.
    d, d1 = 2 / 6, 3 / 5
    unigram = (1 - d1) / 5 + d1 * 4 / 5 * (1 / 5)
    expected = (2 - d) / 3 + d * 2 / 3 * unigram
    assert model.log_probabilities(here)[here.scored][1] == pytest.approx(math.log(expected))


def test_text_like_the_training_text_is_more_likely() -> None:
    """Per unit, than the same words shuffled."""
    draw = random.Random(3)
    shuffled = [draw.sample(text, len(text)) for text in TEXTS]
    model = _model(3)
    mine, other = (
        model.log_probabilities(stream(texts, NUMBERING, 3)).sum() for texts in (TEXTS, shuffled)
    )
    assert mine > other
