"""L2-SP (Li et al. 2018): weights are pulled toward where they started, not toward zero."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lingraft.training.adapt.names import inner, named_parameters
from lingraft.training.adapt.origin import Origin, name_in


class Pull:
    """The gradient of strength/2 |w - w_parent|^2 + new/2 |w_new|^2."""

    def __init__(self, module: nn.Module, origin: Origin, strength: float, new: float) -> None:
        anchor = origin.anchor(inner(module))
        self._parts: list[tuple[nn.Parameter, Tensor, Tensor]] = []  # where from, how strongly
        for name, parameter in named_parameters(module):
            if not parameter.requires_grad:
                continue
            target = torch.zeros_like(parameter, requires_grad=False)
            force = target.new_full((len(target), *[1] * (target.dim() - 1)), new)  # of each row
            known = name_in(anchor, name)
            if known is not None:
                parent = anchor[known].to(parameter)
                rows, theirs = origin.common_rows(
                    name, parameter, parent, as_built=origin.weights is None
                )
                target[rows], force[rows] = parent[theirs], strength
            self._parts.append((parameter, target, force))

    @torch.no_grad()
    def add(self) -> None:
        """Add it to the gradients there are; a weight without one is not training."""
        for parameter, target, force in self._parts:
            if parameter.grad is not None:
                parameter.grad.addcmul_(parameter - target, force)
