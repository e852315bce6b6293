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
_ALPHA = 0.05
_FEWEST = 3  # two modules always agree or disagree fully


@dataclass(frozen=True)
class Pair:
    """Spearman's rho of two readings over `modules` modules with its p; NaN where one is constant.

    Modules of one model are no independent sample, so p is a yardstick and no proof.
    """

    readings: tuple[str, str]
    rho: float
    p: float
    modules: int

    @property
    def agrees(self) -> bool:
        """Whether the two rank the modules alike, beyond what chance would."""
        return self.rho > 0 and self.p < _ALPHA


@dataclass(frozen=True)
class Disagreement:
    """A module that the readings rank far apart; rank 1 is the most changed."""

    module: str
    ranks: Mapping[str, float]  # by reading

    @property
    def gap(self) -> float:
        """Between its greatest and its smallest rank."""
        return max(self.ranks.values()) - min(self.ranks.values())


@dataclass(frozen=True)
class Agreement:
    """Every pair of readings, and every module whose ranks lie `far` (share of all) apart, the
    farthest first."""

    pairs: tuple[Pair, ...]
    disagreements: tuple[Disagreement, ...]
    far: float

    @property
    def sentence(self) -> str:
        """For people."""
        agreeing = sum(pair.agrees for pair in self.pairs)
        if agreeing == len(self.pairs):
            return "the readings agree on which modules changed"
        if not agreeing:
            return "the readings do not agree on which modules changed: trust no single one"
        return (
            f"{agreeing} of {len(self.pairs)} pairs of readings agree on which modules changed: "
            "trust what they share"
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "pairs": [
                {
                    "readings": list(p.readings),
                    "rho": figure(p.rho),
                    "p": figure(p.p),
                    "modules": p.modules,
                    "agrees": p.agrees,
                }
                for p in self.pairs
            ],
            "disagreements": [
                {
                    "module": d.module,
                    "ranks": {name: figure(rank, 1) for name, rank in d.ranks.items()},
                }
                for d in self.disagreements
            ],
            "far": self.far,
            "sentence": self.sentence,
        }


def agreement(readings: Mapping[str, Reading], far: float = 0.5) -> Agreement:
    """Compare readings in pairs, each over the modules that both have a finite figure of.

    Args:
        readings: by name; in each, a greater figure must mean a greater change.
        far: ranks that differ by more than this share of the modules are a disagreement.
    """
    finite = {
        name: {m: value for m, value in reading.items() if math.isfinite(value)}
        for name, reading in readings.items()
    }
    pairs = tuple(_pair(finite, *names) for names in combinations(finite, 2))
    ranks = {name: _ranks(reading) for name, reading in finite.items()}
    modules = dict.fromkeys(m for reading in readings.values() for m in reading)
    found = [
        Disagreement(module, {name: ranks[name][module] for name in ranks if module in ranks[name]})
        for module in modules
    ]
    apart = [d for d in found if d.ranks and d.gap > far * len(modules)]
    return Agreement(pairs, tuple(sorted(apart, key=lambda d: -d.gap)), far)


def _pair(readings: Mapping[str, Reading], left: str, right: str) -> Pair:
    modules = [m for m in readings[left] if m in readings[right]]
    first, second = (np.array([readings[name][m] for m in modules]) for name in (left, right))
    if len(modules) < _FEWEST or np.ptp(first) == 0 or np.ptp(second) == 0:
        return Pair((left, right), math.nan, math.nan, len(modules))
    found = spearmanr(first, second)
    return Pair((left, right), float(found.statistic), float(found.pvalue), len(modules))


def _ranks(reading: Reading) -> dict[str, float]:
    ranks = rankdata([-value for value in reading.values()])
    return dict(zip(reading, ranks.tolist(), strict=True))
