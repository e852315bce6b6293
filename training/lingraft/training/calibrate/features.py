"""What is known of a finished translation without its reference: the features of P(acceptable).

CalibrationInfo in common.proto defines them, since the server computes the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lingraft.training.calibrate.reliability import Floats


@dataclass(frozen=True)
class Produced:
    """One translation as the decoder produced it.

    Attributes:
        pieces: target ids without the end.
        logprobs: natural log-probability of each piece and, where it ended, of the end.
        source_length: source ids, tag and end included.
        coverage: share of the source that the pieces attended to, as `coverage_of` computes it;
            None where the model does not tell.
    """

    pieces: tuple[int, ...]
    logprobs: tuple[float, ...]
    source_length: int
    coverage: float | None = None


def coverage_of(alignment: NDArray[np.floating]) -> float:
    """Mean over source pieces of the attention that each got, at most 1; alignment [pieces,S].

    The coverage of Tu et al. (2016), capped so that what is read twice does not make up for what is
    not read at all.
    """
    attention = alignment.astype(np.float64).sum(axis=0)
    return float(np.minimum(attention, 1.0).sum() / alignment.shape[1])


def _mean_logprob(produced: Produced) -> float:
    return math.fsum(produced.logprobs) / len(produced.logprobs)


def _distinct_share(produced: Produced) -> float:
    return len(set(produced.pieces)) / len(produced.pieces) if produced.pieces else 1.0


FEATURES: Mapping[str, Callable[[Produced], float]] = {
    "mean_logprob": _mean_logprob,
    "min_logprob": lambda p: min(p.logprobs),
    "total_logprob": lambda p: math.fsum(p.logprobs),
    "log_length": lambda p: math.log(len(p.logprobs)),
    "log_ratio": lambda p: math.log(len(p.logprobs) / p.source_length),
    "distinct_share": _distinct_share,
    "coverage": lambda p: math.nan if p.coverage is None else p.coverage,
}


def feature_table(produced: Sequence[Produced], names: Sequence[str]) -> Floats:
    """[N,F]; NaN where a feature is not told. Translations without log-probabilities have none."""
    rows = [[FEATURES[name](each) for name in names] for each in produced]
    return np.array(rows, dtype=np.float64).reshape(len(produced), len(names))
