"""Least squares on what counts in texts, by conjugate gradients.

N texts, C labels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lingraft.training.experiment.tallies import Csr, rarity

_STEPS = 25  # of conjugate gradients: stopping early holds back as the penalty does

Floats = NDArray[np.float32]


def ridge(tallies: Csr, targets: Floats, shares: Floats, penalty: float) -> Floats:
    """Rows [buckets, C] whose sums over texts [N, buckets] come near their targets [N, C].

    Ridge regression (Hoerl & Kennard 1970) of counts times their inverse document frequency, each
    text weighed by its share, by conjugate gradients (Hestenes & Stiefel 1952). Deterministic.
    """
    scale = rarity(tallies).astype(np.float32)
    roots = np.sqrt(shares)
    weighed = tallies.copy()
    weighed.data *= scale[weighed.indices] * np.repeat(roots, np.diff(weighed.indptr))
    turned = weighed.T.tocsr()
    residual = turned @ (targets * roots[:, None])
    found, direction = np.zeros_like(residual), residual.copy()
    size = (residual**2).sum(axis=0)
    for _ in range(_STEPS):
        moved = turned @ (weighed @ direction) + np.float32(penalty) * direction
        step = size / np.maximum((direction * moved).sum(axis=0), np.float32(1e-12))
        found += step * direction
        residual -= step * moved
        before, size = size, (residual**2).sum(axis=0)
        direction = residual + (size / np.maximum(before, np.float32(1e-12))) * direction
    return np.asarray(found * scale[:, None])


def classes(tallies: Csr, labels: Sequence[int], count: int, penalty: float) -> Floats:
    """Rows [buckets, C] that come near 1 for a text's label and below 0 for the others.

    Labels count alike, however many texts each has.
    """
    truth = np.asarray(labels)
    targets = np.full((len(truth), count), -1 / (count - 1), np.float32)
    targets[np.arange(len(truth)), truth] = 1
    often = np.bincount(truth, minlength=count)
    shares = (len(truth) / (count * np.maximum(often, 1)))[truth].astype(np.float32)
    return ridge(tallies.astype(np.float32), targets, shares, penalty)
