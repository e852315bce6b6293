"""Do the readings of the modules agree? Rank correlation, and every module where they do not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from scipy.stats import rankdata, spearmanr

from lingraft.training.explain.figures import figure

Reading = Mapping[str, float]  # module -> how much it changed by this reading
_FEWEST = 3  # two modules always agree or disagree fully


@dataclass(frozen=True)
class Pair:
    """Spearman's rho of two readings over `modules` modules; NaN where one is constant."""

    readings: tuple[str, str]
    rho: float
    modules: int


@dataclass(frozen=True)
class Disagreement:
    """A module that two readings rank far apart; rank 1 is the most changed."""

    module: str
    ranks: tuple[tuple[str, float], tuple[str, float]]


@dataclass(frozen=True)
class Agreement:
    """Every pair of readings, and every module whose ranks lie `far` (share of all) apart."""

    pairs: tuple[Pair, ...]
    disagreements: tuple[Disagreement, ...]
    far: float

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "pairs": [
                {"readings": list(p.readings), "rho": figure(p.rho), "modules": p.modules}
                for p in self.pairs
            ],
            "disagreements": [
                {"module": d.module, "ranks": {name: figure(rank, 1) for name, rank in d.ranks}}
                for d in self.disagreements
            ],
            "far": self.far,
        }


def agreement(readings: Mapping[str, Reading], far: float = 1 / 3) -> Agreement:
    """Compare readings in pairs, each over the modules that both have a finite figure of.

    Args:
        readings: by name; in each, a greater figure must mean a greater change.
        far: ranks that differ by more than this share of the modules are a disagreement.
    """
    pairs, found = [], []
    for left, right in combinations(readings, 2):
        modules = [m for m in readings[left] if _finite(readings[left], readings[right], m)]
        columns = [np.array([readings[name][m] for m in modules]) for name in (left, right)]
        pairs.append(Pair((left, right), _rho(*columns), len(modules)))
        ranks = [rankdata(-column) for column in columns]
        found += [
            (gap, Disagreement(module, ((left, float(a)), (right, float(b)))))
            for module, a, b in zip(modules, *ranks, strict=True)
            if (gap := abs(a - b)) > far * len(modules)
        ]
    found.sort(key=lambda item: -item[0])
    return Agreement(tuple(pairs), tuple(disagreement for _, disagreement in found), far)


def _finite(left: Reading, right: Reading, module: str) -> bool:
    return module in right and math.isfinite(left[module]) and math.isfinite(right[module])


def _rho(left: Any, right: Any) -> float:
    if len(left) < _FEWEST or np.ptp(left) == 0 or np.ptp(right) == 0:
        return float("nan")
    return float(spearmanr(left, right).statistic)
