"""Models with two layers on each side, so small that a test may have several."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from lingraft.training.models.classifier import ClassificationLoss, SequenceClassifier
from lingraft.training.models.marian import TranslationLoss, freeze_padding_row, new_model
from lingraft.training.models.tensors import pad_rows
from lingraft.training.recipe.recipes import Shape
from lingraft.training.run.loop import Batch

SHAPE = Shape(d_model=8, ffn=8, heads=2, encoder_layers=2, decoder_layers=2, max_positions=16)


@pytest.fixture
def make_module() -> Callable[..., TranslationLoss]:
    """Makes a translation model of so many pieces, padding included, with its loss."""

    def make(pieces: int = 12, seed: int = 1) -> TranslationLoss:
        model = new_model(SHAPE, pieces, seed)
        freeze_padding_row(model)
        return TranslationLoss(model, smoothing=0.1)

    return make


@pytest.fixture
def make_classifier(make_module: Callable[..., TranslationLoss]) -> Callable[[], nn.Module]:
    """Makes a classifier of three labels on the encoder of such a model, with its loss."""

    def make() -> ClassificationLoss:
        encoder = make_module().model.model.encoder
        torch.manual_seed(1)
        return ClassificationLoss(SequenceClassifier(encoder, 3, 11, 0.0), 0.1)

    return make


@pytest.fixture
def batch() -> Batch:
    """Two pairs of sentences in a vocabulary of 12."""
    pad = 11
    return {
        "source": pad_rows([[3, 4, 5, 0], [6, 7, 0]], pad),
        "decoder_input": pad_rows([[pad, 5, 4], [pad, 7, 8]], pad),
        "labels": pad_rows([[5, 4, 0], [7, 8, 0]], -100),
    }
