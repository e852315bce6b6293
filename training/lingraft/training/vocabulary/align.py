"""Which parent pieces a child's piece stands for, learnt from parallel text.

IBM model 1 (Brown et al. 1993) over pieces, with a null word, trained by EM in both directions. The
two are made one by the geometric mean of their expected counts: a link that one direction denies is
no link (after Liang et al. 2006, "Alignment by agreement"). What the counts are for is
trans-tokenization (Remy et al. 2024): a child's row is the mean of parent rows by these weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Ids = Sequence[int]
Csr = Any  # scipy has no types: a scipy.sparse.csr_array
_ROUNDS = 6
# Pairs of pieces that share a sentence pair: a bound on memory, about 45 bytes each at the worst
# moment. So many stand in about 28,000 Bible verses; half of them took 7 seconds on one core.
_MOST_LINKS = 32_000_000


@dataclass(frozen=True)
class Alignment:
    """What aligning gave.

    weights: [child pieces, parent pieces], sparse; each row sums to 1, or is empty when nothing
        aligns with the piece.
    child_given_parent, parent_given_child: the text's log-likelihood in nats before every round.
    sentences: pairs that were used.
    """

    weights: Csr
    child_given_parent: tuple[float, ...]
    parent_given_child: tuple[float, ...]
    sentences: int


def align(
    pairs: Sequence[tuple[Ids, Ids]],
    child_size: int,
    parent_size: int,
    *,
    rounds: int = _ROUNDS,
    most_links: int = _MOST_LINKS,
) -> Alignment:
    """Align the pieces of sentence pairs (child ids, parent ids), specials left out.

    Of more text than `most_links` allows, evenly spread pairs are used.
    """
    pairs = [pair for pair in pairs if pair[0] and pair[1]]
    child = _bags([here for here, _ in pairs], child_size)
    parent = _bags([there for _, there in pairs], parent_size)
    links = int((np.diff(child.indptr).astype(np.int64) * np.diff(parent.indptr)).sum())
    step = max(-(-links // most_links), 1)
    child, parent = child[::step], parent[::step]
    forward, up = ibm1(child, parent, rounds)
    backward, down = ibm1(parent, child, rounds)
    agreed = forward.multiply(backward.T).sqrt().tocsr()
    return Alignment(normalised(agreed), up, down, child.shape[0])


def ibm1(child: Csr, parent: Csr, rounds: int) -> tuple[Csr, tuple[float, ...]]:
    """Expected counts of (child piece, parent piece) under IBM model 1, by EM.

    Args:
        child: [sentences, child pieces], how often each piece is in each sentence; none is empty.
        parent: [sentences, parent pieces], likewise.
        rounds: of EM, from uniform probabilities.

    Returns:
        Counts [child pieces, parent pieces], null left out, and the log-likelihood before every
        round, in nats; it never falls.
    """
    null = sparse.csr_array(np.ones((parent.shape[0], 1)))
    parent = sparse.hstack([parent, null], format="csr")
    links = _link(child, parent)
    givers = links.cells % parent.shape[1]
    probability = np.full(len(links.cells), 1.0 / child.shape[1])  # t(child piece | parent piece)
    counts, likelihoods = probability, []
    for _ in range(rounds):
        counts, likelihood = links.expect(probability)
        likelihoods.append(likelihood)
        probability = counts / np.bincount(givers, counts, parent.shape[1])[givers]
    takers = links.cells // parent.shape[1]
    table = sparse.coo_array((counts, (takers, givers)), (child.shape[1], parent.shape[1]))
    return table.tocsr()[:, :-1], tuple(likelihoods)


def normalised(weights: Csr) -> Csr:
    """`weights` with rows that sum to 1; empty ones stay empty."""
    sums = np.asarray(weights.sum(axis=1)).ravel()
    scale = np.divide(1.0, sums, out=np.zeros_like(sums), where=sums > 0)
    result = sparse.csr_array(sparse.diags_array(scale) @ weights)
    result.eliminate_zeros()
    return result


def _bags(sentences: Sequence[Ids], size: int) -> Csr:
    """[sentences, size]: how often each id is in each sentence."""
    lengths = [len(ids) for ids in sentences]
    rows = np.repeat(np.arange(len(sentences)), lengths)
    columns = np.fromiter((i for ids in sentences for i in ids), np.int64, sum(lengths))
    ones = np.ones(len(columns))
    return sparse.coo_array((ones, (rows, columns)), (len(sentences), size)).tocsr()


@dataclass(frozen=True)
class _Links:
    """Every pair of a child's and a parent's piece that share a sentence pair.

    Runs of links belong to one child piece in one sentence ("slot").

    cells: [cells] the different pairs, child piece x parent pieces + parent piece.
    cell: [links] index into `cells`.
    times: [links] how often the parent's piece is in the sentence.
    begin, length: [slots] where a slot's links begin, and how many there are.
    repeats: [slots] how often the child's piece is in the sentence.
    words: [slots] the parent sentence's length, null counted.
    """

    cells: NDArray[np.int64]
    cell: NDArray[np.int32]
    times: NDArray[np.float32]
    begin: NDArray[np.int64]
    length: NDArray[np.int64]
    repeats: NDArray[np.float64]
    words: NDArray[np.float64]

    def expect(self, probability: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
        """Expected count of every cell, and the log-likelihood, under t = `probability` [cells]."""
        mass = probability[self.cell]
        mass *= self.times
        total = np.add.reduceat(mass, self.begin)
        mass *= np.repeat(self.repeats / total, self.length)
        likelihood = float(self.repeats @ np.log(total / self.words))
        counts = np.bincount(self.cell, mass, len(self.cells)).astype(np.float64, copy=False)
        return counts, likelihood


def _link(child: Csr, parent: Csr) -> _Links:
    sentence = np.repeat(np.arange(child.shape[0]), np.diff(child.indptr))  # of every slot
    length = np.diff(parent.indptr).astype(np.int64)[sentence]
    begin = np.cumsum(length) - length
    first = parent.indptr.astype(np.int64)[sentence]
    entry = np.arange(length.sum()) - np.repeat(begin - first, length)  # of `parent`, every link
    times = parent.data.astype(np.float32)[entry]
    narrow = child.shape[1] * parent.shape[1] < 2**31  # saves a third of the memory
    kind = np.int32 if narrow else np.int64
    keys = np.repeat(child.indices.astype(kind) * kind(parent.shape[1]), length)
    keys += parent.indices[entry].astype(kind)
    del entry
    cells, cell = np.unique(keys, return_inverse=True)
    words = np.asarray(parent.sum(axis=1)).ravel()
    return _Links(
        cells=cells.astype(np.int64),
        cell=cell.astype(np.int32),
        times=times,
        begin=begin,
        length=length,
        repeats=child.data,
        words=words[sentence],
    )
