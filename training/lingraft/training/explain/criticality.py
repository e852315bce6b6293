"""What breaks when one module is put back to the parent, or made random: module criticality.

Zhang, Bengio & Singer 2019 ("Are all layers created equal?") rewind and re-initialise single
layers; Neyshabur, Sedghi & Zhang 2020 do so between a pretrained and a fine-tuned network and look
along the straight line between the two. Here it is done on the loss, not on the error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

import numpy as np
from torch import nn

from lingraft.training.explain.parts import Part
from lingraft.training.explain.swap import (
    Loss,
    Weights,
    between,
    kept,
    put,
    require_same_shape,
    some,
)
from lingraft.training.models.marian import weights_of

# Under this many nats per target a part is worth too little to share it out.
_LEAST_WORTH = 0.02

Line = tuple[tuple[float, float], ...]  # (place between 0, the start, and 1, the end; loss)


@dataclass(frozen=True)
class Criticality:
    """Loss of the child with one part changed; losses in nats per target.

    child: loss as it is.
    rewound: with the parent's weights in this part.
    reinitialised: with random weights in it, one loss for each seed.
    line: along the straight line of this part, parent to child.
    """

    child: float
    rewound: float
    reinitialised: tuple[float, ...]
    line: Line

    @property
    def rewind_cost(self) -> float:
        """What the child's own learning in this part is worth."""
        return self.rewound - self.child

    @property
    def reinitialise_cost(self) -> float:
        """What the part is worth at all, mean over the seeds."""
        return mean(self.reinitialised) - self.child

    @property
    def from_parent(self) -> float | None:
        """Share of what the part is worth that the parent's weights already give.

        Above 1 where the child does better with the parent's weights than with its own; None where
        random weights cost under 0.02 nats per target: then there is nothing to share out.
        """
        if self.reinitialise_cost < _LEAST_WORTH:
            return None
        return 1 - self.rewind_cost / self.reinitialise_cost


def criticality(
    module: nn.Module,
    loss: Loss,
    parent: Weights,
    fresh: Sequence[Weights],
    parts: Sequence[Part],
    points: int = 5,
) -> dict[str, Criticality]:
    """Criticality of every part, by name; `module` is left as it was.

    Args:
        module: the child; `loss` measures it as it stands.
        parent: the weights that the child's training began with.
        fresh: random weights of the same shape, one for each seed.
        points: of the line, both ends counted; the ends cost nothing extra.

    Raises:
        ParentError: weights of different shapes.
    """
    child = weights_of(module)
    for other in (parent, *fresh):
        require_same_shape(child, other)
    results = {}
    with kept(module):
        now = loss()
        for part in parts:
            own, old = some(child, part.weights), some(parent, part.weights)
            rewound = _with(module, old, loss)
            middle = [
                (float(at), _with(module, between(old, own, float(at)), loss))
                for at in np.linspace(0, 1, points)[1:-1]
            ]
            drawn = [_with(module, some(weights, part.weights), loss) for weights in fresh]
            put(module, own)
            line = ((0.0, rewound), *middle, (1.0, now))
            results[part.name] = Criticality(now, rewound, tuple(drawn), line)
    return results


def _with(module: nn.Module, weights: Weights, loss: Loss) -> float:
    put(module, weights)
    return loss()
