"""P(acceptable) of a translation: logistic regression on what its decoding tells, or a constant.

N translations, F features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from lingraft.training.calibrate.features import Produced, feature_table
from lingraft.training.calibrate.reliability import Floats, Ints

CLIP = 4.0  # deviations from the mean, beyond which a feature says no more
_ITERATIONS = 1000
_FLAT = 1e-9  # a feature that varies by less says nothing


@dataclass(frozen=True)
class Acceptability:
    """P(acceptable), as CalibrationInfo defines it; `method` is "constant" or "logistic".

    `weights`, `means` and `deviations` are [F], in the order of `features`; a constant has none.
    """

    method: str
    intercept: float
    features: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    means: tuple[float, ...] = ()
    deviations: tuple[float, ...] = ()

    @property
    def parameters(self) -> tuple[float, ...]:
        """In the order of CalibrationInfo: the intercept, then three of each feature."""
        threes = zip(self.weights, self.means, self.deviations, strict=True)
        return (self.intercept, *(value for three in threes for value in three))

    def of_table(self, table: Floats) -> Floats:
        """P(acceptable) [N] of the features [N,F], in the order of `features`."""
        scaled = np.clip((table - np.array(self.means)) / np.array(self.deviations), -CLIP, CLIP)
        return np.asarray(expit(self.intercept + scaled @ np.array(self.weights)), dtype=np.float64)

    def of(self, produced: Sequence[Produced]) -> Floats:
        """P(acceptable) [N] of translations; NaN where a feature is not told."""
        return self.of_table(feature_table(produced, self.features))


def fit_constant(outcomes: Ints) -> Acceptability:
    """The share of acceptable translations, by Laplace's rule of succession never 0 or 1."""
    share = (outcomes.sum() + 1) / (len(outcomes) + 2)
    return Acceptability("constant", float(logit(share)))


def fit_logistic(table: Floats, outcomes: Ints, features: Sequence[str]) -> Acceptability:
    """Logistic regression on standardised features [N,F], with an L2 penalty of |weights|² / 2.

    Both outcomes must be there.
    """
    means, deviations = table.mean(axis=0), table.std(axis=0)
    deviations = np.where(deviations > _FLAT, deviations, 1.0)
    scaled = np.clip((table - means) / deviations, -CLIP, CLIP)
    found = LogisticRegression(C=1.0, max_iter=_ITERATIONS).fit(scaled, outcomes)
    return Acceptability(
        method="logistic",
        intercept=float(found.intercept_[0]),
        features=tuple(features),
        weights=tuple(found.coef_[0].tolist()),
        means=tuple(means.tolist()),
        deviations=tuple(deviations.tolist()),
    )


def telling(table: Floats) -> Ints:
    """Places of the features that every translation has and that are not the same for all."""
    told = ~np.isnan(table).any(axis=0)
    varies = np.zeros(table.shape[1], dtype=bool)
    varies[told] = table[:, told].std(axis=0) > _FLAT
    return np.flatnonzero(told & varies)
