"""A run of the loop so small that a test may have several."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lingraft.training.adapt.origin import Origin
from lingraft.training.data.batches import Corpus
from lingraft.training.models.classifier import ClassificationLoss
from lingraft.training.models.marian import TranslationLoss, freeze_padding_row, new_model
from lingraft.training.models.tensors import collate
from lingraft.training.recipe.adaptation import Adaptation
from lingraft.training.recipe.recipes import Shape, Training
from lingraft.training.run.checkpoint import State
from lingraft.training.run.loop import Batch, Job, Score, run

PAD = 19
SHAPE = Shape(
    d_model=16,
    ffn=16,
    heads=2,
    encoder_layers=1,
    decoder_layers=1,
    dropout=0.2,
    attention_dropout=0.1,
    max_positions=16,
)
SETTINGS = Training(
    learning_rate=5e-3,
    warmup_steps=3,
    max_steps=12,
    batch_tokens=60,
    evaluate_every=4,
    save_every=3,
    average_last=2,
    precision="fp32",
    threads=1,
)

Module = TranslationLoss | ClassificationLoss


def _corpus() -> Corpus:
    random = np.random.default_rng(1)
    rows = [random.integers(2, PAD, random.integers(2, 9)).tolist() for _ in range(40)]
    return Corpus([([*row, 0], [*row[::-1], 0]) for row in rows], [0] * 40)


def _collate(corpus: Corpus, indices: NDArray[np.int64], seen: list[list[int]] | None) -> Batch:
    if seen is not None:
        seen.append(indices.tolist())
    return collate(corpus, indices, PAD)


@pytest.fixture
def make_module() -> Callable[[], TranslationLoss]:
    """Makes the same model, with its loss, again and again."""

    def make() -> TranslationLoss:
        model = new_model(SHAPE, PAD + 1, seed=1)
        freeze_padding_row(model)
        return TranslationLoss(model, smoothing=0.1)

    return make


@pytest.fixture
def train(
    tmp_path: Path, make_module: Callable[[], TranslationLoss]
) -> Callable[..., tuple[State, Module]]:
    """Runs the loop in a folder, 12 steps on 40 examples: the same again unless told otherwise.

    Dev scores rise by one with every evaluation; `seen` collects the indices of every batch.
    """
    pairs = _corpus()

    def go(
        folder: str = "run",
        score: Score | None = None,
        seed: int = 1,
        make: Callable[[], Module] = make_module,
        corpus: Corpus = pairs,
        seen: list[list[int]] | None = None,
        adaptation: Adaptation | None = None,
        origin: Origin | None = None,
        **settings: Any,
    ) -> tuple[State, Module]:
        module = make()
        job = Job(
            name="toy",
            folder=tmp_path / folder,
            corpus=corpus,
            weights=(1.0,),
            collate=lambda indices: _collate(corpus, indices, seen),
            count=lambda batch: int((batch["labels"] >= 0).sum()),
            score_name="score",
            settings=SETTINGS.model_copy(update=settings),
            seed=seed,
            identity=f"toy {seed} {settings}",
            adaptation=adaptation or Adaptation(),
            origin=origin or Origin(),
        )
        return run(job, module, score or map(float, count(1)).__next__), module

    return go
