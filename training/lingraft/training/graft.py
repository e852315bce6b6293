"""Grafting a language onto a parent: data -> arms -> dev gate -> test, opened once -> results.

Dev is cut in two: one half chooses settings, stops and averages, the other decides the verdict. The
test set is translated once and its translations are kept, so that a repeated command opens nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from transformers import MarianMTModel

from lingraft.training.data import corpora
from lingraft.training.data.batches import Corpus
from lingraft.training.data.corpora import Row
from lingraft.training.data.testsets import TestSet
from lingraft.training.errors import DataError
from lingraft.training.gate import verdict as gate
from lingraft.training.measure import openings
from lingraft.training.measure.evaluate import translate
from lingraft.training.measure.metrics import chrf, chrf_of_sums, chrf_statistics, mean_chrf
from lingraft.training.models.marian import (
    TranslationLoss,
    digest_of,
    freeze_padding_row,
    load_model,
    new_model,
    shape_of,
)
from lingraft.training.models.tensors import all_batches, collate
from lingraft.training.parents.find import ParentModel, find_parent, fitted
from lingraft.training.recipe.identity import identity_of
from lingraft.training.recipe.recipes import GraftRecipe, Pairs
from lingraft.training.run.arms import Arm, Build, Built, train_arm
from lingraft.training.run.loop import Batch, Job
from lingraft.training.vocabulary.codec import shorten

Outputs = list[list[str]]  # translations of every test set, in order
_TEST = "test"


@dataclass(frozen=True)
class Data:
    """All text of a graft, split by what it is for."""

    train: list[list[Row]]
    rehearsal: list[list[Row]]
    select: list[TestSet]
    decide: list[TestSet]
    test: list[TestSet]
    parent_test: list[TestSet]
    dropped: int  # training rows left out because a side stands in dev or test

    @property
    def select_rows(self) -> list[list[Row]]:
        """What settings are chosen on: a run is the same run only on the same text."""
        return [list(zip(test.sources, test.references, strict=True)) for test in self.select]


@dataclass(frozen=True)
class Measured:
    """Test sets with every arm's translations of them and their comparisons."""

    tests: list[TestSet]
    outputs: dict[str, Outputs]  # by arm: graft, control, parent
    comparisons: list[gate.Comparison]


@dataclass(frozen=True)
class Forgetting:
    """chrF++ of one parent direction before and after the graft."""

    test: TestSet
    before: float
    after: float


@dataclass(frozen=True)
class Graft:
    """Everything a report and a bundle are made of."""

    recipe: GraftRecipe
    parent: ParentModel
    data: Data
    graft: Arm
    control: Arm
    dev: Measured
    test: Measured
    forgetting: list[Forgetting]
    verdict: gate.Verdict
    reason: str
    test_openings: int

    @property
    def model(self) -> MarianMTModel:
        """The grafted model."""
        return _model(self.graft)

    @property
    def gain(self) -> gate.Interval:
        """Mean gain on test over the better of control and parent."""
        return gate.pool(self.test.comparisons)


def graft(recipe: GraftRecipe, output: Path) -> Graft:
    """Train graft and control, and measure both with the parent; resumable at any point."""
    parent = find_parent(recipe.parent)
    recipe = recipe.model_copy(update={"training": fitted(recipe.training, parent)})
    data = load_data(recipe, parent)
    arms = {name: _train(name, recipe, parent, data, output) for name in ("graft", "control")}
    models = {name: _model(arm) for name, arm in arms.items()}
    models["parent"] = load_model(parent.folder)
    dev = _measure(recipe, models, parent, data.decide, output / "dev")
    test = _measure(recipe, models, parent, data.test, output / _TEST)
    forgetting = _forgetting(models, parent, data.parent_test, output / "parent-test")
    losses = [f.before - f.after for f in forgetting]
    verdict, reason = gate.decide(dev.comparisons, losses, recipe.gate.max_parent_loss)
    return Graft(
        recipe=recipe,
        parent=parent,
        data=data,
        graft=arms["graft"],
        control=arms["control"],
        dev=dev,
        test=test,
        forgetting=forgetting,
        verdict=verdict,
        reason=reason,
        test_openings=openings.count(output / _TEST, "graft"),
    )


def load_data(recipe: GraftRecipe, parent: ParentModel) -> Data:
    """Read and split everything; rows of train that stand in dev or test, and of dev that stand in
    test, are left out.

    Raises:
        ParentError: the parent has no tag for a language.
        DataError: files are faulty, or nothing is left to train on.
    """
    parts = (recipe.train, recipe.rehearsal, recipe.dev, recipe.test, recipe.parent_test)
    spoken = {code for part in parts for pairs in part for code in (pairs.source, pairs.target)}
    parent.require_tags(spoken)
    rows = corpora.read_pairs([pairs for part in parts for pairs in part])
    train, rehearsal, dev, test, parent_test = _regroup(rows, parts)
    dev = [corpora.without(texts, corpora.keys(test)) for texts in dev]
    held_out = corpora.keys([*dev, *test, *parent_test])
    clean = [corpora.without(texts, held_out) for texts in (*train, *rehearsal)]
    if not (any(clean[: len(train)]) and all(dev)):
        raise DataError("every row of train or of a dev set stands in test too; split it anew")
    halves = [(texts[0::2], texts[1::2] or texts) for texts in dev]
    return Data(
        train=clean[: len(train)],
        rehearsal=clean[len(train) :],
        select=corpora.test_sets(recipe.dev, [h[0] for h in halves], recipe.dev_sentences),
        decide=corpora.test_sets(recipe.dev, [h[1] for h in halves], None),
        test=corpora.test_sets(recipe.test, test, None),
        parent_test=corpora.test_sets(recipe.parent_test, parent_test, None),
        dropped=sum(map(len, (*train, *rehearsal))) - sum(map(len, clean)),
    )


