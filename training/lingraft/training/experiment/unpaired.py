"""Zero-shot directions: those between languages of the test sets that no training ever paired."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from lingraft.training.data.testsets import TestSet
from lingraft.training.errors import SynthesisError
from lingraft.training.experiment.texts import Data
from lingraft.training.recipe.recipes import GraftRecipe
from lingraft.training.synthesis.unsupervised import zero_shot_tests
from lingraft.training.vocabulary.codec import Codec

_NAMED = "zero-shot, never paired in training"  # as `zero_shot_tests` names those it makes
_PAIRING = {"back-translate", "iterate"}  # stages that make pairs of their own


def unpaired(recipe: GraftRecipe, data: Data, known: Sequence[str]) -> list[TestSet]:
    """Test sets that test and parent_test make over source sentences that they share.

    en-yo and en-fr of the same English give fr-yo and yo-fr. What stands in test itself is measured
    there, paired or not; languages in `known`, the parent's, count as paired with each other.
    """
    tests = [*data.test, *data.parent_test]
    try:
        found = zero_shot_tests(tests, _paired(recipe, known))
    except SynthesisError:  # every direction was paired
        return []
    measured = {test.direction for test in tests}
    return [test for test in found if test.direction not in measured]


def _paired(recipe: GraftRecipe, known: Sequence[str]) -> set[tuple[str, str]]:
    read = {(pairs.source, pairs.target) for pairs in (*recipe.train, *recipe.rehearsal)}
    return read | set(product(known, known))


def shown_name(recipe: GraftRecipe, known: Sequence[str], test: TestSet) -> str:
    """A test set's name, which says so where the child was given no pairs of its languages."""
    way = (test.source_language, test.target_language)
    met = {way, way[::-1]} & _paired(recipe, known)
    made = any(stage.method in _PAIRING for stage in recipe.stages)
    return test.name if met or made or _NAMED in test.name else f"{test.name} ({_NAMED})"


def speaks(codec: Codec, tests: Sequence[TestSet]) -> bool:
    """Whether a vocabulary has the tags of all languages of `tests`."""
    asked = {code for test in tests for code in (test.source_language, test.target_language)}
    return all(map(codec.has_language, asked))
