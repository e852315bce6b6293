"""Barrier and agreement: planted lines, planted ranks."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from lingraft.training.explain.agreement import agreement
from lingraft.training.explain.barrier import barrier
from lingraft.training.explain.swap import dev_loss, fresh_weights, put
from lingraft.training.models.marian import TranslationLoss, weights_of

from .conftest import Batches


class _Place(nn.Module):
    """A model of one weight, so that its loss may be any curve."""

    def __init__(self, place: float) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.tensor(place))


def _at(place: float) -> dict[str, torch.Tensor]:
    return {"place": torch.tensor(place)}


def test_a_line_between_equal_ends_has_no_barrier() -> None:
    """Whatever the loss is there."""
    module = _Place(3.0)
    found = barrier(module, lambda: module.place.item() ** 2, (_at(3.0), _at(3.0)))
    assert found.height == 0.0
    assert {loss for _, loss in found.line} == {9.0}


def test_a_planted_bump_is_the_barrier() -> None:
    """Ends of loss 0 and 2, a bump of 4 above the chord in the middle; the model is left alone."""
    module = _Place(7.0)

    def loss() -> float:
        at = module.place.item()
        return 2 * at + 16 * at * (1 - at)

    found = barrier(module, loss, (_at(0.0), _at(1.0)), ("seed 1", "seed 2"), points=5)
    assert found.height == pytest.approx(4.0)
    assert found.place == 0.5
    assert module.place.item() == 7.0
    assert json.loads(json.dumps(found.as_dict()))["between"] == ["seed 1", "seed 2"]


def test_a_valley_is_no_barrier() -> None:
    """Below the chord counts for nothing: in one basin the height is 0."""
    module = _Place(0.0)
    found = barrier(module, lambda: module.place.item() ** 2, (_at(-1.0), _at(1.0)))
    assert found.height == 0.0


def test_children_of_one_parent_meet_no_barrier_and_strangers_do(
    translator: TranslationLoss, batches: Batches, trained: Callable[..., None]
) -> None:
    """What Neyshabur et al. found: a shared start keeps two trainings in one basin."""
    loss = dev_loss(translator, batches)

    def grown(start: dict[str, torch.Tensor], steps: int, seed: int) -> dict[str, torch.Tensor]:
        put(translator, start)
        trained(translator, batches, steps, seed)
        return weights_of(translator)

    parent = grown(weights_of(translator), 25, seed=1)
    children = (grown(parent, 5, seed=2), grown(parent, 5, seed=3))
    strangers = (parent, grown(dict(fresh_weights(translator)(9)), 25, seed=1))
    names = ("seed 2", "seed 3")
    assert barrier(translator, loss, children, names, points=5).height < 0.05
    assert barrier(translator, loss, strangers, names, points=5).height > 0.2


def test_agreement_is_the_correlation_of_ranks() -> None:
    """Any rising curve keeps ranks; what is turned round is -1; a constant says nothing."""
    modules = "abcdef"
    found = agreement(
        {
            "distance": dict(zip(modules, (1, 2, 3, 4, 5, 6), strict=True)),
            "cost": {m: 2.0**i for i, m in enumerate(modules)},
            "turned": {m: -float(i) for i, m in enumerate(modules)},
            "constant": dict.fromkeys(modules, 1.0),
        }
    )
    rho = {pair.readings: pair.rho for pair in found.pairs}
    assert rho["distance", "cost"] == pytest.approx(1)
    assert rho["distance", "turned"] == pytest.approx(-1)
    assert math.isnan(rho["cost", "constant"])
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["pairs"][2]["rho"] is None


def test_a_module_that_readings_rank_far_apart_is_listed() -> None:
    """Once, with all its ranks; one that lacks a figure has its rank by the others."""
    left = {"a": 9.0, "b": 3.0, "c": 2.0, "d": 1.0, "e": 0.5, "head": 4.0}
    right = {"a": 0.0, "b": 3.0, "c": 2.0, "d": 1.0, "e": 0.5, "head": float("nan")}
    found = agreement({"distance": left, "cost": right})
    assert found.pairs[0].modules == 5
    (only,) = found.disagreements
    assert only.module == "a"
    assert only.ranks == {"distance": 1.0, "cost": 5.0}


def test_agreement_is_claimed_only_where_it_is_beyond_chance() -> None:
    """All pairs, some, none: each has its sentence."""
    modules = [f"m{i}" for i in range(12)]
    rising = {m: float(i) for i, m in enumerate(modules)}
    mixed = {m: float(i * 7 % 12) for i, m in enumerate(modules)}
    assert agreement({"a": rising, "b": rising}).sentence.startswith("the readings agree")
    assert "do not agree" in agreement({"a": rising, "b": mixed}).sentence
    assert agreement({"a": rising, "b": rising, "c": mixed}).sentence.startswith("1 of 3 pairs")
