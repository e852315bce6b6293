"""Part of the way back: a graft that forgot too much takes some of its first weights again.

Weights between those that a graft began with and those that it was trained to often keep most of
what was learnt and lose less of what was known (WiSE-FT: Wortsman et al. 2022, arXiv 2109.01903).
How far to go back is chosen on the parent's own dev text, never on what it is tested on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from transformers import MarianMTModel

from lingraft.training.data.testsets import TestSet
from lingraft.training.experiment.measuring import outputs_of
from lingraft.training.measure.metrics import chrf
from lingraft.training.models.marian import load_weights, weights_of
from lingraft.training.recipe.experiment import Interpolation
from lingraft.training.vocabulary.codec import Codec


@dataclass(frozen=True)
class Tried:
    """A share of the trained weights, and the parent's direction that loses most with it.

    lost: chrF++ there, against the weights that the graft began with; negative for a gain.
    """

    share: float
    direction: str
    lost: float


@dataclass(frozen=True)
class Interpolated:
    """Which share was taken, and all that were tried before it, the largest first."""

    share: float
    tried: tuple[Tried, ...]


def interpolate(
    model: MarianMTModel,
    start: MarianMTModel,
    codec: Codec,
    tests: Sequence[TestSet],
    settings: Interpolation,
    folder: Path,
) -> Interpolated:
    """Change `model` to the largest share of itself with which no direction loses too much.

    Where there is none, to the share that loses least: the gate has the last word.

    Args:
        model: the trained graft.
        start: what it was before training.
        codec: the pieces of both.
        tests: the parent's dev.
        settings: the shares, and what may be lost.
        folder: keeps answers, so that a repeated command makes none again.
    """
    first, trained = weights_of(start), weights_of(model)
    before = _scores(start, codec, tests, folder, "start")
    tried: list[Tried] = []
    for share in sorted(settings.shares, reverse=True):
        load_weights(model, _between(first, trained, share))
        after = _scores(model, codec, tests, folder, f"share-{share:g}")
        lost, direction = max((before[way] - after[way], way) for way in before)
        tried.append(Tried(share, direction, lost))
        if lost <= settings.max_loss:
            return Interpolated(share, tuple(tried))
    least = min(tried, key=lambda each: each.lost)
    load_weights(model, _between(first, trained, least.share))
    return Interpolated(least.share, tuple(tried))


def _scores(
    model: MarianMTModel, codec: Codec, tests: Sequence[TestSet], folder: Path, name: str
) -> dict[str, float]:
    """chrF++ by direction, of all its test sets together."""
    made = outputs_of(model, codec, list(tests), folder, name)
    texts: dict[str, tuple[list[str], list[str]]] = {}
    for test, outputs in zip(tests, made, strict=True):
        found = texts.setdefault(test.direction, ([], []))
        found[0].extend(outputs)
        found[1].extend(test.references)
    return {way: chrf(outputs, references).value for way, (outputs, references) in texts.items()}


def _between(first: dict[str, Tensor], last: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    return {
        name: torch.lerp(first[name].float(), weights.float(), share).to(weights.dtype)
        for name, weights in last.items()
    }
