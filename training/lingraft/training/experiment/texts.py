"""All text of a graft, split by what it is for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lingraft.training.data import corpora
from lingraft.training.data.corpora import Row
from lingraft.training.data.testsets import TestSet
from lingraft.training.errors import DataError
from lingraft.training.parents.find import ParentModel
from lingraft.training.recipe.recipes import GraftRecipe, Pairs


@dataclass(frozen=True)
class Data:
    """Text of a translation graft.

    dropped: training rows left out because a side stands in dev or test.
    """

    train: list[list[Row]]
    rehearsal: list[list[Row]]
    select: list[TestSet]
    decide: list[TestSet]
    test: list[TestSet]
    parent_test: list[TestSet]
    dropped: int

    @property
    def select_rows(self) -> list[list[Row]]:
        """What settings are chosen on: a run is the same run only on the same text."""
        return [list(zip(test.sources, test.references, strict=True)) for test in self.select]


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
