"""The loop's jobs over pairs, and dev as batches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import MarianMTModel

from lingraft.training.data import corpora
from lingraft.training.data.batches import Corpus
from lingraft.training.data.corpora import Row
from lingraft.training.data.testsets import TestSet
from lingraft.training.experiment.starts import Start
from lingraft.training.experiment.texts import Data, mixed
from lingraft.training.models.marian import TranslationLoss
from lingraft.training.models.tensors import all_batches, collate, targets
from lingraft.training.recipe.identity import identity_of
from lingraft.training.recipe.recipes import GraftRecipe
from lingraft.training.recipe.settings import Pairs
from lingraft.training.run.loop import Batch, Collate, Job
from lingraft.training.vocabulary.codec import Codec, shorten


def pairs_job(
    start: Start,
    recipe: GraftRecipe,
    data: Data,
    sources: Sequence[Pairs],
    rows: Sequence[list[Row]],
    folder: Path,
) -> Job:
    """Training on pairs, and on the parent's sentences where the arm may see them.

    Args:
        start: how the arm begins.
        recipe: its training settings and seed are the job's.
        data: rehearsal, how it is mixed in, and dev.
        sources: where `rows` come from.
        rows: pairs of every source.
        folder: where the job's runs lie.
    """
    rehearsal, rehearsed = ([], []) if start.child_only else (recipe.rehearsal, data.rehearsal)
    texts, codec = [*rows, *rehearsed], start.codec
    most = recipe.training.max_tokens
    corpus, weights = corpora.training_corpus([*sources, *rehearsal], texts, codec, most)
    if rule := recipe.mixing:
        if start.child_only:  # nothing of the parent's to give its share to
            rule = rule.model_copy(update={"parent_share": None})
        weights = mixed(sources, rows, rehearsal, rehearsed, rule).weights
    return Job(
        name=start.name,
        folder=folder,
        corpus=corpus,
        weights=weights,
        collate=_collating(corpus, codec.pad, len(sources) if start.guide else None),
        count=targets,
        score_name="chrF++",
        settings=recipe.training,
        seed=recipe.seed,
        identity=pairs_identity(start, recipe, texts, data),
        adaptation=start.adaptation,
        origin=start.origin,
    )


def _collating(corpus: Corpus, pad: int, guided_from: int | None) -> Collate:
    """How batches are made; with groups from `guided_from` on told apart, as those of rehearsal."""

    def make(indices: NDArray[np.int64]) -> Batch:
        batch = collate(corpus, indices, pad)
        if guided_from is not None:
            batch["guided"] = torch.from_numpy(corpus.group[indices] >= guided_from)
        return batch

    return make


def loss_of(start: Start, model: MarianMTModel, smoothing: float) -> TranslationLoss:
    """The loss that an arm's model is trained with."""
    return TranslationLoss(model, smoothing, start.guide() if start.guide else None)


def pairs_identity(
    start: Start, recipe: GraftRecipe, texts: Sequence[Sequence[Row]], data: Data
) -> str:
    """What a resumed run of this arm shares with the one that began."""
    if not start.guide:  # to what is not guided, it is the same recipe
        recipe = recipe.model_copy(update={"rehearse": "references"})
    return identity_of(recipe, [*texts, *data.select_rows], start.sha256)


def dev_batches(tests: Sequence[TestSet], codec: Codec, limit: int) -> list[Batch]:
    """Held-out sentences with their references as targets."""
    pairs = [
        (
            shorten(codec.encode_source(source, t.source_language, t.target_language), limit),
            shorten(codec.encode_target(reference, t.target_language), limit),
        )
        for t in tests
        for source, reference in zip(t.sources, t.references, strict=True)
    ]
    return all_batches(Corpus(pairs, [0] * len(pairs)), codec.pad)
