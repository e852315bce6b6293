"""A classifier grafted onto a parent's encoder: data -> arms -> dev gate -> test -> results."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from lingraft.training.baselines.tfidf import Tfidf
from lingraft.training.experiment.classification import (
    TFIDF,
    Guesses,
    LabelsMeasured,
    compared,
    count_characters,
    guess,
    model_of,
    train,
)
from lingraft.training.experiment.counting import Counted, count_letters
from lingraft.training.experiment.encoders import require_stages, start_of, translated
from lingraft.training.experiment.labels import (
    Labels,
    LabelSet,
    load_labels,
    told_cuts,
    within_sight,
)
from lingraft.training.experiment.seeds import Seeded, pursuits
from lingraft.training.experiment.starts import Start, arm_named
from lingraft.training.experiment.trusting import LabelTrust, trust_labels
from lingraft.training.experiment.typed import TypedTransfer, typed_classification
from lingraft.training.gate.significance import GRAFT, Interval, pool
from lingraft.training.gate.verdict import Decision, decide
from lingraft.training.measure import openings
from lingraft.training.models.classifier import SequenceClassifier
from lingraft.training.parents.find import ParentModel, find_parent
from lingraft.training.recipe.recipes import ClassifyRecipe
from lingraft.training.run.holding import held

_DEV, _TEST = "dev", "test"


@dataclass(frozen=True)
class ClassifierGraft:
    """Everything that a report and a bundle of a classifier are made of.

    arms: the trained ones; `tfidf`, where the recipe wants it, is fitted and no arm of the loop.
    counted: the table beside every arm's encoder, where the recipe wants one.
    """

    recipe: ClassifyRecipe
    typed: TypedTransfer
    parent: ParentModel
    data: Labels
    arms: dict[str, Seeded]
    counted: Counted | None
    tfidf: Tfidf | None
    dev: LabelsMeasured
    test: LabelsMeasured
    decision: Decision
    trust: LabelTrust
    test_openings: int

    @property
    def model(self) -> SequenceClassifier:
        """The grafted classifier: of the seed that was best on the selecting half of dev."""
        return model_of(self.arms[GRAFT].best)

    @property
    def served(self) -> int:
        """Which seed `model` is, from 0."""
        return self.arms[GRAFT].runs.index(self.arms[GRAFT].best)

    @property
    def gain(self) -> Interval:
        """Mean gain on test over the best of the controls, in points of macro-F1."""
        return pool(self.test.comparisons)

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages it was trained on."""
        return tuple(sorted({row[2] for row in self.data.train}))


def classify(recipe: ClassifyRecipe, output: Path) -> ClassifierGraft:
    """Train graft and controls and compare their macro-F1; resumable at any point."""
    begun = _begin(recipe, output)
    recipe, parent, data = begun.recipe, begun.parent, begun.data
    arms = {start.name: _trained(start, begun, output) for start in begun.starts}
    tfidf = count_characters(data) if TFIDF in recipe.controls.arms else None

    def measured(sets: list[LabelSet], folder: Path) -> LabelsMeasured:
        guesses = {name: guess(arm, recipe, parent, sets, folder) for name, arm in arms.items()}
        if tfidf:
            guesses[TFIDF] = [_counted(tfidf, sets)]
        return LabelsMeasured(sets, guesses, compared(recipe.gate, data, guesses, sets))

    dev, test = measured(data.decide, output / _DEV), measured(data.test, output / _TEST)
    model = model_of(arms[GRAFT].best)
    limit = recipe.training.max_tokens
    return ClassifierGraft(
        recipe=recipe,
        typed=begun.typed,
        parent=parent,
        data=data,
        arms=arms,
        counted=begun.counted,
        tfidf=tfidf,
        dev=dev,
        test=test,
        decision=decide(dev.comparisons, pursuits=pursuits(arms)),
        trust=trust_labels(model, parent.codec, data, limit, recipe.calibration, output / _TEST),
        test_openings=openings.count(output / _TEST, GRAFT),
    )


def classify_arm(recipe: ClassifyRecipe, output: Path, name: str) -> Seeded:
    """Train one arm of a classifier, for `classify` to find; others may be trained meanwhile.

    Raises:
        RecipeError: the recipe has no such arm.
    """
    begun = _begin(recipe, output)
    return _trained(arm_named(name, begun.starts), begun, output)


@dataclass(frozen=True)
class _Begun:
    """All that the arms of a classifier share, and how each starts."""

    recipe: ClassifyRecipe
    typed: TypedTransfer
    parent: ParentModel
    data: Labels
    counted: Counted | None
    starts: list[Start]


def _begin(recipe: ClassifyRecipe, output: Path) -> _Begun:
    parent = find_parent(recipe.parent)
    typed = typed_classification(recipe)
    require_stages(recipe)
    with held(output, "translations"):
        data = translated(recipe, load_labels(recipe), output)
    training = within_sight(recipe.training, parent, data.train)
    recipe = recipe.model_copy(update={"training": training})
    for line in told_cuts(parent.codec, data.train, recipe.training.max_tokens):
        print(f"{recipe.name}: {line}", file=sys.stderr, flush=True)
    trained = [GRAFT, *(name for name in recipe.controls.arms if name != TFIDF)]
    starts = [start_of(name, recipe, parent) for name in trained]
    counted = count_letters(recipe, parent.codec, data)
    return _Begun(recipe, typed, parent, data, counted, starts)


def _trained(start: Start, begun: _Begun, output: Path) -> Seeded:
    with held(output, start.name):
        return train(start, begun.recipe, begun.data, output, begun.counted)


def _counted(tfidf: Tfidf, sets: list[LabelSet]) -> Guesses:
    return [tfidf.predict(part.texts) for part in sets]
