"""Logits into the scores that a caller asked for, with the calibration behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lingraft.server.services.served import Classifier
from lingraft.v1 import classification_pb2, common_pb2

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scored:
    """One score for each label, and the calibration used or a note that there is none."""

    scores: tuple[float, ...]
    calibration: common_pb2.CalibrationInfo


def score(
    model: Classifier,
    logits: Sequence[float],
    kind: classification_pb2.ScoreKind,
    language: str,
) -> Scored:
    """Scores of the kind asked for.

    A calibrated probability without a calibration for `language` is the plain softmax, and the note
    says so.
    """
    nothing = common_pb2.CalibrationInfo(language=language, calibrated=False)
    if kind == classification_pb2.SCORE_KIND_LOGIT:
        return Scored(tuple(logits), nothing)
    if kind == classification_pb2.SCORE_KIND_PROBABILITY:
        return Scored(softmax(logits), nothing)
    return calibrated(model, logits, language)


def calibrated(model: Classifier, logits: Sequence[float], language: str) -> Scored:
    """Calibrated probabilities, or the softmax with a note that there is no calibration.

    Temperature and vector scaling (Guo et al. 2017), as CalibrationInfo says.
    """
    for info in model.manifest.calibration:
        if info.calibrated and language and info.language.lower() == language.lower():
            scaled = _scaled(info, np.asarray(logits, dtype=np.float64))
            if scaled is not None:
                return Scored(softmax(scaled), info)
    nothing = common_pb2.CalibrationInfo(language=language, calibrated=False)
    return Scored(softmax(logits), nothing)


def _scaled(info: common_pb2.CalibrationInfo, logits: Floats) -> Floats | None:
    """What the softmax is taken of; None for a method that this server does not know."""
    parameters = np.asarray(info.parameters, dtype=np.float64)
    if info.method == "temperature":
        return np.asarray(logits / parameters[0], dtype=np.float64)
    if info.method == "vector":
        scales, offsets = np.split(parameters, 2)
        return np.asarray(scales * logits + offsets, dtype=np.float64)
    return None


def softmax(logits: Sequence[float] | Floats) -> tuple[float, ...]:
    """Probabilities that sum to 1."""
    scaled = np.asarray(logits, dtype=np.float64)
    powers = np.exp(scaled - scaled.max())
    return tuple((powers / powers.sum()).tolist())


def labels(
    names: Sequence[str],
    logits: Sequence[float],
    scores: Sequence[float],
    above: frozenset[str],
    top_k: int,
) -> list[classification_pb2.Label]:
    """The `top_k` best labels (0: all), best first; equals in the order of the logits.

    `above` names those that are at or above their threshold.
    """
    order = sorted(range(len(names)), key=lambda index: (-scores[index], -logits[index]))
    return [
        classification_pb2.Label(
            name=names[index],
            score=scores[index],
            raw_logit=logits[index],
            above_threshold=names[index] in above,
        )
        for index in order[: top_k or len(names)]
    ]
