"""A model made ready for one kind of parameter transfer; the one owner of what trains when."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from lingraft.training.adapt.lora import Adapters
from lingraft.training.adapt.names import depths, inner, matching, named_parameters
from lingraft.training.adapt.origin import Origin
from lingraft.training.adapt.pull import Pull
from lingraft.training.errors import RecipeError
from lingraft.training.models.marian import weights_of
from lingraft.training.recipe.adaptation import Adaptation

_Layer = list[tuple[str, nn.Parameter]]


class Adapted:
    """What of `module` trains at a step, at which share of the rate, and what pulls it back.

    All of it is a function of the step alone, so that a resumed run trains what it would have.
    """

    def __init__(
        self, module: nn.Module, adaptation: Adaptation, origin: Origin, seed: int
    ) -> None:
        self._module, self._settings = module, adaptation
        self._trained = [p for p in module.parameters() if p.requires_grad]
        self._adapters = _settle(module, adaptation, origin, seed)
        self._layers = _layers(
            module, by_depth=adaptation.unfreeze_every is not None or adaptation.layer_decay < 1
        )
        self._open = len(self._layers)
        self._pull = (
            Pull(module, origin, adaptation.l2_sp, adaptation.l2_new)
            if adaptation.l2_sp or adaptation.l2_new
            else None
        )

    @property
    def scales(self) -> list[float]:
        """What the learning rate of each group is multiplied by."""
        return [self._settings.layer_decay**depth for depth in self._layers]

    def groups(self) -> list[dict[str, Any]]:
        """Named parameters in groups for an optimizer, the highest layer first."""
        return [{"params": layer} for layer in self._layers.values()]

    def open_layers(self, step: int) -> int:
        """How many groups, from the first, train at `step` (from 1)."""
        if self._settings.unfreeze_every is None:
            return len(self._layers)
        return min(len(self._layers), 1 + (step - 1) // self._settings.unfreeze_every)

    def trainable(self, step: int) -> list[str]:
        """Names of the parameters that train at `step` (from 1)."""
        groups = list(self._layers.values())[: self.open_layers(step)]
        return [name for layer in groups for name, _ in layer]

    def begin(self, step: int, *, alone: bool = True) -> None:
        """Open the layers of `step`, before its forward pass.

        alone: no other process trains with this one. Where others do, layers that are still closed
        get gradients all the same, for all processes must agree on whose gradients they exchange.
        """
        wanted = self.open_layers(step) if alone else len(self._layers)
        if wanted != self._open:
            for number, layer in enumerate(self._layers.values()):
                for _, parameter in layer:
                    parameter.requires_grad_(number < wanted)
            self._open = wanted

    def adjust(self, step: int) -> None:
        """After the backward pass: no gradient for closed layers, and the pull for the others."""
        for layer in list(self._layers.values())[self.open_layers(step) :]:
            for _, parameter in layer:
                parameter.grad = None
        if self._pull:
            self._pull.add()

    def weights(self, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
        """The weights as `weights_of` gives them, but merged, whatever the method."""
        if self._adapters:
            return self._adapters.weights(self._module, dtype)
        return weights_of(self._module, dtype)

    def merge(self) -> None:
        """Leave a plain model, all of it trainable as before."""
        if self._adapters:
            self._adapters.merge()
            self._adapters = None
        for parameter in self._trained:
            parameter.requires_grad_(True)


def adapt(
    module: nn.Module,
    adaptation: Adaptation,
    origin: Origin | None = None,
    *,
    seed: int = 0,
) -> Adapted:
    """Make the model inside a loss module ready for training.

    Args:
        module: on the device that it will train on, with the weights it starts from.
        origin: what the parent was.
        seed: of the adapters' random numbers.

    Raises:
        RecipeError: patterns match nothing, or leave nothing to train.
    """
    return Adapted(module, adaptation, origin or Origin(), seed)


def _settle(
    module: nn.Module, adaptation: Adaptation, origin: Origin, seed: int
) -> Adapters | None:
    """Freeze what never trains; put adapters in."""
    parameters = {n: p for n, p in named_parameters(module) if p.requires_grad}
    if adaptation.lora:
        adapters = Adapters(inner(module), adaptation.lora, seed)
        for name, parameter in parameters.items():  # what is new has nothing to stay at
            if not origin.knows(name):
                parameter.requires_grad_(True)
        return adapters
    frozen = matching("frozen", adaptation.frozen, parameters)
    if len(frozen) == len(parameters):
        raise RecipeError("frozen: the patterns leave nothing to train; take some out")
    for name in frozen:
        parameters[name].requires_grad_(False)
    return None


def _layers(module: nn.Module, *, by_depth: bool) -> dict[int, _Layer]:
    """What trains, by its depth if that matters."""
    depth = depths(name for name, _ in named_parameters(module))
    layers: dict[int, _Layer] = {}
    for name, parameter in named_parameters(module):
        if parameter.requires_grad:
            layers.setdefault(depth[name] if by_depth else 0, []).append((name, parameter))
    return dict(sorted(layers.items()))
