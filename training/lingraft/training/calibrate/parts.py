"""How much each of several models counts when their logits are added up.

N examples, C labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from lingraft.training.calibrate.reliability import Floats, Ints

_MOST = 20.0
# Weights are pulled to 1 as by one example of this spread, so that a few examples decide little.
_SPREAD = 1.0


def fit_weights(parts: Sequence[NDArray[np.floating[Any]]], labels: Ints) -> tuple[float, ...]:
    """The weight, 0 to 20, of each part's logits [N,C] under which labels [N] are likeliest.

    A logarithmic opinion pool (Genest and Zidek 1986) whose weights need not sum to 1: one part may
    be too sure of itself. The likelihood is concave in the weights.
    """
    stacked = np.stack([np.asarray(part, dtype=np.float64) for part in parts])
    rows = np.arange(len(labels))

    def loss(weights: Floats) -> tuple[float, Floats]:
        logs = log_softmax(np.tensordot(weights, stacked, axes=1), axis=1)
        rest = np.exp(logs)
        rest[rows, labels] -= 1
        pull = (weights - 1) / _SPREAD**2
        value = 0.5 * float(((weights - 1) ** 2).sum()) / _SPREAD**2 - float(
            logs[rows, labels].sum()
        )
        return value, np.asarray((stacked * rest).sum(axis=(1, 2)) + pull)

    bounds = [(0.0, _MOST)] * len(parts)
    found = minimize(loss, np.ones(len(parts)), jac=True, bounds=bounds, method="L-BFGS-B")
    return tuple(float(weight) for weight in found.x)
