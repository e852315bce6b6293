"""The wide part of a classifier: a linear model of a text's letters beside the encoder.

Wide and deep (Cheng et al. 2016, arXiv 1606.07792): words and parts of words, which a small encoder
blurs and a linear model learns from a few texts, are counted; what must generalise is the
encoder's. N-grams are hashed as in fastText (Joulin et al. 2017).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import embedding_bag

from lingraft.training.vocabulary.words import WordNGrams


class WideTable(nn.Module):
    """Logits as the sum of the rows of a text's n-grams, each times its share.

    `table` [buckets, labels] is fitted beforehand (`experiment/counting.py`) and a buffer, no
    parameter: gradient steps leave it alone.
    """

    table: Tensor

    def __init__(self, words: WordNGrams, table: Tensor, pad: int) -> None:
        super().__init__()
        self.words = words
        self._pad = pad
        self.register_buffer("table", table)

    def known(self, source: Tensor) -> Tensor:
        """The share [B, 1] of each text's pieces that are no single bytes, of padded ids [B, S].

        An encoder has read hardly a text of bytes: what it says of one is worth as little.
        """
        shares = [self.words.spelling.known(row) for row in self._texts(source)]
        return torch.tensor(shares, device=self.table.device).to(self.table)[:, None]

    def forward(self, source: Tensor) -> Tensor:
        """Logits [B, labels] of padded ids [B, S]."""
        found = map(self.words.shares, self._texts(source))
        buckets, shares = zip(*found, strict=True)
        starts = np.cumsum([0, *map(len, buckets[:-1])])
        return embedding_bag(
            torch.from_numpy(np.concatenate(buckets)).to(self.table.device),
            self.table,
            torch.from_numpy(starts).to(self.table.device),
            per_sample_weights=torch.from_numpy(np.concatenate(shares)).to(self.table),
            mode="sum",
        )

    def _texts(self, source: Tensor) -> list[NDArray[np.int64]]:
        rows = source.cpu().numpy()
        return [row[row != self._pad] for row in rows]
