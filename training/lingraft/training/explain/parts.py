"""The parts of a model that an explanation speaks of: their weights, and where they are read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from torch import nn

from lingraft.training.models.marian import weights_of

Granularity = Literal["module", "layer"]
Side = Literal["source", "target"]

_PLACE = re.compile(r"(?P<layer>(?:.*\.)?(?P<stack>encoder|decoder)\.layers\.(?P<number>\d+))\.")
# Weight names after the layer's number: the norm behind a block belongs to the block.
_BLOCKS = {
    "self_attn": ("self_attention", "self_attn"),
    "self_attn_layer_norm": ("self_attention", "self_attn"),
    "encoder_attn": ("cross_attention", "encoder_attn"),
    "encoder_attn_layer_norm": ("cross_attention", "encoder_attn"),
    "fc1": ("ffn", "fc2"),
    "fc2": ("ffn", "fc2"),
    "final_layer_norm": ("ffn", "fc2"),
}
_OUTSIDE = {"head": "head", "lm_head": "output"}  # all else outside of the layers: embeddings


@dataclass(frozen=True)
class Watch:
    """Where the states of a part are read: what a submodule gives, or what enters it."""

    path: str
    side: Side  # whose positions the states belong to
    entering: bool = False


@dataclass(frozen=True)
class Part:
    """A part by name ("encoder.0.self_attention"): the names of its weights, and its states.

    watch: None where a part has no states by position (the head of a classifier, an output layer).
    """

    name: str
    weights: tuple[str, ...]
    watch: Watch | None


def parts_of(module: nn.Module, granularity: Granularity = "module") -> tuple[Part, ...]:
    """The parts of a loss module (or plain model), bottom up; every parameter is in exactly one.

    What is no parameter (the fixed bias that forbids padding) is in none: it cannot learn, and its
    -10,000 would drown every distance.

    Args:
        module: Marian for translation, or a classifier on its encoder; names as `weights_of`.
        granularity: "module" tells attention, cross-attention and feed-forward of a layer apart;
            "layer" takes them together.
    """
    found: dict[str, tuple[list[str], Watch | None]] = {}
    names = _trainable(module)
    bottom = next((match["layer"] for name in names if (match := _PLACE.match(name))), None)
    for weight in names:
        name, watch = _place(weight, granularity, bottom)
        found.setdefault(name, ([], watch))[0].append(weight)
    return tuple(Part(name, tuple(weights), watch) for name, (weights, watch) in found.items())


def layers_of(module: nn.Module) -> tuple[Part, ...]:
    """The layers alone: encoder first, then the decoder if there is one."""
    return tuple(part for part in parts_of(module, "layer") if _PLACE.match(part.weights[0]))


def _trainable(module: nn.Module) -> list[str]:
    """Names of `weights_of` that are parameters, frozen ones too."""
    parameters = dict(module.named_parameters())
    return [name for name in weights_of(module) if name in parameters]


def _place(weight: str, granularity: Granularity, bottom: str | None) -> tuple[str, Watch | None]:
    match = _PLACE.match(weight)
    if match is None:
        outside = next((_OUTSIDE[part] for part in weight.split(".") if part in _OUTSIDE), None)
        entering = Watch(bottom, "source", entering=True) if bottom else None
        return (outside, None) if outside else ("embeddings", entering)
    side: Side = "source" if match["stack"] == "encoder" else "target"
    name, layer = f"{match['stack']}.{match['number']}", match["layer"]
    if granularity == "layer":
        return name, Watch(layer, side)
    inner = weight[match.end() :].split(".")[0]
    block, watched = _BLOCKS.get(inner, (inner, inner))
    return f"{name}.{block}", Watch(f"{layer}.{watched}", side)
