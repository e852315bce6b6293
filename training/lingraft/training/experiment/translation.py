"""Training one arm of a translation experiment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from transformers import MarianMTModel

from lingraft.training.data import corpora
from lingraft.training.data.batches import Corpus
from lingraft.training.data.testsets import TestSet
from lingraft.training.experiment.measuring import Answerer
from lingraft.training.experiment.seeds import Seeded, train_seeds
from lingraft.training.experiment.starts import Start
from lingraft.training.experiment.texts import Data
from lingraft.training.gate.significance import GRAFT
from lingraft.training.measure.evaluate import translate
from lingraft.training.measure.metrics import mean_chrf
from lingraft.training.models.marian import TranslationLoss, freeze_padding_row
from lingraft.training.models.tensors import all_batches, collate
from lingraft.training.recipe.identity import identity_of
from lingraft.training.recipe.recipes import GraftRecipe
from lingraft.training.run.arms import Arm, Build, Built
from lingraft.training.run.loop import Batch, Job
from lingraft.training.vocabulary.codec import Codec, shorten


def train(start: Start, recipe: GraftRecipe, data: Data, output: Path) -> Seeded:
    """Tune and train one arm with every seed."""
    settings, grid = recipe.training, recipe.grid
    if start.name != GRAFT and recipe.controls.steps:
        settings = settings.model_copy(update={"max_steps": recipe.controls.steps})
        share = settings.max_steps / recipe.training.max_steps
        grid = grid.model_copy(update={"trial_steps": round(grid.trial_steps * share)})
    job = _job(start, recipe, data, output)
    dev = dev_batches(data.select, start.codec, settings.max_tokens)
    build = _builder(start, recipe, data.select)
    return train_seeds(start.name, build, grid, replace(job, settings=settings), dev, recipe.seeds)


def _job(start: Start, recipe: GraftRecipe, data: Data, output: Path) -> Job:
    sources, rows = list(recipe.train), list(data.train)
    if not start.child_only:
        sources, rows = sources + recipe.rehearsal, rows + data.rehearsal
    settings = recipe.training
    corpus, weights = corpora.training_corpus(sources, rows, start.codec, settings.max_tokens)
    return Job(
        name=start.name,
        folder=output,
        corpus=corpus,
        weights=weights,
        collate=lambda indices: collate(corpus, indices, start.codec.pad),
        count=lambda batch: int((batch["labels"] >= 0).sum()),
        score_name="chrF++",
        settings=settings,
        seed=recipe.seed,
        identity=identity_of(recipe, [*rows, *data.select_rows], start.sha256),
    )


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


def _builder(
    start: Start, recipe: GraftRecipe, select: Sequence[TestSet]
) -> Callable[[int], Build]:
    def of_seed(seed: int) -> Build:
        def build(dropout: float) -> Built:
            model = start.make(dropout, seed)
            freeze_padding_row(model)
            loss = TranslationLoss(model, recipe.training.label_smoothing)
            return loss, lambda: _mean_chrf(model, start.codec, select)

        return build

    return of_seed


def _mean_chrf(model: MarianMTModel, codec: Codec, tests: Sequence[TestSet]) -> float:
    outputs = [translate(model, codec, test) for test in tests]
    return mean_chrf(outputs, [test.references for test in tests])


def model_of(arm: Arm) -> MarianMTModel:
    """The trained model of one run."""
    assert isinstance(arm.module, TranslationLoss)
    return arm.module.model


def answerer(start: Start, arm: Seeded) -> Answerer:
    """All models of an arm, ready to translate."""
    return Answerer(start.name, start.codec, tuple(map(model_of, arm.runs)))
