"""A classifier grafted onto a parent's encoder, with its control: data -> arms -> gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from lingraft.training.data.batches import Corpus
from lingraft.training.data.keys import key
from lingraft.training.data.tables import Table, read_tables
from lingraft.training.errors import DataError
from lingraft.training.gate import verdict as gate
from lingraft.training.measure import openings
from lingraft.training.models.classifier import ClassificationLoss, SequenceClassifier, predict
from lingraft.training.models.marian import digest_of, load_model, new_model, shape_of
from lingraft.training.models.tensors import all_batches, collate
from lingraft.training.parents.find import ParentModel, find_parent, fitted
from lingraft.training.recipe.identity import identity_of
from lingraft.training.recipe.recipes import ClassifyRecipe, Gate, Labelled
from lingraft.training.run.arms import Arm, Build, Built, train_arm
from lingraft.training.run.loop import Job
from lingraft.training.vocabulary.codec import Codec, shorten

Row = tuple[str, str, str]  # text, label, language
_DEV, _TEST = "dev", "test"


@dataclass(frozen=True)
class Graft:
    """Everything that a report and a bundle of a classifier are made of."""

    recipe: ClassifyRecipe
    parent: ParentModel
    labels: tuple[str, ...]
    train: list[Row]
    dev: list[Row]
    test: list[Row]
    graft: Arm
    control: Arm
    dev_comparison: gate.Comparison
    test_comparison: gate.Comparison
    predictions: list[int]  # of the graft on test
    verdict: gate.Verdict
    reason: str
    dropped: int  # training rows left out because their text stands in dev or test
    test_openings: int

    @property
    def model(self) -> SequenceClassifier:
        """The grafted classifier."""
        return _model(self.graft)

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages it was trained on."""
        return tuple(sorted({row[2] for row in self.train}))


def classify(recipe: ClassifyRecipe, output: Path) -> Graft:
    """Train graft and control and compare their accuracy; resumable at any point."""
    parent = find_parent(recipe.parent)
    recipe = recipe.model_copy(update={"training": fitted(recipe.training, parent)})
    train, dev, test, dropped = load_data(recipe)
    labels = _labels(train, [*dev, *test])
    select, decide = dev[0::2], dev[1::2] or dev
    arms = {
        name: _train(name, recipe, parent, labels, train, select, output)
        for name in ("graft", "control")
    }
    parts = {_DEV: decide, _TEST: test}
    guesses = {
        part: {n: _guesses(arm, recipe, parent, rows, output / part) for n, arm in arms.items()}
        for part, rows in parts.items()
    }
    compared = {
        part: _compare(recipe.gate, labels, guesses[part], rows) for part, rows in parts.items()
    }
    verdict, reason = gate.decide([compared[_DEV]])
    return Graft(
        recipe=recipe,
        parent=parent,
        labels=labels,
        train=train,
        dev=dev,
        test=test,
        graft=arms["graft"],
        control=arms["control"],
        dev_comparison=compared[_DEV],
        test_comparison=compared[_TEST],
        predictions=guesses[_TEST]["graft"],
        verdict=verdict,
        reason=reason,
        dropped=dropped,
        test_openings=openings.count(output / _TEST, "graft"),
    )


def load_data(recipe: ClassifyRecipe) -> tuple[list[Row], list[Row], list[Row], int]:
    """Rows of train, dev and test, and how many of train were dropped.

    Rows of train whose text stands in dev or test, and of dev whose text stands in test, are left
    out.

    Raises:
        DataError: files are faulty, or nothing is left of train or dev.
    """
    parts = (recipe.train, recipe.dev, recipe.test)
    supply = iter(read_labelled([source for part in parts for source in part]))
    train, dev, test = ([row for _ in part for row in next(supply)] for part in parts)
    dev = _without(dev, test)
    clean = _without(train, [*dev, *test])
    if not (clean and dev):
        raise DataError("every row of train or of dev stands in test too; split the data anew")
    return clean, dev, test, len(train) - len(clean)


def _without(rows: Sequence[Row], held_out: Sequence[Row]) -> list[Row]:
    texts = {key(row[0]) for row in held_out}
    return [row for row in rows if key(row[0]) not in texts]


def read_labelled(sources: Sequence[Labelled]) -> list[list[Row]]:
    """Rows (text, label, language) of every source.

    Raises:
        DataError: one or more files are faulty; all of them are named.
    """
    tables = []
    for source in sources:
        more = () if source.language_column is None else (source.language_column,)
        tables.append(Table(source.path, (*source.columns, *more), source.header))
    return [
        [(row[0], row[1], source.language or row[2]) for row in rows]
        for source, rows in zip(sources, read_tables(tables), strict=True)
    ]


