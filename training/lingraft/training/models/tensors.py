"""Examples as PyTorch tensors, padded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lingraft.training.data.batches import BatchPlan, Corpus, Ids, epoch_batches

_MEASURE_TOKENS = 4096
IGNORED = -100  # PyTorch's label for positions without a target


def collate(corpus: Corpus, indices: NDArray[np.int64], pad: int) -> dict[str, Tensor]:
    """Tensors of a batch: source [B,S], decoder_input [B,T] (starts with `pad`), labels [B,T]."""
    sources = [corpus.source(int(i)) for i in indices]
    targets = [corpus.target(int(i)) for i in indices]
    starts = [np.concatenate([[pad], target[:-1]]) for target in targets]
    return {
        "source": pad_rows(sources, pad),
        "decoder_input": pad_rows(starts, pad),
        "labels": pad_rows(targets, IGNORED),
    }


def targets(batch: Mapping[str, Tensor]) -> int:
    """Targets in a batch, by which its loss is divided."""
    return int((batch["labels"] != IGNORED).sum())


def pad_rows(rows: Sequence[Ids], fill: int) -> Tensor:
    """Rows of different length as one int64 tensor [rows, longest]."""
    table = np.full((len(rows), max(map(len, rows))), fill, dtype=np.int64)
    for line, row in zip(table, rows, strict=True):
        line[: len(row)] = row
    return torch.from_numpy(table)


def all_batches(corpus: Corpus, pad: int) -> list[dict[str, Tensor]]:
    """A small corpus as batches, each example once; for measuring, not for training."""
    plan = BatchPlan(_MEASURE_TOKENS, (1.0,) * (int(corpus.group.max()) + 1), seed=0)
    return [collate(corpus, indices, pad) for indices in epoch_batches(corpus, plan, epoch=0)]
