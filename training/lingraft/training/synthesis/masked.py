"""Masked language modelling: an encoder goes on learning from target text before it classifies.

Its states name the hidden pieces through the embeddings it reads with (Devlin et al. 2019). A layer
between, linear where theirs has a GELU, lets states be more than names of pieces; it is thrown away
afterwards: `SequenceClassifier` takes the encoder alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers.models.marian.modeling_marian import MarianEncoder

from lingraft.training.data.batches import Corpus
from lingraft.training.data.corpora import Row
from lingraft.training.models.loss import tied_cross_entropy
from lingraft.training.models.marian import in_autocast_type
from lingraft.training.models.tensors import IGNORED, pad_rows
from lingraft.training.recipe.synthesis import MaskedLm, Monolingual
from lingraft.training.run.loop import Batch, Collate
from lingraft.training.synthesis.noise import masked
from lingraft.training.synthesis.renewed import generator
from lingraft.training.synthesis.texts import Weights, mask_id, ordinary, text_corpus
from lingraft.training.vocabulary.codec import EOS, Codec


def masked_corpus(
    sources: Sequence[Monolingual], rows: Sequence[Sequence[Row]], codec: Codec, max_tokens: int
) -> tuple[Corpus, Weights]:
    """Ids of monolingual text as the classifier reads it, pieces and eos, on both sides.

    Raises:
        DataError: no text is short enough.
    """

    def encode(text: str, language: str) -> tuple[list[int], list[int]]:
        ids = codec.encode_target(text, language)
        return ids, ids

    return text_corpus(sources, rows, encode, max_tokens)


@dataclass(frozen=True)
class Masker:
    """A corpus with hidden pieces, the same ones for the same (seed, epoch, example)."""

    corpus: Corpus
    codec: Codec
    settings: MaskedLm
    seed: int

    def collate(self, epoch: int) -> Collate:
        """How a batch of `epoch` is made: source [B,S], labels [B,S], -100 where none is due."""

        def make(indices: NDArray[np.int64]) -> Batch:
            sources, labels = zip(*(self.example(epoch, int(i)) for i in indices), strict=True)
            return {
                "source": pad_rows(sources, self.codec.pad),
                "labels": pad_rows(labels, IGNORED),
            }

        return make

    def example(self, epoch: int, example: int) -> tuple[list[int], list[int]]:
        """What is shown of `example` in `epoch`, eos last, and the label of each position."""
        pieces = self.corpus.source(example)[:-1]
        random = generator(self.seed, epoch, example)
        shown, wanted = masked(pieces, self.settings, self._mask, self._others, random)
        labels = np.where(wanted, pieces, IGNORED)
        return [*shown.tolist(), EOS], [*labels.tolist(), IGNORED]

    @cached_property
    def _mask(self) -> int:
        return mask_id(self.codec, self.settings.mask_piece)

    @cached_property
    def _others(self) -> NDArray[np.int32]:
        return ordinary(self.codec)


class MaskedLmLoss(nn.Module):
    """An encoder and its masked-LM loss as one module, so that Accelerate can wrap both."""

    def __init__(self, encoder: MarianEncoder, pad: int, smoothing: float = 0.0) -> None:
        super().__init__()
        self.encoder = encoder
        width = encoder.config.d_model
        self.transform = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self._pad, self._smoothing = pad, smoothing
        # It begins as nothing: what the states already say of their pieces is there at the start.
        nn.init.eye_(self.transform.weight)
        nn.init.zeros_(self.transform.bias)

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Sums over the hidden pieces, in nats: smoothed loss, plain negative log-likelihood.

        batch: source [B,S] padded with the padding id, labels [B,S] with -100 elsewhere.
        """
        source, labels = batch["source"], batch["labels"]
        states: Tensor = self.encoder(
            input_ids=source, attention_mask=(source != self._pad).long()
        ).last_hidden_state
        keep = labels != IGNORED
        hidden = self.norm(self.transform(states[keep]))
        return tied_cross_entropy(
            in_autocast_type(hidden),
            self.encoder.get_input_embeddings().weight,
            labels[keep],
            smoothing=self._smoothing,
            banned=self._pad,
        )
