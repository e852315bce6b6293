"""A classifier: a translation encoder, the mean of its states, a linear head, perhaps a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers.models.marian.modeling_marian import MarianEncoder

from lingraft.training.models.tensors import pad_rows
from lingraft.training.models.wide import WideTable

_BATCH = 64


class SequenceClassifier(nn.Module):
    """Logits of `labels` classes from source ids (pieces and eos, no language tag).

    wide: a table of the text's n-grams whose logits are added (`models/wide.py`), the head's being
        multiplied by the share of pieces that are no bytes; none in training, since it is fitted
        apart.
    """

    def __init__(self, encoder: MarianEncoder, labels: int, pad: int, dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(encoder.config.d_model, labels)
        self.pad = pad
        self._dropout = nn.Dropout(dropout)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)
        self.wide: WideTable | None = None

    def forward(self, source: Tensor) -> Tensor:
        """Logits [B, labels] of padded ids [B, S]."""
        real = source != self.pad
        states = self.encoder(
            input_ids=source, attention_mask=real.long()
        ).last_hidden_state.float()
        head: Tensor = self.head(self._dropout(mean_state(states, real)))
        return head if self.wide is None else head * self.wide.known(source) + self.wide(source)

    @torch.no_grad()
    def count(self, wide: WideTable, weight: float) -> None:
        """Add a table's logits from now on, and multiply the head's by `weight`."""
        self.wide = wide.to(self.head.weight.device)
        self.head.weight.mul_(weight)
        self.head.bias.mul_(weight)


def mean_state(states: Tensor, real: Tensor) -> Tensor:
    """Mean [B, D] of the states [B, S, D] at positions that are `real` [B, S]."""
    mask = real.unsqueeze(2).float()
    return (states * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1.0)


class ClassificationLoss(nn.Module):
    """A classifier and its training loss as one module, so that Accelerate can wrap both."""

    def __init__(self, model: SequenceClassifier, smoothing: float) -> None:
        super().__init__()
        self.model = model
        self._smoothing = smoothing

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Sums over the batch, in nats: smoothed loss, plain negative log-likelihood.

        batch: source [B,S] padded with the padding id, labels [B,1].
        """
        logits = self.model(batch["source"]).float()
        labels = batch["labels"].squeeze(1)
        smoothed = cross_entropy(logits, labels, label_smoothing=self._smoothing, reduction="sum")
        with torch.no_grad():
            plain = cross_entropy(logits, labels, reduction="sum")
        return smoothed, plain


def predict(model: SequenceClassifier, rows: Sequence[Sequence[int]]) -> list[int]:
    """The most probable class of each row of source ids."""
    return [int(best) for best in logits(model, rows).argmax(axis=1)]


@torch.no_grad()
def logits(model: SequenceClassifier, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
    """Logits [rows, labels] of rows of source ids; the model's mode is left as it was."""
    training = model.training
    model.eval()
    device = model.head.weight.device
    results = np.zeros((len(rows), model.head.out_features), dtype=np.float32)
    # By length, so that a batch has little padding.
    order = sorted(range(len(rows)), key=lambda place: len(rows[place]))
    for start in range(0, len(rows), _BATCH):
        places = order[start : start + _BATCH]
        batch = pad_rows([rows[place] for place in places], model.pad).to(device)
        results[places] = model(batch).float().cpu().numpy()
    model.train(training)
    return results