def _labels(train: Sequence[Row], held_out: Sequence[Row]) -> tuple[str, ...]:
    labels = sorted({row[1] for row in train})
    if len(labels) < 2:
        raise DataError(f"train has one label only ({', '.join(labels)}); a classifier needs two")
    unknown = sorted({row[1] for row in held_out} - set(labels))
    if unknown:
        raise DataError(f"dev or test has labels that train lacks: {', '.join(unknown)}")
    return tuple(labels)


def encode_rows(codec: Codec, rows: Sequence[Row], limit: int) -> list[list[int]]:
    """Source ids of the texts, pieces and eos; longer ones lose what is over `limit` before eos."""
    return [shorten(codec.encode_target(text, language), limit) for text, _, language in rows]


def _train(
    name: str,
    recipe: ClassifyRecipe,
    parent: ParentModel,
    labels: tuple[str, ...],
    train: list[Row],
    select: list[Row],
    output: Path,
) -> Arm:
    corpus = _corpus(recipe, parent, labels, train)
    job = Job(
        name=name,
        folder=output,
        corpus=corpus,
        weights=(1.0,),
        collate=lambda indices: collate(corpus, indices, parent.codec.pad),
        count=lambda batch: len(batch["labels"]),
        score_name="accuracy",
        settings=recipe.training,
        seed=recipe.seed,
        identity=identity_of(recipe, [train, select], parent.sha256),
    )
    dev = all_batches(_corpus(recipe, parent, labels, select), parent.codec.pad)
    return train_arm(name, _builder(name, recipe, parent, labels, select), recipe.grid, job, dev)


def _corpus(
    recipe: ClassifyRecipe, parent: ParentModel, labels: tuple[str, ...], rows: list[Row]
) -> Corpus:
    """Texts as source ids, with their label's index as the only target."""
    ids = encode_rows(parent.codec, rows, recipe.training.max_tokens)
    targets = [[labels.index(row[1])] for row in rows]
    return Corpus(zip(ids, targets, strict=True), [0] * len(rows))


def _builder(
    name: str,
    recipe: ClassifyRecipe,
    parent: ParentModel,
    labels: tuple[str, ...],
    select: list[Row],
) -> Build:
    def build(dropout: float) -> Built:
        whole = load_model(parent.folder, dropout)
        if name == "control":
            whole = new_model(shape_of(whole), whole.config.vocab_size, recipe.seed)
        torch.manual_seed(recipe.seed)
        model = SequenceClassifier(whole.model.encoder, len(labels), parent.codec.pad, dropout)
        loss = ClassificationLoss(model, recipe.training.label_smoothing)
        ids = encode_rows(parent.codec, select, recipe.training.max_tokens)
        return loss, lambda: float(_correct(labels, predict(model, ids), select)[:, 0].mean())

    return build


def _guesses(
    arm: Arm, recipe: ClassifyRecipe, parent: ParentModel, rows: Sequence[Row], folder: Path
) -> list[int]:
    """Predicted labels' indices, made once for the same weights and text."""
    model = _model(arm)
    ids = encode_rows(parent.codec, rows, recipe.training.max_tokens)
    of = [digest_of(model), *(row[0] for row in rows)]
    return openings.answers(folder, arm.name, of, lambda: predict(model, ids))


def _compare(
    rule: Gate, labels: tuple[str, ...], guesses: Mapping[str, list[int]], rows: Sequence[Row]
) -> gate.Comparison:
    arms = gate.Arms(**{name: _correct(labels, g, rows) for name, g in guesses.items()})
    return gate.compare(arms, accuracy_of_sums, rule.resamples, rule.seed)


def _correct(
    labels: tuple[str, ...], guesses: Sequence[int], rows: Sequence[Row]
) -> NDArray[np.int64]:
    """Statistics [items, 2]: whether the item is right, and 1."""
    pairs = zip(guesses, rows, strict=True)
    return np.array([[labels[guess] == row[1], 1] for guess, row in pairs], dtype=np.int64)


def accuracy_of_sums(sums: NDArray[np.int64]) -> NDArray[np.float64]:
    """Accuracy, 0 to 1, of summed statistics [n, 2]."""
    return np.asarray(sums[:, 0] / sums[:, 1], dtype=np.float64)


def _model(arm: Arm) -> SequenceClassifier:
    assert isinstance(arm.module, ClassificationLoss)
    return arm.module.model
