"""A child that differs from its parent where a test says so, and dev text to measure it on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lingraft.training.data.batches import Corpus
from lingraft.training.models.classifier import ClassificationLoss, SequenceClassifier
from lingraft.training.models.marian import TranslationLoss, new_model
from lingraft.training.models.tensors import all_batches
from lingraft.training.recipe.settings import Shape

PAD = 19
SHAPE = Shape(
    d_model=16,
    ffn=16,
    heads=2,
    encoder_layers=2,
    decoder_layers=1,
    dropout=0.2,
    max_positions=16,
)

Batches = list[dict[str, Tensor]]


@pytest.fixture(scope="session")
def batches() -> Batches:
    """40 pairs whose target is the source backwards, in several batches."""
    random = np.random.default_rng(1)
    rows = [random.integers(2, PAD, random.integers(2, 9)).tolist() for _ in range(40)]
    corpus = Corpus([([*row, 0], [*row[::-1], 0]) for row in rows], [0] * 40)
    return all_batches(corpus, PAD)


@pytest.fixture(scope="session")
def labelled(batches: Batches) -> Batches:
    """The same sources, each with a label by its second piece."""
    return [
        {"source": batch["source"], "labels": (batch["source"][:, 1:2] % 3).clone()}
        for batch in batches
    ]


@pytest.fixture
def translator() -> TranslationLoss:
    """A tiny translation model, in training mode as the loop leaves it."""
    return TranslationLoss(new_model(SHAPE, PAD + 1, seed=1), 0.1)


@pytest.fixture
def classifier() -> ClassificationLoss:
    """A tiny classifier."""
    torch.manual_seed(2)
    encoder = new_model(SHAPE, PAD + 1, seed=1).model.encoder
    return ClassificationLoss(SequenceClassifier(encoder, 3, PAD, 0.1), 0.0)


@pytest.fixture(scope="session")
def trained() -> Callable[..., None]:
    """Trains a loss module for some steps on batches, in place; the seed decides its dropout."""

    def train(
        module: nn.Module, batches: Sequence[dict[str, Tensor]], steps: int, seed: int = 3
    ) -> None:
        optimizer = torch.optim.Adam(module.parameters(), lr=2e-2)
        torch.manual_seed(seed)
        for step in range(steps):
            batch = batches[step % len(batches)]
            loss, _ = module(batch)
            (loss / len(batch["source"])).backward()
            optimizer.step()
            optimizer.zero_grad()

    return train
