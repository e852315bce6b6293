"""The plan of a classifier."""

from __future__ import annotations

from pathlib import Path

from lingraft.training.data.batches import Corpus
from lingraft.training.data.labelled import read_labelled
from lingraft.training.experiment.classification import TFIDF
from lingraft.training.experiment.encoders import require_stages
from lingraft.training.experiment.labels import Labels, encode_rows, load_labels, within_sight
from lingraft.training.experiment.typed import typed_classification
from lingraft.training.gate.significance import GRAFT
from lingraft.training.models.classifier import ClassificationLoss, SequenceClassifier, predict
from lingraft.training.models.marian import load_model
from lingraft.training.models.positions import lengthened
from lingraft.training.models.tensors import collate
from lingraft.training.parents.find import ParentModel, find_parent
from lingraft.training.planning.plans import Held, Plan, Source, Speed, halves
from lingraft.training.planning.probe import measured
from lingraft.training.planning.schedule import arm_runs, remarks, threads_of
from lingraft.training.recipe.recipes import ClassifyRecipe
from lingraft.training.run.loop import Job

_ANSWERED = 64  # texts that are answered for the estimate


def plan_classifier(recipe: ClassifyRecipe, output: Path) -> Plan:
    """What `lingraft-train graft` would do with a classifier's recipe.

    Raises:
        TrainingError: what the run would refuse before its training begins.
    """
    parent = find_parent(recipe.parent)
    typed_classification(recipe)
    require_stages(recipe)
    data = load_labels(recipe)
    training = within_sight(recipe.training, parent, data.train)
    recipe = recipe.model_copy(update={"training": training})
    arms = [GRAFT, *(name for name in recipe.controls.arms if name != TFIDF)]
    speed = _speed(recipe, parent, data)
    budget = (recipe.training, recipe.grid)
    decide = [len(part.rows) for part in data.decide]
    test = sum(len(part.rows) for part in data.test)
    fitting = ["tfidf is fitted without the loop"] if TFIDF in recipe.controls.arms else []
    return Plan(
        title=f"{recipe.name}: a classifier onto {parent.name}",
        output=output,
        sources=_sources(recipe, parent, data),
        held=[
            *halves([len(data.select)], decide, "every arm and seed"),
            Held("dev, all of it", len(data.dev), "to calibrate the served model on"),
            Held("test", test, "opened once, answered by every arm and seed"),
        ],
        runs=[run for arm in arms for run in arm_runs(arm, recipe, budget, len(data.select))],
        speeds=dict.fromkeys(arms, speed),
        answered=recipe.seeds * len(arms) * (sum(decide) + test),
        threads=threads_of(recipe.training),
        notes=[*remarks(recipe), *fitting],
    )


def _sources(recipe: ClassifyRecipe, parent: ParentModel, data: Labels) -> list[Source]:
    read = read_labelled(recipe.train, recipe.seed)
    most = recipe.training.max_tokens
    whole = [len(parent.codec.encode_target(row[0], row[2])) for row in data.train]
    names = " + ".join(source.name for source in recipe.train)
    # A text over the limit is cut, and none is left out.
    cut = sum(length > most for length in whole)
    source = Source("train", names, sum(map(len, read)), len(data.train))
    held = [Source("train", f"{names}, cut to {most} pieces", cut, cut)] if cut else []
    return [source, *held]


def _speed(recipe: ClassifyRecipe, parent: ParentModel, data: Labels) -> Speed:
    dropout, classes = recipe.grid.dropouts[0], len(data.names)
    reader = lengthened(load_model(parent.folder, dropout), recipe.training.max_tokens)
    encoder = reader.model.encoder
    model = SequenceClassifier(encoder, classes, parent.codec.pad, dropout)
    ids = encode_rows(parent.codec, data.train, recipe.training.max_tokens)
    targets = [[index] for index in data.indices(data.train)]
    corpus = Corpus(zip(ids, targets, strict=True), [0] * len(ids))
    job = Job(
        name=recipe.name,
        folder=Path(),
        corpus=corpus,
        weights=(1.0,),
        collate=lambda indices: collate(corpus, indices, parent.codec.pad),
        count=lambda batch: len(batch["labels"]),
        score_name="macro-F1",
        settings=recipe.training,
        seed=recipe.seed,
        identity="",
        adaptation=recipe.adaptation,
    )
    some = ids[:_ANSWERED]
    loss = ClassificationLoss(model, recipe.training.label_smoothing)
    return measured(job, loss, lambda: len(predict(model, some)))
