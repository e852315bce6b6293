"""Training the arms of a classifier, and what they make of held-out texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from lingraft.training.baselines.tfidf import Tfidf, fit_tfidf
from lingraft.training.calibrate.parts import fit_weights
from lingraft.training.data.batches import Corpus
from lingraft.training.data.labelled import LabelledRow
from lingraft.training.experiment.counting import Counted
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
    logits,
    predict,
)
from lingraft.training.models.marian import digest_of, load_weights
from lingraft.training.models.tensors import all_batches, collate, targets
from lingraft.training.parents.find import ParentModel
from lingraft.training.recipe.identity import identity_of
from lingraft.training.recipe.recipes import ClassifyRecipe, Gate
from lingraft.training.run.arms import Arm, Build, Built
from lingraft.training.run.loop import Job
from lingraft.training.vocabulary.codec import Codec

TFIDF = "tfidf"
Guesses = list[list[int]]  # predicted labels' indices of every set, in order


@dataclass(frozen=True)
class LabelsMeasured:
    """Label sets with every arm's guesses, for every seed, and their comparisons by macro-F1."""

    sets: list[LabelSet]
    guesses: dict[str, list[Guesses]]  # by arm, then by seed
    comparisons: list[Comparison]


def train(
    start: Start, recipe: ClassifyRecipe, labels: Labels, output: Path, counted: Counted | None
) -> Seeded:
    """Take one arm through the stages, then tune and train it on labels, with every seed.

    counted: a table that stands beside every encoder, weighed against it on the selecting half of
        dev.
    """
    seeds = range(recipe.seed, recipe.seed + recipe.seeds)
    staged = {seed: through_stages(start, recipe, labels, seed, output) for seed in seeds}
    corpus = _corpus(recipe, start.codec, labels, labels.train)
    rows: list[Sequence[tuple[str, ...]]] = [labels.train, labels.select, *labels.parallel]
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
    )
    dev = all_batches(_corpus(recipe, start.codec, labels, labels.select), start.codec.pad)
    judge = _Judge(start, recipe, labels, counted)
    build = _builder(start, recipe, labels, staged, judge)
    trained = train_seeds(start.name, build, recipe.grid, job, dev, recipe.seeds)
    for run in trained.runs:
        judge.finish(model_of(run))
    return trained


class _Judge:
    """The selecting half of dev: what a classifier scores there, with the table beside it if there
    is one, each by what it is worth."""

    def __init__(
        self, start: Start, recipe: ClassifyRecipe, labels: Labels, counted: Counted | None
    ) -> None:
        self._ids = encode_rows(start.codec, labels.select, recipe.training.max_tokens)
        self._truth = np.asarray(labels.indices(labels.select))
        self._classes = len(labels.names)
        self._counted = counted
        self._tables = [counted.logits(self._ids)] if counted else []
        self._alone = recipe.wide is not None and recipe.wide.alone
        self._known = counted.known(self._ids) if counted else np.ones(1, np.float32)

    def score(self, model: SequenceClassifier) -> float:
        """Macro-F1, in points of 100, of a classifier whose table is not in it yet."""
        parts = self._parts(model)
        weights = fit_weights(parts, self._truth) if self._tables else (1.0,)
        found = np.tensordot(weights, np.stack(parts), axes=1)
        return macro_f1(found.argmax(axis=1).tolist(), self._truth.tolist(), self._classes)

    def finish(self, model: SequenceClassifier) -> None:
        """Put the table, if there is one, into a trained classifier."""
        if self._counted:
            *head, table = fit_weights(self._parts(model), self._truth)
            model.count(self._counted.table(model.pad, table), sum(head))

    def _parts(self, model: SequenceClassifier) -> list[NDArray[np.float32]]:
        if self._alone:
            return self._tables
        return [logits(model, self._ids) * self._known, *self._tables]


def _corpus(
    recipe: ClassifyRecipe, codec: Codec, labels: Labels, rows: Sequence[LabelledRow]
) -> Corpus:
    """Texts as source ids, with their label's index as the only target."""
    ids = encode_rows(codec, rows, recipe.training.max_tokens)
    targets = [[index] for index in labels.indices(rows)]
    return Corpus(zip(ids, targets, strict=True), [0] * len(rows))


def _builder(
    start: Start,
    recipe: ClassifyRecipe,
    labels: Labels,
    staged: Mapping[int, Weights | None],
    judge: _Judge,
) -> Callable[[int], Build]:
    def of_seed(seed: int) -> Build:
        def build(dropout: float) -> Built:
            encoder, before = start.make(dropout, seed).model.encoder, staged[seed]
            if before is not None:
                load_weights(encoder, before)
            torch.manual_seed(seed)
            model = SequenceClassifier(encoder, len(labels.names), start.codec.pad, dropout)
            loss = ClassificationLoss(model, recipe.training.label_smoothing)
            return loss, lambda: judge.score(model)

        return build

    return of_seed


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
