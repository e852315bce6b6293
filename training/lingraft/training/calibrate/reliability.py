"""How far probabilities are from what happened: calibration error, Brier score, log-likelihood.

N examples, C labels, K bins.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_RESAMPLES = 200
_SHARES = (1.0, 0.95, 0.9, 0.8, 0.5)  # of texts that are answered
_CHANCE = 95  # percentile
_LEAST = 1e-12  # a probability of 0 for what happened would be an infinite loss


@dataclass(frozen=True)
class Bin:
    """Examples whose probability is in [low, high): their mean probability and what happened."""

    low: float
    high: float
    size: int
    confidence: float
    outcome: float


@dataclass(frozen=True)
class Reliability:
    """Figures of one set of probabilities.

    Attributes:
        size: number of examples.
        ece: expected calibration error, 0 to 1, of bins of equal width (Guo et al. 2017).
        ece_equal_mass: the same of bins that hold equally many examples (Nguyen and O'Connor 2015).
        ece_by_chance: 95th percentile of `ece` when outcomes are drawn from the probabilities
            themselves (consistency resampling, Bröcker and Smith 2007). An `ece` below it is no
            evidence that they are wrong.
        brier: mean squared distance from the outcome (Brier 1950): over all labels, 0 to 2; of one
            outcome, 0 to 1.
        nll: mean negative log-likelihood, in nats.
        bins: those of `ece` that hold anything, for the plot.
    """

    size: int
    ece: float
    ece_equal_mass: float
    ece_by_chance: float
    brier: float
    nll: float
    bins: tuple[Bin, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a report."""
        return asdict(self)


@dataclass(frozen=True)
class Answered:
    """The surest `share` of texts, all with a confidence of `least` or more: how many are right."""

    share: float
    least: float
    accuracy: float


def selective(probabilities: Floats, labels: Ints) -> tuple[Answered, ...]:
    """What abstaining would buy: accuracy of the surest texts (El-Yaniv and Wiener 2010).

    Args:
        probabilities: [N,C].
        labels: [N].
    """
    confidence = probabilities.max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    right = (probabilities.argmax(axis=1) == labels)[order]
    counts = [(share, max(1, int(share * len(labels)))) for share in _SHARES]
    return tuple(
        Answered(share, float(confidence[order[count - 1]]), float(right[:count].mean()))
        for share, count in counts
    )


def label_losses(probabilities: Floats, labels: Ints) -> Floats:
    """Negative log-likelihood of each label, [N], in nats; probabilities [N,C]."""
    taken = probabilities[np.arange(len(labels)), labels]
    return np.asarray(-np.log(np.maximum(taken, _LEAST)), dtype=np.float64)


def outcome_losses(chances: Floats, outcomes: Ints) -> Floats:
    """Negative log-likelihood of each outcome (0 or 1), [N], in nats."""
    return label_losses(np.stack([1 - chances, chances], axis=1), outcomes)


def of_labels(probabilities: Floats, labels: Ints, bins: int, seed: int) -> Reliability:
    """Of the most probable label; Brier score and likelihood over all labels."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    truth = np.eye(probabilities.shape[1])[labels]
    brier = float(((probabilities - truth) ** 2).sum(axis=1).mean())
    nll = float(label_losses(probabilities, labels).mean())
    return _reliability(confidence, right.astype(np.float64), brier, nll, bins, seed)


def of_outcomes(chances: Floats, outcomes: Ints, bins: int, seed: int) -> Reliability:
    """Of the probability that an outcome is 1."""
    brier = float(((chances - outcomes) ** 2).mean())
    nll = float(outcome_losses(chances, outcomes).mean())
    return _reliability(chances, outcomes.astype(np.float64), brier, nll, bins, seed)


def _reliability(
    confidence: Floats, outcome: Floats, brier: float, nll: float, bins: int, seed: int
) -> Reliability:
    wide = _equal_width(confidence, bins)
    drawn = np.random.default_rng(seed).random((_RESAMPLES, len(confidence))) < confidence
    chance = [_error(confidence, row.astype(np.float64), wide, bins) for row in drawn]
    return Reliability(
        size=len(confidence),
        ece=_error(confidence, outcome, wide, bins),
        ece_equal_mass=_error(confidence, outcome, _equal_mass(confidence, bins), bins),
        ece_by_chance=float(np.percentile(chance, _CHANCE)),
        brier=brier,
        nll=nll,
        bins=tuple(_bins(confidence, outcome, wide, bins)),
    )


def _equal_width(confidence: Floats, bins: int) -> Ints:
    """The bin of each example, [N]; 1 falls into the last."""
    return np.minimum((confidence * bins).astype(np.int64), bins - 1)


def _equal_mass(confidence: Floats, bins: int) -> Ints:
    """The bin of each example, [N], by rank; sizes differ by at most one."""
    ranks = np.empty(len(confidence), dtype=np.int64)
    ranks[np.argsort(confidence, kind="stable")] = np.arange(len(confidence))
    return ranks * bins // max(1, len(confidence))


def _error(confidence: Floats, outcome: Floats, places: Ints, bins: int) -> float:
    """Mean over examples of the distance between the means of their bin."""
    gaps = np.bincount(places, confidence - outcome, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidence))


def _bins(confidence: Floats, outcome: Floats, places: Ints, bins: int) -> list[Bin]:
    return [
        Bin(
            low=place / bins,
            high=(place + 1) / bins,
            size=int((places == place).sum()),
            confidence=float(confidence[places == place].mean()),
            outcome=float(outcome[places == place].mean()),
        )
        for place in np.unique(places).tolist()
    ]
