"""Parallel text takes what labels teach over to a language that has none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from lingraft.training.errors import DataError
from lingraft.training.experiment.bridging import versions_of
from lingraft.training.experiment.counting import Counted, count_letters
from lingraft.training.experiment.labels import Labels, encode_rows, load_labels
from lingraft.training.experiment.origins import licence_of, sources_by_use
from lingraft.training.parents.find import ParentModel, find_parent
from lingraft.training.recipe.recipes import ClassifyRecipe
from lingraft.training.recipe.settings import Pairs
from lingraft.training.recipe.wide import Bridge, Wide

Rows = Sequence[Sequence[str]]


@pytest.fixture(scope="module")
def pairs(
    tmp_path_factory: pytest.TempPathFactory,
    english: tuple[str, ...],
    to_yoruba: Callable[[str], str],
    write_tsv: Callable[[Path, Rows], Path],
) -> Pairs:
    """Translations of unlabelled sentences, and of two that the toy tests."""
    texts = [*english[24:26], *english[160:]]
    path = tmp_path_factory.mktemp("bridge") / "en-yo.tsv"
    write_tsv(path, [(text, to_yoruba(text)) for text in texts])
    return Pairs(name="pairs", path=str(path), source="en", target="yo", licence="GPL-3.0")


def _recipe(toy: Any, pairs: Pairs | None, language: str = "en") -> ClassifyRecipe:
    """Labels in one language, tests in Yoruba and that one."""
    shipped = toy.recipe("wide")
    read = {
        part: [
            source.model_copy(
                update={"path": str(toy.data / f"{part}.{code}.tsv"), "language": code}
            )
            for code in ((language,) if part == "train" else (language, "yo"))
            for source in getattr(shipped, part)[:1]
        ]
        for part in ("train", "dev", "test")
    }
    bridge = Bridge(pairs=[pairs]) if pairs else None
    made: ClassifyRecipe = toy.recipe("wide", wide=Wide(bridge=bridge), **read)
    return made


def _table(recipe: ClassifyRecipe) -> tuple[Counted, Labels, ParentModel]:
    parent, labels = find_parent(recipe.parent), load_labels(recipe)
    counted = count_letters(recipe, parent.codec, labels)
    assert counted is not None
    return counted, labels, parent


def _right(recipe: ClassifyRecipe, language: str) -> float:
    """The share of test texts of a language that the table alone gets right."""
    counted, labels, parent = _table(recipe)
    (part,) = (part for part in labels.test if part.language == language)
    found = counted.logits(encode_rows(parent.codec, part.rows, recipe.training.max_tokens))
    return float((found.argmax(axis=1) == labels.indices(part.rows)).mean())


def test_a_language_without_labels_is_told_apart_over_parallel_text(toy: Any, pairs: Pairs) -> None:
    """Better than by the words it shares, and the language with labels loses nothing."""
    alone, bridged = _recipe(toy, None), _recipe(toy, pairs)
    assert _right(bridged, "yo") > max(_right(alone, "yo") + 0.2, 0.8)
    assert _right(bridged, "en") >= _right(alone, "en")


def test_a_bridge_makes_the_same_table_each_time(toy: Any, pairs: Pairs) -> None:
    """Nothing of it is drawn."""
    recipe = _recipe(toy, pairs)
    np.testing.assert_array_equal(_table(recipe)[0].rows, _table(recipe)[0].rows)


def test_pairs_that_stand_in_test_are_left_out(toy: Any, pairs: Pairs) -> None:
    """By either side; they are counted with what was dropped."""
    whole, without = load_labels(_recipe(toy, pairs)), load_labels(_recipe(toy, None))
    tested = {text for part in whole.test for text in part.texts}
    (rows,) = whole.parallel
    assert rows
    assert not tested & {text for row in rows for text in row}
    assert whole.dropped == without.dropped + 2


def test_a_bridge_must_begin_where_labels_are(toy: Any, pairs: Pairs) -> None:
    """Pairs of two languages without labels tell nothing."""
    recipe = _recipe(toy, pairs, language="fr")
    with pytest.raises(DataError, match=r"no pair leads from labels \(fr\)"):
        _table(recipe)


def test_a_sentence_in_three_languages_is_one_sentence(pairs: Pairs) -> None:
    """Pairs that share their left side say the same; a text counts once in it."""
    french = pairs.model_copy(update={"name": "more", "target": "fr"})
    found = versions_of([pairs, french], [[("one", "ọ̀kan"), ("two", "méjì")], [("one", "un")]])
    assert [row[0] for row in found.rows] == ["one", "ọ̀kan", "two", "méjì", "un"]
    assert found.sentences.tolist() == [0, 0, 1, 1, 0]
    assert found.origins.tolist() == [0, 1, 0, 1, 2]


def test_parallel_text_counts_among_what_a_classifier_is_made_of(toy: Any, pairs: Pairs) -> None:
    """With its use, and with its licence if that is the strictest."""
    recipe = _recipe(toy, pairs)
    assert [source.name for use, source in sources_by_use(recipe) if use == "bridge"] == ["pairs"]
    assert licence_of(recipe, find_parent(recipe.parent)) == "GPL-3.0"


def test_a_bridge_without_pairs_or_weight_is_refused(pairs: Pairs) -> None:
    """What it would teach is nothing; every fault is told."""
    with pytest.raises(ValidationError) as refused:
        Bridge.model_validate({"pairs": [], "weight": 0, "penalty": 0, "texts": 0, "share": 1})
    told = [error["loc"] for error in refused.value.errors()]
    assert told == [("pairs",), ("weight",), ("penalty",), ("texts",), ("share",)]
    assert Bridge(pairs=[pairs]).weight > 1
