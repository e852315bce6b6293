"""The barrier on the straight line between two sets of weights: are they in one basin?

Neyshabur, Sedghi & Zhang 2020: two models fine-tuned from one parent meet no barrier, two trained
from random weights do. Weights are joined by name; units are not matched by permutation, so a
barrier between two models of different random starts may be one of the order of units alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from lingraft.training.explain.criticality import Line
from lingraft.training.explain.figures import figure
from lingraft.training.explain.swap import Loss, Weights, between, kept, put, require_same_shape
from lingraft.training.models.marian import weights_of


@dataclass(frozen=True)
class Barrier:
    """Losses along a line; `height` is the most that they lie above the chord between the ends.

    Both in nats per target; at the ends the difference is 0, so the height is never below 0.
    """

    between: tuple[str, str]
    line: Line
    height: float
    place: float  # of the greatest height

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "between": list(self.between),
            "line": [[figure(at), figure(loss)] for at, loss in self.line],
            "height": figure(self.height),
            "place": figure(self.place),
        }


def barrier(
    module: nn.Module,
    loss: Loss,
    ends: tuple[Weights, Weights],
    names: tuple[str, str] = ("parent", "child"),
    points: int = 7,
) -> Barrier:
    """The barrier between two sets of weights of `module`, which is left as it was.

    Args:
        loss: of the module as it stands.
        ends: where the line begins and ends.
        names: of the ends, for people.
        points: of the line, both ends counted.

    Raises:
        ParentError: the ends are not both of the module's shape.
    """
    start, end = ends
    own = weights_of(module)
    require_same_shape(own, start)
    require_same_shape(own, end)
    line = []
    with kept(module):
        for at in np.linspace(0, 1, points).tolist():
            put(module, between(start, end, at))
            line.append((at, loss()))
    first, last = line[0][1], line[-1][1]
    heights = [value - ((1 - at) * first + at * last) for at, value in line]
    heights[0] = heights[-1] = 0.0  # exactly, whatever the rounding
    highest = int(np.argmax(heights))
    return Barrier(names, tuple(line), heights[highest], line[highest][0])
