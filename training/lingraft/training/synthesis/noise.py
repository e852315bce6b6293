"""Noise over units of pieces: order, loss and masks. All of it draws from the generator given."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lingraft.training.recipe.synthesis import Denoising, MaskedLm

Unit = Sequence[int]  # the pieces of a word, or one piece


def noised(
    units: Sequence[Unit], settings: Denoising, mask: int, random: np.random.Generator
) -> list[int]:
    """Pieces of `units` shuffled, thinned and masked, in this order."""
    order = local_shuffle(len(units), settings.shuffle_distance, random)
    kept = thinned(len(order), settings.drop, random)
    moved = [units[i] for i in order[kept]]
    return infilled(moved, settings.mask_share, settings.span_mean, mask, random)


def local_shuffle(size: int, distance: int, random: np.random.Generator) -> NDArray[np.int64]:
    """A permutation that moves nothing by more than `distance` places (Lample et al. 2018)."""
    # Sorting i + U(0, k + 1): what stands k + 1 places behind can never overtake.
    return np.argsort(np.arange(size) + random.uniform(0, distance + 1, size), kind="stable")


def thinned(size: int, share: float, random: np.random.Generator) -> NDArray[np.int64]:
    """Indices of what is left when each is dropped with probability `share`; at least one is."""
    kept = np.flatnonzero(random.random(size) >= share)
    return kept if len(kept) or not size else random.integers(0, size, 1)


def infilled(
    units: Sequence[Unit], share: float, mean: float, mask: int, random: np.random.Generator
) -> list[int]:
    """Pieces of `units`, `share` of them hidden in spans that leave one `mask` each.

    Span lengths follow a Poisson law; one of length 0 puts a mask between two units (Lewis et al.
    2020, text infilling). Exactly the share is hidden, its fraction by chance.
    """
    spans = _spans(_count(len(units), share, random), mean, random)
    gaps = len(units) - sum(spans) + 1  # places among what is left
    if len(spans) > gaps:  # more spans than gaps to part them: the last ones grow together
        spans = [*spans[: gaps - 1], sum(spans[gaps - 1 :])]
    places = np.sort(random.choice(gaps, len(spans), replace=False)).tolist()
    result: list[int] = []
    read = 0
    for number, (place, length) in enumerate(zip(places, spans, strict=True)):
        start = place + sum(spans[:number])
        result.extend(piece for unit in units[read:start] for piece in unit)
        result.append(mask)
        read = start + length
    return [*result, *(piece for unit in units[read:] for piece in unit)]


def _count(size: int, share: float, random: np.random.Generator) -> int:
    """`share` of `size`, rounded up or down so that the mean over many is exact."""
    return int(size * share + random.random())


def _spans(budget: int, mean: float, random: np.random.Generator) -> list[int]:
    spans: list[int] = []
    while budget:
        length = min(int(random.poisson(mean)), budget)
        spans.append(length)
        budget -= length
    return spans


def masked(
    pieces: NDArray[np.int32],
    settings: MaskedLm,
    mask: int,
    others: NDArray[np.int32],
    random: np.random.Generator,
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """What is shown of `pieces`, and which of them are to be predicted: at least one.

    Args:
        pieces: [n] ids without eos, n at least 1.
        settings: the shares.
        mask: id that hides a piece.
        others: ids to draw from for those that are shown as another piece.
        random: where all chance comes from.
    """
    count = max(1, _count(len(pieces), settings.share, random))
    chosen = random.choice(len(pieces), count, replace=False)
    fates = random.random(count)
    shown = pieces.copy()
    swap = fates < settings.random
    hide = fates >= settings.random + settings.keep
    shown[chosen[swap]] = random.choice(others, int(swap.sum()))
    shown[chosen[hide]] = mask
    wanted = np.zeros(len(pieces), dtype=np.bool_)
    wanted[chosen] = True
    return shown, wanted
