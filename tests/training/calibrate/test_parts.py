"""How much each of several models counts when their logits are added up."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from lingraft.training.calibrate.parts import fit_weights

CLASSES = 3


def _examples(count: int, seed: int = 1) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Logits whose softmax is right: labels are drawn from it."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (count, CLASSES))
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = [random.choice(CLASSES, p=row) for row in chances]
    return logits, np.array(labels, dtype=np.int64)


def test_parts_that_make_up_the_truth_keep_their_weight() -> None:
    """What is right already stays as it is."""
    logits, labels = _examples(4000)
    share = np.random.default_rng(2).normal(0, 1, logits.shape)
    weights = fit_weights([logits - share, share], labels)
    assert weights == pytest.approx((1.0, 1.0), abs=0.1)


def test_a_part_that_is_too_sure_of_itself_counts_less() -> None:
    """By as much as it exaggerates."""
    logits, labels = _examples(4000)
    assert fit_weights([4 * logits], labels) == pytest.approx((0.25,), abs=0.03)
    assert fit_weights([logits / 3], labels) == pytest.approx((3.0,), abs=0.3)


def test_a_part_that_knows_nothing_is_left_out_and_never_turned_round() -> None:
    """No weight is below zero, however wrong a part is."""
    logits, labels = _examples(2000)
    noise = np.random.default_rng(3).normal(0, 3, logits.shape)
    kept, dropped = fit_weights([logits, noise], labels)
    assert kept == pytest.approx(1.0, abs=0.1)
    assert 0 <= dropped < 0.05
    assert fit_weights([-logits], labels) == (0.0,)


def test_few_examples_decide_little() -> None:
    """Of two examples that are right, nothing follows but a leaning."""
    logits = np.array([[3.0, 0, 0], [0, 3.0, 0]])
    (weight,) = fit_weights([logits], np.array([0, 1]))
    assert 1 < weight < 1.5
