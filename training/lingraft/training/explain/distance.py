"""How far the weights of each part moved from the parent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from lingraft.training.explain.parts import Part
from lingraft.training.explain.swap import Weights, require_same_shape


@dataclass(frozen=True)
class Moved:
    """||W - W0||, and the same over ||W0|| (NaN where W0 is zero), over `weights` numbers."""

    weights: int
    distance: float
    relative: float


def distances(child: Weights, parent: Weights, parts: Sequence[Part]) -> dict[str, Moved]:
    """L2 distance of every part, by name (as Neyshabur et al. 2020 measure it), in float64.

    Raises:
        ParentError: the two are of different shapes.
    """
    require_same_shape(child, parent)
    return {part.name: _moved(child, parent, part) for part in parts}


def _moved(child: Weights, parent: Weights, part: Part) -> Moved:
    moved = sum(_square(child[name].double() - parent[name].double()) for name in part.weights)
    norm = sum(_square(parent[name].double()) for name in part.weights)
    distance = float(moved**0.5)
    relative = float(distance / norm**0.5) if norm else float("nan")
    return Moved(sum(child[name].numel() for name in part.weights), distance, relative)


def _square(tensor: Tensor) -> float:
    return float(tensor.square().sum())
