"""Figures of calibration, worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lingraft.training.calibrate.reliability import of_labels, of_outcomes, selective


def test_the_figures_of_outcomes_are_those_worked_out_by_hand() -> None:
    """Two bins of equal width: 0.2, 0.4 of which one happened; 0.6, 1.0 of which both did."""
    found = of_outcomes(np.array([0.2, 0.4, 0.6, 1.0]), np.array([0, 1, 1, 1]), bins=2, seed=0)
    assert found.ece == pytest.approx((2 * abs(0.3 - 0.5) + 2 * abs(0.8 - 1.0)) / 4)
    assert found.brier == pytest.approx((0.04 + 0.36 + 0.16 + 0.0) / 4)
    assert found.nll == pytest.approx(-(math.log(0.8) + math.log(0.4) + math.log(0.6)) / 4)
    assert [(each.low, each.size, each.outcome) for each in found.bins] == [
        (0.0, 2, 0.5),
        (0.5, 2, 1.0),
    ]


def test_bins_of_equal_mass_hold_equally_many() -> None:
    """Three sure ones and one unsure one: by width all are in one bin, by mass they are in two."""
    found = of_outcomes(np.array([0.91, 0.92, 0.93, 0.94]), np.array([0, 0, 1, 1]), bins=2, seed=0)
    assert found.ece == pytest.approx(abs(0.925 - 0.5))
    assert found.ece_equal_mass == pytest.approx((2 * 0.915 + 2 * (1 - 0.935)) / 4)


def test_labels_are_judged_by_the_most_probable_one() -> None:
    """Confidence is its probability; the Brier score is over all labels."""
    probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
    found = of_labels(probabilities, np.array([0, 1]), bins=2, seed=0)
    assert found.ece == pytest.approx(abs(0.65 - 0.5))
    brier = (0.09 + 0.04 + 0.01) + (0.01 + 0.49 + 0.36)
    assert found.brier == pytest.approx(brier / 2)
    assert found.nll == pytest.approx(-(math.log(0.7) + math.log(0.3)) / 2)


def test_chance_makes_an_error_that_is_told() -> None:
    """Outcomes drawn from the probabilities: the error is above zero, and below what chance makes.

    With a hundred times the examples chance makes less of it.
    """
    random = np.random.default_rng(1)
    chances = random.random(200)
    few = of_outcomes(chances, (random.random(200) < chances).astype(int), bins=15, seed=0)
    assert 0.02 < few.ece < few.ece_by_chance
    chances = random.random(20_000)
    many = of_outcomes(chances, (random.random(20_000) < chances).astype(int), bins=15, seed=0)
    assert many.ece_by_chance < few.ece_by_chance / 5
    wrong = of_outcomes(chances, (random.random(20_000) < chances**2).astype(int), bins=15, seed=0)
    assert wrong.ece > 5 * wrong.ece_by_chance


def test_abstaining_buys_accuracy_where_confidence_means_something() -> None:
    """Twenty texts, surest first: the ten surest are right, five of the others."""
    confidence = np.linspace(0.99, 0.6, 20)
    probabilities = np.stack([confidence, 1 - confidence], axis=1)[::-1]
    labels = np.array([0] * 10 + [0, 1] * 5)[::-1]
    found = selective(probabilities, labels)
    assert [(each.share, each.accuracy) for each in (found[0], found[-1])] == [
        (1.0, 0.75),
        (0.5, 1.0),
    ]
    assert found[0].least == pytest.approx(0.6)
    assert found[-1].least == pytest.approx(confidence[9])
