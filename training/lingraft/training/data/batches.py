"""Token-budget batches of similar lengths, a pure function of (corpus, seed, epoch)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lingraft.training.errors import DataError

_POOL = 100  # batches' worth of examples sorted by length together: little padding, still random
_MOST_PADDED = 2  # padded positions for each that is counted: attention has memory for all of them

Ids = Sequence[int] | NDArray[np.int32]


class Corpus:
    """Id sequences of many examples, flat in memory.

    `source(i)` and `target(i)` are int32 arrays of ids; `group[i]` says which data source example
    `i` comes from. `lengths` [N] are those of longer sides, `source_lengths` [N] of sources.
    """

    def __init__(self, pairs: Iterable[tuple[Ids, Ids]], groups: Sequence[int]) -> None:
        sources, targets = [], []
        for source, target in pairs:
            sources.append(np.asarray(source, dtype=np.int32))
            targets.append(np.asarray(target, dtype=np.int32))
        self._source, self._target = _Flat(sources), _Flat(targets)
        self.group = np.asarray(groups, dtype=np.int32)
        self.source_lengths = self._source.lengths
        self.lengths = np.maximum(self._source.lengths, self._target.lengths)

    def __len__(self) -> int:
        return len(self.group)

    def source(self, index: int) -> NDArray[np.int32]:
        """Source ids of example `index`, tag first, eos last."""
        return self._source[index]

    def target(self, index: int) -> NDArray[np.int32]:
        """Target ids of example `index`, eos last."""
        return self._target[index]


class _Flat:
    def __init__(self, arrays: list[NDArray[np.int32]]) -> None:
        self.lengths = np.array([len(a) for a in arrays], dtype=np.int32)
        self._ends = np.cumsum(self.lengths, dtype=np.int64)
        self._ids = np.concatenate(arrays) if arrays else np.zeros(0, np.int32)

    def __getitem__(self, index: int) -> NDArray[np.int32]:
        end = self._ends[index]
        return self._ids[end - self.lengths[index] : end]


@dataclass(frozen=True)
class BatchPlan:
    """How an epoch is cut.

    tokens: positions of the longer side in one batch, padding not counted, and half as many as with
        padding, at most (a longer example is alone).
    weights: how often an epoch visits each data source (0.5: half of it, 2: twice).
    """

    tokens: int
    weights: tuple[float, ...]
    seed: int


def epoch_batches(corpus: Corpus, plan: BatchPlan, epoch: int) -> list[NDArray[np.int64]]:
    """Batches of example indices of one epoch, in training order.

    Raises:
        DataError: the weights leave no example.
    """
    random = np.random.default_rng([plan.seed, epoch])
    chosen = np.concatenate(
        [_choose(np.flatnonzero(corpus.group == g), w, random) for g, w in enumerate(plan.weights)]
    )
    if not len(chosen):
        raise DataError("the weights of the training data leave no example: raise one")
    random.shuffle(chosen)
    mean = float(corpus.lengths[chosen].mean())
    pool = max(1, int(_POOL * plan.tokens / mean))
    batches: list[NDArray[np.int64]] = []
    for start in range(0, len(chosen), pool):
        part = chosen[start : start + pool]
        # By the source alone: where all targets are equally long, a model learns where this batch
        # ends its sentences, and unlearns it with the next.
        order = np.argsort(corpus.source_lengths[part], kind="stable")
        batches.extend(_cut(part[order], corpus.lengths, plan.tokens))
    random.shuffle(batches)
    return batches


def _choose(
    indices: NDArray[np.int64], weight: float, random: np.random.Generator
) -> NDArray[np.int64]:
    whole, part = divmod(weight, 1)
    some = random.permutation(indices)[: round(part * len(indices))]
    return np.concatenate([np.tile(indices, int(whole)), some])


def _cut(
    ordered: NDArray[np.int64], lengths: NDArray[np.int32], budget: int
) -> Iterable[NDArray[np.int64]]:
    start, real, longest = 0, 0, 0
    for end, length in enumerate(lengths[ordered].tolist()):
        padded = max(longest, length) * (end + 1 - start)
        if end > start and (real + length > budget or padded > _MOST_PADDED * budget):
            yield ordered[start:end]
            start, real, longest = end, 0, 0
        real, longest = real + length, max(longest, length)
    if len(ordered):
        yield ordered[start:]
