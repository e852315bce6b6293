"""Assessing a translator as it stands: dev calibrates, test is translated once, nothing trains."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from transformers import MarianMTModel

from lingraft.training.calibrate.translation import TranslationCalibration
from lingraft.training.data import corpora
from lingraft.training.data.testsets import TestSet
from lingraft.training.errors import DataError, RecipeError
from lingraft.training.experiment.measuring import PARENT, outputs_of
from lingraft.training.experiment.trusting import trust_translation
from lingraft.training.measure import openings
from lingraft.training.models.marian import load_model
from lingraft.training.parents.find import ParentModel, find_parent
from lingraft.training.recipe.loading import load_recipe
from lingraft.training.recipe.recipes import AssessRecipe, Pairs, PretrainRecipe

_TEST = "test"


@dataclass(frozen=True)
class Assessed:
    """Everything a bundle is made of.

    taught: the pairs that it was trained on, as its own recipe says; none where nobody says.
    dev: by direction, without rows whose sides stand in test.
    outputs: translations of each of `tests`.
    """

    recipe: AssessRecipe
    parent: ParentModel
    model: MarianMTModel
    taught: tuple[Pairs, ...]
    dev: list[TestSet]
    tests: list[TestSet]
    outputs: list[list[str]]
    calibration: TranslationCalibration | None
    test_openings: int


def assess(recipe: AssessRecipe, output: Path) -> Assessed:
    """Translate and calibrate; translations of test are kept in `output`, and made once.

    Raises:
        TrainingError: anything that the user can mend.
    """
    taught = _taught(recipe)
    parent = find_parent(recipe.parent)
    parent.require_tags(code for pairs in [*recipe.dev, *recipe.test] for code in _sides(pairs))
    rows = corpora.read_pairs([*recipe.dev, *recipe.test])
    dev_rows, test_rows = rows[: len(recipe.dev)], rows[len(recipe.dev) :]
    held_out = corpora.keys(test_rows)
    dev = corpora.test_sets(recipe.dev, [corpora.without(r, held_out) for r in dev_rows], None)
    tests = corpora.test_sets(recipe.test, test_rows, None)
    if bare := [test.name for test in [*dev, *tests] if not test.sources]:
        named = ", ".join(dict.fromkeys(bare))
        raise DataError(f"{named}: no row is left, or every row of dev stands in test too")
    model, folder = load_model(parent.folder), output / _TEST
    return Assessed(
        recipe=recipe,
        parent=parent,
        model=model,
        taught=taught,
        dev=dev,
        tests=tests,
        outputs=outputs_of(model, parent.codec, tests, folder, PARENT),
        calibration=trust_translation(model, parent.codec, dev, recipe.calibration),
        test_openings=openings.count(folder, PARENT),
    )


def _taught(recipe: AssessRecipe) -> tuple[Pairs, ...]:
    if recipe.pretraining is None:
        return ()
    found = load_recipe(recipe.pretraining)
    if not isinstance(found, PretrainRecipe):
        raise RecipeError(f'{recipe.name}: pretraining is a recipe of task "{found.task}"')
    return tuple(found.train)


def _sides(pairs: Pairs) -> tuple[str, str]:
    return pairs.source, pairs.target
