"""LogME: the fixed point finds the same maximum as a search over the plain density."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from lingraft.training.rank.logme import contrasts, logme, maximal_evidence

Array = NDArray[np.float64]


def _density(features: Array, target: Array, alpha: float, beta: float) -> float:
    """Log density of the target with the weights integrated out, by definition."""
    cover = np.eye(len(target)) / beta + features @ features.T / alpha
    return float(multivariate_normal(np.zeros(len(target)), cover).logpdf(target))


def _search(features: Array, target: Array) -> float:
    """The greatest density over alpha and beta, from several starts."""
    found: list[float] = [
        minimize(
            lambda logs: -_density(features, target, *np.exp(logs)),
            start,
            method="Nelder-Mead",
            options={"xatol": 1e-7, "fatol": 1e-9, "maxiter": 2000},
        ).fun
        for start in ([0.0, 0.0], [3.0, 1.0], [-2.0, 2.0])
    ]
    return -min(found)


@pytest.fixture
def features() -> Array:
    """30 examples in 6 dimensions of different spread."""
    return np.random.default_rng(3).normal(size=(30, 6)) * [3, 2, 1, 1, 0.5, 0.1]


def _planted(features: Array, noise: float) -> Array:
    random = np.random.default_rng(4)
    weights = random.normal(size=features.shape[1])
    return np.asarray(features @ weights + noise * random.normal(size=len(features)))


@pytest.mark.parametrize("noise", [0.3, 1.0, 3.0])
def test_evidence_is_the_maximum_that_a_search_finds(features: Array, noise: float) -> None:
    """From clean to noisy targets."""
    target = _planted(features, noise)
    found = maximal_evidence(features, target)
    assert found.log_evidence == pytest.approx(_search(features, target), abs=1e-5)
    # And it is the density at the precisions that it names.
    density = _density(features, target, found.alpha, found.beta)
    assert found.log_evidence == pytest.approx(density, abs=1e-8)


def test_more_dimensions_than_examples_have_a_maximum_too() -> None:
    """The usual case of a small child: the search agrees here as well."""
    features = np.random.default_rng(5).normal(size=(12, 20))
    target = _planted(features, 2.0)
    found = maximal_evidence(features, target)
    assert found.log_evidence == pytest.approx(_search(features, target), abs=1e-4)
    centred = logme(contrasts(features), contrasts(target[:, None]))
    assert np.isfinite(centred)


def test_informative_features_are_preferred_to_random_ones(features: Array) -> None:
    """Although there are ten times as many random ones, whose best line fits better."""
    target = _planted(features, 0.5)[:, None]
    noise = np.random.default_rng(6).normal(size=(30, 60))
    assert logme(features, target) > logme(noise, target) + 0.5


def test_it_does_not_depend_on_the_scale_of_features(features: Array) -> None:
    """Alpha takes it up: parents of large and small activations compare."""
    target = _planted(features, 1.0)[:, None]
    assert logme(features * 1000, target) == pytest.approx(logme(features, target), abs=1e-7)


def test_several_targets_give_the_mean_of_each(features: Array) -> None:
    """In nats per example; a target that never varies is left out."""
    targets = np.stack([_planted(features, 0.3), _planted(features, 3.0)[::-1], np.ones(30)], 1)
    each = [maximal_evidence(features, targets[:, i]).log_evidence / 30 for i in (0, 1)]
    assert logme(features, targets) == pytest.approx(sum(each) / 2)


def test_features_without_any_use_fall_back_to_noise_alone() -> None:
    """Zeros explain nothing: what remains is the density of independent noise."""
    target = np.random.default_rng(7).normal(size=25)
    variance = float(target @ target) / 25
    expected = -25 / 2 * (np.log(2 * np.pi * variance) + 1)
    assert maximal_evidence(np.zeros((25, 3)), target).log_evidence == pytest.approx(expected)


def test_contrasts_keep_all_but_the_mean(features: Array) -> None:
    """One row less, products of centred columns unchanged, a shift forgotten."""
    kept = contrasts(features)
    centred = features - features.mean(axis=0)
    assert kept.shape == (29, 6)
    assert kept.T @ kept == pytest.approx(centred.T @ centred)
    assert contrasts(features + 7) == pytest.approx(kept)


@pytest.mark.parametrize("spoilt", [np.nan, np.inf])
def test_figures_that_are_no_numbers_are_refused(features: Array, spoilt: float) -> None:
    """A parent that overflows must not get a score."""
    features[3, 2] = spoilt
    with pytest.raises(ValueError, match="finite"):
        logme(features, np.arange(30.0)[:, None])


def test_targets_that_never_vary_are_refused(features: Array) -> None:
    """Every parent would explain them."""
    with pytest.raises(ValueError, match="varies"):
        logme(features, np.ones((30, 2)))
