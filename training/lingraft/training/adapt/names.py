"""Names of a model's parameters: patterns over them, and how far each is from the output."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

from torch import nn

from lingraft.training.errors import RecipeError

_LAYER = re.compile(r"(?:^|\.)(encoder|decoder)\.layers\.(\d+)\.")
_EMBEDDING = re.compile(r"(?:^|\.)(shared|embed_tokens|embed_positions)\.")
_NUMBER = re.compile(r"\.(\d+)(?=\.)")


def inner(module: nn.Module) -> nn.Module:
    """The model inside a loss module, whose names settings speak of."""
    model = getattr(module, "model", None)
    return model if isinstance(model, nn.Module) else module


def named_parameters(module: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Parameters of a loss module, tied ones once, under the names that its model gives them."""
    wrapped = inner(module) is not module
    for name, parameter in module.named_parameters():
        yield name.removeprefix("model.") if wrapped else name, parameter


def matching(setting: str, patterns: Sequence[str], names: Iterable[str]) -> set[str]:
    """The names that a shell pattern matches.

    Raises:
        RecipeError: patterns match nothing; it names them all, and what there is to match.
    """
    names = list(names)
    lost = [p for p in patterns if not any(fnmatchcase(name, p) for name in names)]
    if lost:
        told = ", ".join(f'"{pattern}"' for pattern in lost)
        there = "\n".join(f"  {name}" for name in _folded(names))
        raise RecipeError(f"{setting}: nothing is called {told}; the model has\n{there}")
    return {name for name in names if any(fnmatchcase(name, p) for p in patterns)}


def _folded(names: Iterable[str]) -> list[str]:
    """Names that differ in a layer's number as one: "encoder.layers.{0-5}.fc1.weight"."""
    numbers: dict[str, list[int]] = {}
    for name in names:
        found = [int(number) for number in _NUMBER.findall(name)]
        numbers.setdefault(_NUMBER.sub(".{}", name), []).extend(found)
    return [
        shape.replace("{}", f"{{{min(found)}-{max(found)}}}") if found else shape
        for shape, found in numbers.items()
    ]


def depths(names: Iterable[str]) -> dict[str, int]:
    """Layers between each parameter and the output, 0 for the highest layer that there is.

    From the output down: whatever is in no layer (a classifier's head), the decoder's layers, the
    encoder's, the embeddings. Embeddings tied to the output layer count as what they are at the
    bottom, for moving them moves the input of every layer.
    """
    places = {name: _place(name) for name in names}
    rank = {place: depth for depth, place in enumerate(sorted(set(places.values())))}
    return {name: rank[place] for name, place in places.items()}


def _place(name: str) -> tuple[int, int]:
    if layer := _LAYER.search(name):
        return (1 if layer.group(1) == "decoder" else 2), -int(layer.group(2))
    return (3, 0) if is_embedding(name) else (0, 0)


def is_embedding(name: str) -> bool:
    """Whether a parameter is a table of embeddings."""
    return _EMBEDDING.search(name) is not None
