"""How likely a translation is acceptable, from its scores, as CalibrationInfo in common.proto says.

Training computes the same figures from the same numbers; the two parts meet in the proto alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lingraft.server.search import Found
from lingraft.server.services.served import Choice
from lingraft.v1 import common_pb2, translation_pb2

_RAW = "mean_logprob"
_CLIP = 4.0  # deviations from the mean, beyond which a feature says no more


@dataclass(frozen=True)
class Produced:
    """What features are made of: the pieces that were searched for, given ones left out.

    `logprobs` hold the end where there is one, `pieces` never; `alignment` [pieces,S] is there if
    the search kept it; `source_length` counts all source pieces.
    """

    pieces: tuple[int, ...]
    logprobs: tuple[float, ...]
    source_length: int
    alignment: NDArray[np.float32] | None

    @classmethod
    def of(cls, found: Found, given: int, source_length: int) -> Produced:
        """A hypothesis without the `given` pieces at its front."""
        shares = None if found.alignment is None else found.alignment[given:]
        return cls(found.ids[given:], found.logprobs[given:], source_length, shares)


def _distinct_share(produced: Produced) -> float:
    return len(set(produced.pieces)) / len(produced.pieces) if produced.pieces else 1.0


def _coverage(produced: Produced) -> float:
    if produced.alignment is None:
        return math.nan
    attention = produced.alignment.astype(np.float64).sum(axis=0)
    return float(np.minimum(attention, 1.0).sum() / produced.source_length)


_FEATURES: Mapping[str, Callable[[Produced], float]] = {
    "mean_logprob": lambda p: math.fsum(p.logprobs) / len(p.logprobs),
    "min_logprob": lambda p: min(p.logprobs),
    "total_logprob": lambda p: math.fsum(p.logprobs),
    "log_length": lambda p: math.log(len(p.logprobs)),
    "log_ratio": lambda p: math.log(len(p.logprobs) / p.source_length),
    "distinct_share": _distinct_share,
    "coverage": _coverage,
}


def calibration_of(choice: Choice) -> common_pb2.CalibrationInfo | None:
    """The usable calibration of a pair, or else of its target language from any source."""
    source, target = choice.pair.source.lower(), choice.pair.target.lower()
    usable = [
        info
        for info in choice.model.manifest.calibration
        if info.calibrated
        and info.language.lower() == target
        and info.source_language.lower() in ("", source)
        and (info.method == "constant" or (info.method == "logistic" and _known(info)))
    ]
    return max(usable, key=lambda info: bool(info.source_language), default=None)


def _known(info: common_pb2.CalibrationInfo) -> bool:
    return all(name in _FEATURES for name in info.features)


def estimate(
    choice: Choice,
    info: common_pb2.CalibrationInfo | None,
    produced: Sequence[Produced],
    mean_logprob: float,
) -> translation_pb2.QualityEstimate:
    """The estimate for a text, the mean of those of its sentences; without `info` none."""
    answer = translation_pb2.QualityEstimate(raw_score=mean_logprob, method=_RAW)
    chances = [p_acceptable(info, each) for each in produced] if info is not None else [None]
    known = [chance for chance in chances if chance is not None]
    if info is None or len(known) < len(chances):
        return answer
    pair = f"{info.source_language}-{info.language}" if info.source_language else info.language
    answer.p_acceptable = math.fsum(known) / len(known)
    answer.calibration = f"{choice.model.short_name}/calibrations/{pair}"
    answer.calibration_size, answer.calibration_ece = info.size, info.ece
    answer.acceptable_chrf, answer.calibrated = info.acceptable_chrf, True
    return answer


def p_acceptable(info: common_pb2.CalibrationInfo, produced: Produced) -> float | None:
    """P(acceptable) of one sentence, 0 to 1; None where a feature cannot be told."""
    if not produced.logprobs:
        return None
    total = info.parameters[0]
    for place, name in enumerate(info.features):
        weight, mean, deviation = info.parameters[1 + 3 * place : 4 + 3 * place]
        value = (_FEATURES[name](produced) - mean) / deviation
        if math.isnan(value):
            return None
        total += weight * min(max(value, -_CLIP), _CLIP)
    return _logistic(total)


def _logistic(value: float) -> float:
    """1 / (1 + exp(-value)), of any size."""
    if value >= 0:
        return 1 / (1 + math.exp(-value))
    power = math.exp(value)
    return power / (1 + power)
