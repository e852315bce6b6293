"""The wide part of a classifier: a linear model of hashed piece n-grams beside the encoder.

Wide and deep (Cheng et al. 2016, arXiv 1606.07792): single words and pairs, which a small encoder
blurs and a linear model learns from a few texts, are counted; what must generalise is the
encoder's. The n-grams are hashed as in fastText (Joulin et al. 2017).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag

from lingraft.training.vocabulary.ngrams import NGrams


class WideTable(nn.Module):
    """Logits as the sum of the rows of a text's n-grams, divided by the root of their number.

    The root, because that is the length of a vector of counts whose n-grams are all different: a
    text counts as in TF-IDF, which scales such vectors to length 1. The sum alone would let long
    texts outshout the encoder; the mean would silence what a long text says in one word.

    `table` [buckets, labels] is fitted beforehand (`experiment/counting.py`) and a buffer, no
    parameter: gradient steps leave it alone.
    """

    table: Tensor

    def __init__(self, ngrams: NGrams, table: Tensor, pad: int) -> None:
        super().__init__()
        self.ngrams = ngrams
        self._pad = pad
        self.register_buffer("table", table)

    def forward(self, source: Tensor) -> Tensor:
        """Logits [B, labels] of padded ids [B, S]; the end, each text's last, is not counted."""
        ends = (source != self._pad).sum(dim=1, keepdim=True) - 1
        places = torch.arange(source.shape[1], device=source.device)
        by_order = self.ngrams.by_order(source)
        inside = [places[order:] < ends for order in range(len(by_order))]  # by an n-gram's last
        real = torch.cat(inside, dim=1).to(self.table.dtype)
        shares = real / real.sum(dim=1, keepdim=True).clamp(min=1.0).sqrt()
        rows = torch.cat(by_order, dim=1)
        return embedding_bag(rows, self.table, per_sample_weights=shares, mode="sum")
