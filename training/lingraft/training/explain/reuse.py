"""What was reused, by layer and module: three independent readings, whether they agree, the line.

Similarity of states, distance of weights, and the loss when a module is put back. Agreement of the
three is the finding; where they disagree, the report says so.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from lingraft.training.explain.agreement import Agreement, agreement
from lingraft.training.explain.barrier import Barrier, barrier
from lingraft.training.explain.criticality import Criticality, criticality
from lingraft.training.explain.distance import Moved, distances
from lingraft.training.explain.figures import figure
from lingraft.training.explain.parts import Granularity, layers_of, parts_of
from lingraft.training.explain.similarity import Rows, similarities, states_of
from lingraft.training.explain.swap import Fresh, Weights, dev_loss, kept, put, require_same_shape
from lingraft.training.models.marian import weights_of
from lingraft.training.run.loop import Batch


@dataclass(frozen=True)
class Probe:
    """How closely to look; `recipe.explanation.Explanation` holds the same settings.

    The cost is one pass over dev for each module and each of: its rewinding, every seed, every
    inner point of its line; and one for each point of the whole line, two for the states.
    """

    granularity: Granularity = "module"
    rows: Rows = "tokens"
    row_limit: int = 2000
    line_points: int = 5
    barrier_points: int = 7
    seeds: tuple[int, ...] = (1, 2, 3)


@dataclass(frozen=True)
class ModuleReading:
    """One module: similarity of what it gives (NaN where it has no states by position), how far it
    moved, what breaks without it."""

    name: str
    cka: float
    moved: Moved
    criticality: Criticality

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        critical = self.criticality
        return {
            "module": self.name,
            "weights": self.moved.weights,
            "cka": figure(self.cka),
            "distance": figure(self.moved.distance),
            "relative_distance": figure(self.moved.relative),
            "rewind_cost": figure(critical.rewind_cost),
            "reinitialise_cost": figure(critical.reinitialise_cost),
            "reinitialise_costs": [figure(x - critical.child) for x in critical.reinitialised],
            "from_parent": figure(critical.from_parent),
            "line": [[figure(at), figure(loss)] for at, loss in critical.line],
        }


@dataclass(frozen=True)
class Reuse:
    """Losses in nats per target on `sentences` dev sentences; layers bottom up with their CKA."""

    child_loss: float
    parent_loss: float
    sentences: int
    layers: tuple[tuple[str, float], ...]
    modules: tuple[ModuleReading, ...]
    agreement: Agreement
    barrier: Barrier
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "child_loss": figure(self.child_loss),
            "parent_loss": figure(self.parent_loss),
            "sentences": self.sentences,
            "layers": [{"layer": name, "cka": figure(cka)} for name, cka in self.layers],
            "modules": [module.as_dict() for module in self.modules],
            "agreement": self.agreement.as_dict(),
            "barrier": self.barrier.as_dict(),
            "seconds": figure(self.seconds, 1),
        }


def explain_reuse(
    child: nn.Module,
    parent: Weights,
    fresh: Fresh,
    batches: Sequence[Batch],
    *,
    pad: int,
    probe: Probe | None = None,
) -> Reuse:
    """All readings of a child against the parent that it grew from; `child` is left as it was.

    Args:
        child: trained `TranslationLoss` or `ClassificationLoss`.
        parent: `weights_of` the same kind of module as the training began with it: the parent,
            after its vocabulary was fitted to the child.
        fresh: `swap.fresh_weights(child)`.
        batches: dev text of the child, by `models.tensors.all_batches`.
        pad: id of padding in them.

    Raises:
        ParentError: parent and child are of different shapes.
        DataError: too little dev text.
    """
    began, probe = time.monotonic(), probe or Probe()
    loss, own = dev_loss(child, batches), weights_of(child)
    require_same_shape(own, parent)
    parts = parts_of(child, probe.granularity)
    cka = _similar(child, parent, batches, pad, probe)
    moved = distances(own, parent, parts)
    drawn = [fresh(seed) for seed in probe.seeds]
    critical = criticality(child, loss, parent, drawn, parts, probe.line_points)
    line = barrier(child, loss, (parent, own), points=probe.barrier_points)
    modules = tuple(
        ModuleReading(p.name, cka.get(p.name, float("nan")), moved[p.name], critical[p.name])
        for p in parts
    )
    return Reuse(
        child_loss=line.line[-1][1],
        parent_loss=line.line[0][1],
        sentences=sum(len(batch["source"]) for batch in batches),
        layers=tuple((layer.name, cka[layer.name]) for layer in layers_of(child)),
        modules=modules,
        agreement=agreement(_readings(modules)),
        barrier=line,
        seconds=time.monotonic() - began,
    )


def _similar(
    child: nn.Module, parent: Weights, batches: Sequence[Batch], pad: int, probe: Probe
) -> dict[str, float]:
    """CKA by module and by layer: their names differ, unless modules are layers."""
    watched = {p.name: p for p in (*parts_of(child, probe.granularity), *layers_of(child))}
    parts = tuple(watched.values())

    def read() -> Any:
        return states_of(child, parts, batches, pad=pad, limit=probe.row_limit, rows=probe.rows)

    of_child = read()
    with kept(child):
        put(child, parent)
        return similarities(read(), of_child)


def _readings(modules: Sequence[ModuleReading]) -> dict[str, dict[str, float]]:
    """In each, more is more changed."""
    return {
        "dissimilarity (1 - CKA)": {m.name: 1 - m.cka for m in modules},
        "relative distance": {m.name: m.moved.relative for m in modules},
        "rewind cost": {m.name: m.criticality.rewind_cost for m in modules},
    }
