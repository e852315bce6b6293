"""How often an epoch visits each data source, by temperature (Arivazhagan et al. 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lingraft.training.errors import DataError
from lingraft.training.recipe.instances import Mixing

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Mixed:
    """Visits of each example in an epoch, by source, as `BatchPlan.weights` takes them.

    shares: what part of an epoch's examples comes from each source, once whole examples are taken.
    parent_share: the sum of the shares of parent sources.
    """

    weights: tuple[float, ...]
    shares: tuple[float, ...]
    parent_share: float


def mix(sizes: Sequence[int], parent: Sequence[bool], rule: Mixing) -> Mixed:
    """Weights of sources of `sizes` examples, those marked in `parent` being the parent's.

    The rule's `parent_share` divides the mix between the parent's sources and the others; inside
    each kind, and without it, the temperature decides. An epoch is as long as one visit of all
    examples that are not the parent's would take, and each source gives it one example at least.

    Raises:
        DataError: a source has no example, or a share is wanted where one kind has no source.
    """
    n, mine = np.asarray(sizes, np.float64), np.asarray(parent, np.bool_)
    _require_sources(n, mine, rule)
    wanted = _wanted(n, mine, rule)
    child = ~mine if not mine.all() else mine  # a parent's own training has no child
    epoch = n[child].sum() / wanted[child].sum()
    weights = np.maximum(wanted * epoch, 1) / n
    shares = _taken(weights, n)
    shares /= shares.sum()
    return Mixed(tuple(weights.tolist()), tuple(shares.tolist()), float(shares[mine].sum()))


def _require_sources(n: Floats, mine: NDArray[np.bool_], rule: Mixing) -> None:
    if not len(n) or (n < 1).any():
        raise DataError("every source of a mix must have an example; take the empty ones out")
    if rule.parent_share is not None and (mine.all() or not mine.any()):
        kind = "but the parent's" if mine.all() else "of the parent's"
        raise DataError(
            f"mixing.parent_share is {rule.parent_share}, and no source {kind} is given: "
            "give one, or take parent_share out"
        )


def _wanted(n: Floats, mine: NDArray[np.bool_], rule: Mixing) -> Floats:
    """The share of each source in the mix."""
    # Logarithms, so that no power overflows; 1/inf is 0, which gives all the same.
    shares = np.exp((np.log(n) - np.log(n.max())) / rule.temperature)
    if rule.parent_share is None:
        return np.asarray(shares / shares.sum())
    for kind, share in ((mine, rule.parent_share), (~mine, 1 - rule.parent_share)):
        shares[kind] *= share / shares[kind].sum()
    return np.asarray(shares)


def _taken(weights: Floats, n: Floats) -> Floats:
    """Examples that `epoch_batches` takes of each source: whole visits and a rounded rest."""
    return np.floor(weights) * n + np.round(weights % 1 * n)
