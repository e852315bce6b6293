"""Training the arms of a classifier, and what they make of held-out texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers.models.marian.modeling_marian import MarianEncoder

from lingraft.training.adapt.apart import Apart
from lingraft.training.baselines.tfidf import Tfidf, fit_tfidf
from lingraft.training.calibrate.parts import fit_weights
from lingraft.training.data.batches import Corpus
from lingraft.training.data.labelled import LabelledRow
from lingraft.training.experiment.encoders import Weights, through_stages
from lingraft.training.experiment.labels import Labels, LabelSet, encode_rows
from lingraft.training.experiment.seeds import Seeded, answers_name, train_seeds
from lingraft.training.experiment.starts import Start
from lingraft.training.gate.significance import Comparison, Statistics, compare
from lingraft.training.measure import openings
from lingraft.training.measure.metrics import confusion_statistics, macro_f1_of_sums
from lingraft.training.models.classifier import (
    ClassificationLoss,
    SequenceClassifier,
    part_logits,
    predict,
    weigh_parts,
)
from lingraft.training.models.marian import digest_of, load_weights
from lingraft.training.models.tensors import all_batches, collate, targets
from lingraft.training.models.wide import PREFIX
from lingraft.training.parents.find import ParentModel
from lingraft.training.recipe.identity import identity_of
from lingraft.training.recipe.recipes import ClassifyRecipe, Gate
from lingraft.training.run.arms import Arm, Build, Built
from lingraft.training.run.loop import Job
from lingraft.training.vocabulary.codec import Codec
from lingraft.training.vocabulary.ngrams import NGrams

TFIDF = "tfidf"
Guesses = list[list[int]]  # predicted labels' indices of every set, in order


@dataclass(frozen=True)
class LabelsMeasured:
    """Label sets with every arm's guesses, for every seed, and their comparisons by macro-F1."""

    sets: list[LabelSet]
    guesses: dict[str, list[Guesses]]  # by arm, then by seed
    comparisons: list[Comparison]


def train(start: Start, recipe: ClassifyRecipe, labels: Labels, output: Path) -> Seeded:
    """Take one arm through the stages, then tune and train it on labels, with every seed."""
    seeds = range(recipe.seed, recipe.seed + recipe.seeds)
    staged = {seed: through_stages(start, recipe, labels, seed, output) for seed in seeds}
    corpus = _corpus(recipe, start.codec, labels, labels.train)
    rows = [[*labels.train], [*labels.select]]
    job = Job(
        name=start.name,
        folder=output,
        corpus=corpus,
        weights=(1.0,),
        collate=lambda indices: collate(corpus, indices, start.codec.pad),
        count=targets,
        score_name="macro-F1",
        settings=recipe.training,
        seed=recipe.seed,
        identity=identity_of(recipe, rows, start.sha256),
        adaptation=start.adaptation,
        origin=start.origin,
        apart=apart_of(recipe),
    )
    dev = all_batches(_corpus(recipe, start.codec, labels, labels.select), start.codec.pad)
    build = _builder(start, recipe, labels, staged)
    trained = train_seeds(start.name, build, recipe.grid, job, dev, recipe.seeds)
    if recipe.wide:
        for run in trained.runs:
            _weigh(model_of(run), start.codec, recipe, labels)
    return trained


def _weigh(model: SequenceClassifier, codec: Codec, recipe: ClassifyRecipe, labels: Labels) -> None:
    """Let encoder and table count by what they are worth on the selecting half of dev."""
    ids = encode_rows(codec, labels.select, recipe.training.max_tokens)
    truth = np.asarray(labels.indices(labels.select))
    weigh_parts(model, *fit_weights([*part_logits(model, ids)], truth))


def _corpus(
    recipe: ClassifyRecipe, codec: Codec, labels: Labels, rows: Sequence[LabelledRow]
) -> Corpus:
    """Texts as source ids, with their label's index as the only target."""
    ids = encode_rows(codec, rows, recipe.training.max_tokens)
    targets = [[index] for index in labels.indices(rows)]
    return Corpus(zip(ids, targets, strict=True), [0] * len(rows))


