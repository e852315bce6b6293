"""LogME (You et al. 2021, ICML): how well features explain targets, without any training.

Targets are a linear function of the features with a Gaussian prior on the weights (precision
alpha) and Gaussian noise (precision beta); the weights are integrated out, and what remains, the
evidence, is maximised over alpha and beta. Unlike the fit of one best line, evidence does not grow
just because there are more features.

The fixed point is iterated on the singular values of the features (You et al. 2022, JMLR), where
one step costs as much as there are features. All in float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_STEPS = 1000
_PRECISION = 1e-10  # relative change of alpha / beta at which the iteration has arrived
_EXTREME = 1e12  # alpha / beta at most and at least, over and under the squared singular values

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Evidence:
    """The maximum over alpha and beta of the log evidence of one target, in nats."""

    log_evidence: float
    alpha: float
    beta: float


def logme(features: Array, targets: Array) -> float:
    """Mean over targets of the maximal log evidence, in nats per example.

    Args:
        features: [examples, dimensions]; `contrasts` of them for a model with an intercept.
        targets: [examples, targets], each column explained by itself. Columns without variance
            are left out: any features explain them.

    Raises:
        ValueError: no target varies, or a figure is not finite.
    """
    features, targets = (np.asarray(part, dtype=np.float64) for part in (features, targets))
    targets = targets[:, np.ptp(targets, axis=0) > 0]
    if not targets.size or not (np.isfinite(features).all() and np.isfinite(targets).all()):
        raise ValueError("LogME needs finite features and a target that varies")
    left, singular, _ = np.linalg.svd(features, full_matrices=False)
    values = [_maximal(left, singular**2, column).log_evidence for column in targets.T]
    return float(np.mean(values)) / len(features)


def contrasts(table: Array) -> Array:
    """[examples - 1, columns]: all of `table` [examples, columns] but its mean.

    An orthonormal change of the examples' axes after which the mean is one row of its own, which is
    dropped. Subtracting the mean would leave as many rows and one direction less: with as many
    features as examples the evidence of that has no maximum.
    """
    table = np.asarray(table, np.float64)
    mirror = np.full(
        len(table), len(table) ** -0.5
    )  # Householder's, from the mean to the first axis
    mirror[0] += 1
    turned: Array = table - np.outer(mirror, mirror @ table) * (2 / (mirror @ mirror))
    return turned[1:]


def maximal_evidence(features: Array, target: Array) -> Evidence:
    """The evidence of one target [examples] given features [examples, dimensions]."""
    left, singular, _ = np.linalg.svd(np.asarray(features, np.float64), full_matrices=False)
    return _maximal(left, singular**2, np.asarray(target, np.float64))


def _maximal(left: Array, squared: Array, target: Array) -> Evidence:
    """Iterate t = alpha / beta to its fixed point.

    gamma, the number of directions that the data determines, gives the next precisions:
    alpha = gamma / |m|^2 and beta = (n - gamma) / |y - F m|^2, m being the mean of the weights.
    """
    scale = float(squared.max()) or 1.0
    low, high = scale / _EXTREME, scale * _EXTREME
    explained = (left.T @ target) ** 2
    unexplained = max(float(target @ target - explained.sum()), 0.0)
    ratio = scale
    for _ in range(_STEPS):
        alpha, beta = _precisions(ratio, squared, explained, unexplained, len(target))
        before, ratio = ratio, float(np.clip(alpha / beta, low, high))
        if abs(ratio - before) <= _PRECISION * before:
            break
    return _evidence(ratio, squared, explained, unexplained, len(target))


def _precisions(
    ratio: float, squared: Array, explained: Array, unexplained: float, examples: int
) -> tuple[float, float]:
    tiny = np.finfo(np.float64).tiny
    gamma = float((squared / (ratio + squared)).sum())
    weights = float((squared * explained / (ratio + squared) ** 2).sum())
    residual = float((explained * (ratio / (ratio + squared)) ** 2).sum()) + unexplained
    return gamma / max(weights, tiny), max(examples - gamma, tiny) / max(residual, tiny)


def _evidence(
    ratio: float, squared: Array, explained: Array, unexplained: float, examples: int
) -> Evidence:
    """Log evidence at `ratio`, and at the beta that is best given it."""
    # |y - F m|^2 + ratio |m|^2 together: what beta multiplies in the exponent.
    misfit = float((explained * ratio / (ratio + squared)).sum()) + unexplained
    beta = examples / max(misfit, np.finfo(np.float64).tiny)
    value = examples / 2 * (np.log(beta) - np.log(2 * np.pi) - 1)
    value -= np.log1p(squared / ratio).sum() / 2
    return Evidence(float(value), ratio * beta, beta)
