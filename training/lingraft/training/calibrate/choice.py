"""Figures on examples that nothing was fitted on, and the choice between methods by them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lingraft.training.calibrate.reliability import Floats, Ints

Predict = Callable[[Floats], Floats]  # inputs [N,F] to probabilities [N] or [N,C]
Fit = Callable[[Floats, Ints], Predict]  # inputs and classes [N] to what predicts


def folds_of(classes: Ints, count: int, seed: int) -> Ints:
    """A fold from 0 for each example, [N]; every class is spread evenly over all folds."""
    random = np.random.default_rng(seed)
    folds = np.empty(len(classes), dtype=np.int64)
    first = 0
    for each in np.unique(classes):
        members = random.permutation(np.flatnonzero(classes == each))
        folds[members] = (first + np.arange(len(members))) % count
        first += len(members)
    return folds


def held_out(fit: Fit, inputs: Floats, classes: Ints, folds: Ints) -> Floats:
    """What each example gets from a fit on the other folds."""
    parts = np.unique(folds)
    predicted = [
        fit(inputs[folds != part], classes[folds != part])(inputs[folds == part]) for part in parts
    ]
    result = np.empty((len(inputs), *predicted[0].shape[1:]), dtype=np.float64)
    for part, values in zip(parts, predicted, strict=True):
        result[folds == part] = values
    return result


def pays(losses: Floats, simpler: Floats) -> bool:
    """Whether the richer model's held-out losses are lower by more than chance makes them.

    The mean gain must be above its standard error; else the simpler model is taken (the rule of one
    standard error, Breiman et al. 1984, on paired losses).
    """
    gains = simpler - losses
    return bool(gains.mean() > gains.std(ddof=1) / np.sqrt(len(gains)))
