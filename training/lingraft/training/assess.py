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
from lingraft.training.run.holding import held

_TEST = "test"


@dataclass(frozen=True)
class Assessed:
    """Everything a bundle is made of.

    taught: the recipe of its pretraining; None where nobody names it.
    dev: by direction, without rows whose sides stand in test.
    outputs: translations of each of `tests`.
    seen: rows of its training that have a side in test; None where that text is not here.
    """

    recipe: AssessRecipe
    parent: ParentModel
    model: MarianMTModel
    taught: PretrainRecipe | None
    dev: list[TestSet]
    tests: list[TestSet]
    outputs: list[list[str]]
    calibration: TranslationCalibration | None
    seen: int | None
    test_openings: int


def assess(recipe: AssessRecipe, output: Path) -> Assessed:
    """Calibrate and translate; translations of test are kept in `output`, and made once.

    Raises:
        TrainingError: anything that the user can mend.
    """
    parent, taught = find_parent(recipe.parent), _taught(recipe)
    _fits(recipe, parent, taught)
    rows = corpora.read_pairs([*recipe.dev, *recipe.test])
    dev_rows, test_rows = rows[: len(recipe.dev)], rows[len(recipe.dev) :]
    held_out = corpora.keys(test_rows)
    dev = corpora.test_sets(recipe.dev, [corpora.without(r, held_out) for r in dev_rows], None)
    tests = corpora.test_sets(recipe.test, test_rows, None)
    if bare := [test.name for test in [*dev, *tests] if not test.sources]:
        named = ", ".join(dict.fromkeys(bare))
        raise DataError(f"{named}: no row is left, or every row of dev stands in test too")
    seen = _seen(taught, held_out)
    model, folder = load_model(parent.folder), output / _TEST
    calibration = trust_translation(model, parent.codec, dev, recipe.calibration)
    with held(output, _TEST):
        outputs = outputs_of(model, parent.codec, tests, folder, PARENT)
    opened = openings.count(folder, PARENT)
    return Assessed(recipe, parent, model, taught, dev, tests, outputs, calibration, seen, opened)


def _taught(recipe: AssessRecipe) -> PretrainRecipe | None:
    if recipe.pretraining is None:
        return None
    found = load_recipe(recipe.pretraining)
    if not isinstance(found, PretrainRecipe):
        raise RecipeError(f'{recipe.name}: pretraining is a recipe of task "{found.task}"')
    return found


def _fits(recipe: AssessRecipe, parent: ParentModel, taught: PretrainRecipe | None) -> None:
    """Raise with every reason why these do not go together."""
    parent.require_tags(code for pairs in [*recipe.dev, *recipe.test] for code in _sides(pairs))
    faults = []
    measured = {way for pairs in recipe.test for way in directions(pairs)}
    if alone := sorted({way for pairs in recipe.dev for way in directions(pairs)} - measured):
        named = ", ".join("-".join(way) for way in alone)
        faults.append(f"dev has {named}, which no test set measures: add one, or leave it out")
    if taught is not None:
        spoken = {code for pairs in taught.train for code in _sides(pairs)}
        if parent.languages and spoken != set(parent.languages):
            faults.append(
                f"pretraining {taught.name} is in {', '.join(sorted(spoken))}, and parent "
                f"{parent.name} in {', '.join(sorted(parent.languages))}: name the recipe that "
                "trained it, or none"
            )
    if faults:
        raise RecipeError(f"{recipe.name}:" + "".join(f"\n  - {fault}" for fault in faults))


def _seen(taught: PretrainRecipe | None, held_out: set[str]) -> int | None:
    """How many rows of training have a side in the test sets."""
    if taught is None or not all(Path(pairs.path).is_file() for pairs in taught.train):
        return None
    rows = corpora.read_pairs(taught.train)
    return sum(len(part) - len(corpora.without(part, held_out)) for part in rows)


def directions(pairs: Pairs) -> set[tuple[str, str]]:
    """Source and target language of what a data source teaches or measures."""
    way = _sides(pairs)
    return {way, way[::-1]} if pairs.both_directions else {way}


def _sides(pairs: Pairs) -> tuple[str, str]:
    return pairs.source, pairs.target
