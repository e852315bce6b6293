"""Logits into the scores that a caller asked for, with the calibration behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lingraft.server.services.registry import Classifier
from lingraft.v1 import classification_pb2, common_pb2

_TEMPERATURE = "temperature"


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
    says so. Temperature scaling: Guo et al., ICML 2017.
    """
    nothing = common_pb2.CalibrationInfo(language=language, calibrated=False)
    if kind == classification_pb2.SCORE_KIND_LOGIT:
        return Scored(tuple(logits), nothing)
    plain = Scored(softmax(logits), nothing)
    if kind == classification_pb2.SCORE_KIND_PROBABILITY:
        return plain
    for info in model.manifest.calibration:
        usable = info.calibrated and info.method == _TEMPERATURE and len(info.parameters) == 1
        if usable and language and info.language.lower() == language.lower():
            return Scored(softmax(logits, info.parameters[0]), info)
    return plain


def softmax(logits: Sequence[float], temperature: float = 1.0) -> tuple[float, ...]:
    """Probabilities that sum to 1."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    powers = np.exp(scaled - scaled.max())
    return tuple((powers / powers.sum()).tolist())


def labels(
    names: Sequence[str], logits: Sequence[float], scores: Sequence[float], top_k: int
) -> list[classification_pb2.Label]:
    """The `top_k` best labels (0: all), best first; equals in the order of the logits."""
    order = sorted(range(len(names)), key=lambda index: -logits[index])
    return [
        classification_pb2.Label(name=names[index], score=scores[index], raw_logit=logits[index])
        for index in order[: top_k or len(names)]
    ]
