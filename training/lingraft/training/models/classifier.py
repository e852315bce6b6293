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
from lingraft.training.vocabulary.ngrams import NGrams

_BATCH = 64


class SequenceClassifier(nn.Module):
    """Logits of `labels` classes from source ids (pieces and eos, no language tag).

    With `ngrams`, the logits of a table of the text's n-grams are added (`models/wide.py`).
    """

    def __init__(
        self,
        encoder: MarianEncoder,
        labels: int,
        pad: int,
        dropout: float,
        ngrams: NGrams | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(encoder.config.d_model, labels)
        self.pad = pad
        self._dropout = nn.Dropout(dropout)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)
        self.wide = WideTable(ngrams, labels, pad) if ngrams else None

    def forward(self, source: Tensor) -> Tensor:
        """Logits [B, labels] of padded ids [B, S]."""
        head, table = self.parts(source)
        return head if table is None else head + table

    def parts(self, source: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits [B, labels] of the head, and of the table where there is one."""
        real = source != self.pad
        states = self.encoder(
            input_ids=source, attention_mask=real.long()
        ).last_hidden_state.float()
        head: Tensor = self.head(self._dropout(mean_state(states, real)))
        return head, None if self.wide is None else self.wide(source)


def mean_state(states: Tensor, real: Tensor) -> Tensor:
    """Mean [B, D] of the states [B, S, D] at positions that are `real` [B, S]."""
    mask = real.unsqueeze(2).float()
    return (states * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1.0)


class ClassificationLoss(nn.Module):
    """A classifier and its training loss as one module, so that Accelerate can wrap both.

    Encoder and table learn apart, each from a loss of its own, and are added up (a product of
    experts: Hinton 2002). Together, whichever learns a text first leaves the other no gradient: the
    encoder learns a few hundred by heart, and the table then scored 53 instead of 58 (macro-F1,
    English topics, 500 rows).
    """

    def __init__(self, model: SequenceClassifier, smoothing: float) -> None:
        super().__init__()
        self.model = model
        self._smoothing = smoothing

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Sums over the batch, in nats: smoothed loss, of each part for itself, and the plain
        negative log-likelihood of both together.

        batch: source [B,S] padded with the padding id, labels [B,1].
        """
        head, table = self.model.parts(batch["source"])
        labels = batch["labels"].squeeze(1)
        smoothed = self._smoothed(head, labels)
        if table is not None:
            smoothed = smoothed + self._smoothed(table, labels)
        with torch.no_grad():
            logits = head if table is None else head + table
            plain = cross_entropy(logits.float(), labels, reduction="sum")
        return smoothed, plain

    def _smoothed(self, logits: Tensor, labels: Tensor) -> Tensor:
        smoothing = self._smoothing
        return cross_entropy(logits.float(), labels, label_smoothing=smoothing, reduction="sum")


@torch.no_grad()
def weigh_parts(model: SequenceClassifier, head: float, table: float) -> None:
    """Multiply the logits of either part from now on."""
    assert model.wide is not None
    for parameter, weight in (
        (model.head.weight, head),
        (model.head.bias, head),
        (model.wide.table, table),
    ):
        parameter.mul_(weight)


def predict(model: SequenceClassifier, rows: Sequence[Sequence[int]]) -> list[int]:
    """The most probable class of each row of source ids."""
    return [int(best) for best in logits(model, rows).argmax(axis=1)]


def logits(model: SequenceClassifier, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
    """Logits [rows, labels] of rows of source ids; the model's mode is left as it was."""
    return np.asarray(part_logits(model, rows).sum(axis=0))


@torch.no_grad()
def part_logits(model: SequenceClassifier, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
    """As `logits`, for each part: [parts, rows, labels], the head's first."""
    training = model.training
    model.eval()
    device = model.head.weight.device
    parts = 1 if model.wide is None else 2
    results = np.zeros((parts, len(rows), model.head.out_features), dtype=np.float32)
    # By length, so that a batch has little padding.
    order = sorted(range(len(rows)), key=lambda place: len(rows[place]))
    for start in range(0, len(rows), _BATCH):
        places = order[start : start + _BATCH]
        batch = pad_rows([rows[place] for place in places], model.pad).to(device)
        for part, found in zip(results, model.parts(batch), strict=False):
            if found is not None:
                part[places] = found.float().cpu().numpy()
    model.train(training)
    return results