def _regroup(rows: list[list[Row]], parts: Sequence[Sequence[Pairs]]) -> list[list[list[Row]]]:
    supply = iter(rows)
    return [[next(supply) for _ in part] for part in parts]


def _train(name: str, recipe: GraftRecipe, parent: ParentModel, data: Data, output: Path) -> Arm:
    """Tune and train one arm; the control sees the same child text, no parent and no rehearsal."""
    sources, rows = list(recipe.train), list(data.train)
    settings = recipe.training
    if name == "graft":
        sources, rows = sources + recipe.rehearsal, rows + data.rehearsal
    elif recipe.control_steps:
        settings = settings.model_copy(update={"max_steps": recipe.control_steps})
    share = settings.max_steps / recipe.training.max_steps
    grid = recipe.grid.model_copy(update={"trial_steps": round(recipe.grid.trial_steps * share)})
    corpus, weights = corpora.training_corpus(sources, rows, parent.codec, settings.max_tokens)
    job = Job(
        name=name,
        folder=output,
        corpus=corpus,
        weights=weights,
        collate=lambda indices: collate(corpus, indices, parent.codec.pad),
        count=lambda batch: int((batch["labels"] >= 0).sum()),
        score_name="chrF++",
        settings=settings,
        seed=recipe.seed,
        identity=identity_of(recipe, [*rows, *data.select_rows], parent.sha256),
    )
    dev = _dev_batches(data.select, parent, settings.max_tokens)
    return train_arm(name, _builder(name, recipe, parent, data.select), grid, job, dev)


def _dev_batches(tests: list[TestSet], parent: ParentModel, limit: int) -> list[Batch]:
    """The selecting half of dev with its references as targets."""
    codec = parent.codec
    pairs = [
        (
            shorten(codec.encode_source(source, t.source_language, t.target_language), limit),
            shorten(codec.encode_target(reference, t.target_language), limit),
        )
        for t in tests
        for source, reference in zip(t.sources, t.references, strict=True)
    ]
    return all_batches(Corpus(pairs, [0] * len(pairs)), codec.pad)


def _builder(name: str, recipe: GraftRecipe, parent: ParentModel, select: list[TestSet]) -> Build:
    def build(dropout: float) -> Built:
        model = load_model(parent.folder, dropout)
        if name == "control":
            model = new_model(shape_of(model), model.config.vocab_size, recipe.seed)
        freeze_padding_row(model)
        loss = TranslationLoss(model, recipe.training.label_smoothing)
        return loss, lambda: _mean_chrf(model, parent, select)

    return build


def _translate_all(model: MarianMTModel, parent: ParentModel, tests: list[TestSet]) -> Outputs:
    return [translate(model, parent.codec, test) for test in tests]


def _mean_chrf(model: MarianMTModel, parent: ParentModel, tests: list[TestSet]) -> float:
    return mean_chrf(_translate_all(model, parent, tests), [test.references for test in tests])


def _measure(
    recipe: GraftRecipe,
    models: dict[str, MarianMTModel],
    parent: ParentModel,
    tests: list[TestSet],
    folder: Path,
) -> Measured:
    outputs = {name: _outputs(model, parent, tests, folder, name) for name, model in models.items()}
    comparisons = []
    for i, test in enumerate(tests):
        statistics = {name: chrf_statistics(o[i], test.references) for name, o in outputs.items()}
        arms = gate.Arms(**statistics)
        rule = recipe.gate
        comparisons.append(gate.compare(arms, chrf_of_sums, rule.resamples, rule.seed))
    return Measured(tests, outputs, comparisons)


def _outputs(
    model: MarianMTModel, parent: ParentModel, tests: list[TestSet], folder: Path, name: str
) -> Outputs:
    """Translations, made once for the same weights and text."""
    of = [digest_of(model), *(part for t in tests for part in (t.direction, *t.sources))]
    return openings.answers(folder, name, of, lambda: _translate_all(model, parent, tests))


def _forgetting(
    models: dict[str, MarianMTModel], parent: ParentModel, tests: list[TestSet], folder: Path
) -> list[Forgetting]:
    if not tests:
        return []
    before = _outputs(models["parent"], parent, tests, folder, "parent")
    after = _outputs(models["graft"], parent, tests, folder, "graft")
    return [
        Forgetting(test, chrf(b, test.references).value, chrf(a, test.references).value)
        for test, b, a in zip(tests, before, after, strict=True)
    ]


def _model(arm: Arm) -> MarianMTModel:
    assert isinstance(arm.module, TranslationLoss)
    return arm.module.model
