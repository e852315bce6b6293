"""Rows of a child's pieces: copied, mixed from the parent's, or drawn at its scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from lingraft.training.recipe.pieces import Rows
from lingraft.training.vocabulary.align import normalised
from lingraft.training.vocabulary.codec import Codec
from lingraft.training.vocabulary.matching import NO_ROW, matches, tags

Csr = Any  # scipy has no types


@dataclass(frozen=True)
class Mixture:
    """How the child's rows are made of the parent's.

    weights: [child pieces, parent pieces], sparse; each row sums to 1, or is empty where the
        child's row is drawn at random. Padding is on neither side.
    aligned: child ids with an aligned average.
    copied, tags, random: how many rows are copied, the mean of the parent's tags, or drawn.
    """

    weights: Csr
    aligned: tuple[int, ...]
    copied: int
    tags: int
    random: int

    def counts(self) -> dict[str, int]:
        """Rows by how they began; their sum is the child's number of pieces."""
        return {
            "copied": self.copied,
            "aligned": len(self.aligned),
            "mean_of_tags": self.tags,
            "random": self.random,
        }


def mixture(
    parent: Codec, child: Codec, rows: Rows, alignment: Csr | None = None, temperature: float = 1.0
) -> Mixture:
    """Who gets which row: a match first, then the mean of tags or of aligned rows.

    A tag that the parent lacks is none of the text's pieces, so it begins as the mean of the
    parent's tags whatever `rows` says; without any it is drawn.

    Args:
        parent: the parent's codec.
        child: the child's codec.
        rows: see `recipe.pieces`.
        alignment: [child pieces, parent pieces] probabilities, for rows = "align".
        temperature: weights are probabilities to the power of 1/temperature.
    """
    copies = matches(parent, child, rows)
    bare = np.flatnonzero(copies == NO_ROW)
    new_tags = np.intersect1d(bare, tags(child))
    parts = [_copied(copies, parent.pad), _mean_of(tags(parent), new_tags, copies.size, parent.pad)]
    aligned = np.array([], np.int64)
    if alignment is not None:
        sharpened = normalised(sparse.csr_array(alignment).power(1 / temperature))
        free = np.setdiff1d(bare, new_tags)
        aligned = free[np.diff(sharpened.indptr)[free] > 0]
        parts.append(_only(sharpened, aligned))
    weights = sparse.csr_array(sum(parts[1:], start=parts[0]))
    filled = np.diff(weights.indptr) > 0
    return Mixture(
        weights=weights,
        aligned=tuple(int(i) for i in aligned),
        copied=int((copies != NO_ROW).sum()),
        tags=int(filled[new_tags].sum()),
        random=int((~filled).sum()),
    )


def new_rows(old: NDArray[Any], mixed: Mixture, seed: Sequence[int]) -> NDArray[np.float32]:
    """The child's rows [child pieces + 1, width]; the last one, padding, is zero.

    Rows without weights are drawn from the normal distribution with the mean and the covariance of
    the parent's rows (Hewitt 2021).

    Args:
        old: the parent's rows [parent pieces + 1, width], padding last.
        mixed: who gets which row.
        seed: of the draws.
    """
    own = old[:-1].astype(np.float64)
    made = np.asarray(mixed.weights @ own)
    empty = np.flatnonzero(np.diff(mixed.weights.indptr) == 0)
    made[empty] = _draw(own, len(empty), seed)
    return np.vstack([made, np.zeros((1, old.shape[1]))]).astype(np.float32)


def _draw(own: NDArray[np.float64], count: int, seed: Sequence[int]) -> NDArray[np.float64]:
    mean = own.mean(axis=0)
    spread = np.atleast_2d(np.cov(own, rowvar=False))
    values, vectors = np.linalg.eigh(spread)
    noise = np.random.default_rng(seed).standard_normal((count, own.shape[1]))
    return np.asarray(mean + (noise * np.sqrt(values.clip(min=0))) @ vectors.T)


def _copied(copies: NDArray[np.int64], width: int) -> Csr:
    to = np.flatnonzero(copies != NO_ROW)
    ones = np.ones(len(to))
    return sparse.coo_array((ones, (to, copies[to])), (copies.size, width)).tocsr()


def _mean_of(from_: Sequence[int], to: NDArray[np.int64], height: int, width: int) -> Csr:
    shares = np.full(len(to) * len(from_), 1 / max(len(from_), 1))
    places = (np.repeat(to, len(from_)), np.tile(np.array(from_, np.int64), len(to)))
    return sparse.coo_array((shares, places), (height, width)).tocsr()


def _only(weights: Csr, rows: NDArray[np.int64]) -> Csr:
    keep = np.zeros(weights.shape[0])
    keep[rows] = 1
    chosen = sparse.csr_array(sparse.diags_array(keep) @ weights)
    chosen.eliminate_zeros()
    return chosen
