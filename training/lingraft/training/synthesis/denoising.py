"""Denoising: a translation model learns a language by mending its sentences (Lewis et al. 2020).

The source is the language's own tag and the noised text, the target is the text: what the loop
knows as translation, through the same loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lingraft.training.data.batches import Corpus
from lingraft.training.data.corpora import Row
from lingraft.training.models.tensors import collate, pad_rows
from lingraft.training.recipe.synthesis import Denoising, Monolingual
from lingraft.training.run.loop import Batch, Collate
from lingraft.training.synthesis.noise import noised
from lingraft.training.synthesis.renewed import generator
from lingraft.training.synthesis.texts import Weights, mask_id, text_corpus, word_starts
from lingraft.training.vocabulary.codec import EOS, Codec, shorten


def denoising_corpus(
    sources: Sequence[Monolingual], rows: Sequence[Sequence[Row]], codec: Codec, max_tokens: int
) -> tuple[Corpus, Weights]:
    """Ids of monolingual text as (tag and text, text), and how often an epoch visits each source.

    Raises:
        ParentError: the vocabulary has no tag for a language.
        DataError: no text is short enough.
    """

    def encode(text: str, language: str) -> tuple[list[int], list[int]]:
        return codec.encode_source(text, language, language), codec.encode_target(text, language)

    return text_corpus(sources, rows, encode, max_tokens)


@dataclass(frozen=True)
class Denoiser:
    """A corpus whose sources are noised, the same way for the same (seed, epoch, example).

    corpus: sources [tag, pieces, eos], targets [pieces, eos].
    room: positions of the model; a source that masks make longer loses its end.
    groups: data sources to noise; None: all. The rest passes as it is, so that denoising and
        translation mix in one run (`texts.joined` makes one corpus of both).
    """

    corpus: Corpus
    codec: Codec
    settings: Denoising
    seed: int
    room: int
    groups: frozenset[int] | None = None

    def collate(self, epoch: int) -> Collate:
        """How a batch of `epoch` is made of its indices."""

        def make(indices: NDArray[np.int64]) -> Batch:
            batch = collate(self.corpus, indices, self.codec.pad)
            sources = [self.source(epoch, int(i)) for i in indices]
            return {**batch, "source": pad_rows(sources, self.codec.pad)}

        return make

    def source(self, epoch: int, example: int) -> list[int]:
        """Source ids of `example` in `epoch`: tag first, eos last, noise between."""
        tag, *pieces, _ = self.corpus.source(example).tolist()
        if self.groups is not None and int(self.corpus.group[example]) not in self.groups:
            return [tag, *pieces, EOS]
        random = generator(self.seed, epoch, example)
        noisy = noised(self._units(pieces), self.settings, self._mask, random)
        return shorten([tag, *noisy, EOS], self.room)

    def _units(self, pieces: list[int]) -> list[list[int]]:
        if self.settings.unit == "piece":
            return [[piece] for piece in pieces]
        units: list[list[int]] = []
        for piece in pieces:
            if self._starts[piece] or not units:
                units.append([])
            units[-1].append(piece)
        return units

    @cached_property
    def _starts(self) -> NDArray[np.bool_]:
        return word_starts(self.codec)

    @cached_property
    def _mask(self) -> int:
        return mask_id(self.codec, self.settings.mask_piece)
