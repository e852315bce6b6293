"""Temperature and vector scaling of logits (Guo et al. 2017, section 4.2).

N examples, C labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax, softmax

from lingraft.training.calibrate.reliability import Floats, Ints

_WIDEST = np.log(20.0)  # temperatures are between 1/20 and 20
# Logarithms of scales, and offsets, are pulled towards the start as by one example of this spread.
# Where all dev labels are right the likelihood alone would drive the temperature to 0.
_SPREAD = 1.0


@dataclass(frozen=True)
class Scaling:
    """Probabilities are softmax(scales * logits + offsets); scales and offsets are [C].

    `method` is "temperature", whose scales are all 1/T and whose offsets are 0, or "vector".
    """

    method: str
    scales: tuple[float, ...]
    offsets: tuple[float, ...]

    @property
    def temperature(self) -> float:
        """T of temperature scaling."""
        return 1 / self.scales[0]

    @property
    def parameters(self) -> tuple[float, ...]:
        """In the order of CalibrationInfo."""
        if self.method == "temperature":
            return (self.temperature,)
        return (*self.scales, *self.offsets)

    def probabilities(self, logits: Floats) -> Floats:
        """[N,C]."""
        scaled = np.asarray(self.scales) * logits + np.asarray(self.offsets)
        return np.asarray(softmax(scaled, axis=1), dtype=np.float64)


def by_temperature(temperature: float, labels: int) -> Scaling:
    """One temperature for all labels; 1 leaves the probabilities as they are."""
    return Scaling("temperature", (1 / temperature,) * labels, (0.0,) * labels)


def fit_temperature(logits: Floats, labels: Ints) -> Scaling:
    """The temperature of the greatest likelihood on logits [N,C] and labels [N]."""

    def loss(log_temperature: float) -> float:
        logs = log_softmax(logits * np.exp(-log_temperature), axis=1)
        pull = 0.5 * (log_temperature / _SPREAD) ** 2
        return float(pull - logs[np.arange(len(labels)), labels].sum())

    found = minimize_scalar(loss, bounds=(-_WIDEST, _WIDEST), method="bounded")
    return by_temperature(float(np.exp(found.x)), logits.shape[1])


def fit_vector(logits: Floats, labels: Ints) -> Scaling:
    """A scale and an offset for each label, from the best temperature on; offsets sum to 0."""
    count = logits.shape[1]
    start = fit_temperature(logits, labels).scales[0]
    truth = np.eye(count)[labels]

    def loss(values: Floats) -> tuple[float, Floats]:
        scales, offsets = start * np.exp(values[:count]), values[count:]
        logs = log_softmax(scales * logits + offsets, axis=1)
        rest = np.exp(logs) - truth
        slope = np.concatenate([scales * (rest * logits).sum(axis=0), rest.sum(axis=0)])
        pull = 0.5 * float((values**2).sum()) / _SPREAD**2
        return pull - float((truth * logs).sum()), slope + values / _SPREAD**2

    found = minimize(loss, np.zeros(2 * count), jac=True, method="L-BFGS-B")
    scales, offsets = start * np.exp(found.x[:count]), found.x[count:]
    centred = offsets - offsets.mean()  # a shift of all offsets changes nothing
    return Scaling("vector", tuple(scales.tolist()), tuple(centred.tolist()))