def _builder(
    start: Start, recipe: ClassifyRecipe, labels: Labels, staged: Mapping[int, Weights | None]
) -> Callable[[int], Build]:
    ids = encode_rows(start.codec, labels.select, recipe.training.max_tokens)
    truth = labels.indices(labels.select)

    def of_seed(seed: int) -> Build:
        def build(dropout: float) -> Built:
            encoder, before = start.make(dropout, seed).model.encoder, staged[seed]
            if before is not None:
                load_weights(encoder, before)
            torch.manual_seed(seed)
            classes = len(labels.names)
            loss = new_loss(encoder, recipe, classes, start.codec.pad, dropout)
            return loss, lambda: macro_f1(predict(loss.model, ids), truth, classes)

        return build

    return of_seed


def new_loss(
    encoder: MarianEncoder, recipe: ClassifyRecipe, classes: int, pad: int, dropout: float
) -> ClassificationLoss:
    """A classifier before training, on an encoder, as the recipe wants it, with its loss."""
    ngrams = NGrams(recipe.wide.orders, recipe.wide.bits) if recipe.wide else None
    model = SequenceClassifier(encoder, classes, pad, dropout, ngrams)
    return ClassificationLoss(model, recipe.training.label_smoothing)


def apart_of(recipe: ClassifyRecipe) -> Apart | None:
    """What of a classifier trains at a rate of its own: the table, in every arm."""
    return Apart(PREFIX, recipe.wide.learning_rate) if recipe.wide else None


def macro_f1(guesses: Sequence[int], truth: Sequence[int], classes: int) -> float:
    """Macro-F1 of guesses, in points of 100."""
    sums = confusion_statistics(guesses, truth, classes).sum(axis=0, keepdims=True)
    return float(points(sums)[0])


def model_of(arm: Arm) -> SequenceClassifier:
    """The trained classifier of one run."""
    assert isinstance(arm.module, ClassificationLoss)
    return arm.module.model


def count_characters(labels: Labels) -> Tfidf:
    """The baseline of counted characters on the same rows."""
    texts, dev = [row[0] for row in labels.train], [row[0] for row in labels.select]
    return fit_tfidf(texts, labels.indices(labels.train), dev, labels.indices(labels.select))


def guess(
    arm: Seeded, recipe: ClassifyRecipe, parent: ParentModel, sets: Sequence[LabelSet], folder: Path
) -> list[Guesses]:
    """Predicted labels of every set by the model of every seed, made once for the same weights."""
    results = []
    for number, run in enumerate(arm.runs):
        model = model_of(run)
        of = [digest_of(model), *(text for part in sets for text in part.texts)]
        name = answers_name(arm.name, number)
        make = partial(_guess, model, recipe, parent, sets)
        results.append(openings.answers(folder, name, of, make))
    return results


def _guess(
    model: SequenceClassifier,
    recipe: ClassifyRecipe,
    parent: ParentModel,
    sets: Sequence[LabelSet],
) -> Guesses:
    limit = recipe.training.max_tokens
    return [predict(model, encode_rows(parent.codec, part.rows, limit)) for part in sets]


def compared(
    rule: Gate, labels: Labels, guesses: Mapping[str, list[Guesses]], sets: Sequence[LabelSet]
) -> list[Comparison]:
    """Every set's macro-F1 under all arms, in points of 100."""
    classes, results = len(labels.names), []
    for i, part in enumerate(sets):
        truth = labels.indices(part.rows)
        statistics = {
            name: [confusion_statistics(made[i], truth, classes) for made in seeds]
            for name, seeds in guesses.items()
        }
        results.append(compare(statistics, points, rule.resamples, rule.seed))
    return results


def points(sums: Statistics) -> NDArray[np.float64]:
    """Macro-F1 of summed statistics, in points of 100."""
    return np.asarray(100.0 * macro_f1_of_sums(sums))
