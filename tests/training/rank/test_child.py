"""The child's text: the choosing half of dev, no row of dev in train, no opening of test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from lingraft.training.errors import DataError
from lingraft.training.rank.child import Child, child_key, load_child
from lingraft.training.recipe.loading import load_recipe
from lingraft.training.recipe.recipes import ClassifyRecipe, GraftRecipe

Rows = Sequence[Sequence[str]]


def _labels(folder: Path) -> ClassifyRecipe:
    recipe = load_recipe(str(folder / "labels.toml"))
    assert isinstance(recipe, ClassifyRecipe)
    return recipe


def test_rows_of_dev_are_not_trained_on_and_test_is_not_read(child: Child, folder: Path) -> None:
    """Two rows of train stand in dev; the file of test does not even exist."""
    assert not (folder / "never-read.tsv").exists()
    assert len(child.rows[0]) == 120
    assert len(child.train) == 240  # both directions


def test_the_half_of_dev_that_decides_is_not_used(child: Child, english: tuple[str, ...]) -> None:
    """Every other row is left to the gate."""
    chosen = {example.text for example in child.dev if example.language == "en"}
    assert len(chosen) == 8
    assert chosen <= set(english[0:24:2])


def test_a_classifier_has_labels_and_asks_for_no_tag(child: Child, folder: Path) -> None:
    """A translation asks for a tag of each side."""
    labelled = load_child(_labels(folder))
    assert labelled.labels == ("other", "trade")
    assert labelled.tags == set()
    assert labelled.languages == ("yo",)
    assert (len(labelled.train), len(labelled.dev)) == (120, 12)
    assert child.labels == ()
    assert child.tags == {"en", "yo"}


def test_labels_of_dev_must_stand_in_train(
    folder: Path, tmp_path: Path, write_tsv: Callable[[Path, Rows], Path]
) -> None:
    """Or no likelihood could be told."""
    write_tsv(tmp_path / "labels.tsv", [("one text", "a"), ("another text", "b")])
    write_tsv(tmp_path / "labels.dev.tsv", [("a third", "c")])
    text = (folder / "labels.toml").read_text(encoding="utf-8")
    (tmp_path / "labels.toml").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="dev has labels that train lacks: c"):
        load_child(_labels(tmp_path))


def test_nothing_left_to_train_on_is_an_error(
    folder: Path, tmp_path: Path, write_tsv: Callable[[Path, Rows], Path]
) -> None:
    """Train and dev are the same file."""
    rows = [("one text", "a"), ("another text", "b")]
    for name in ("labels.tsv", "labels.dev.tsv"):
        write_tsv(tmp_path / name, rows)
    text = (folder / "labels.toml").read_text(encoding="utf-8")
    (tmp_path / "labels.toml").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="every row of train stands in dev too"):
        load_child(_labels(tmp_path))


def test_the_key_names_the_child_and_not_its_parent(child: Child) -> None:
    """Another parent: the same child. Fewer rows: another one."""
    recipe = child.recipe
    assert isinstance(recipe, GraftRecipe)
    key = child_key(recipe)
    assert key == "graft en-yo: toy en-yo; test toy test"
    assert child_key(recipe.model_copy(update={"parent": "oak", "name": "other"})) == key
    fewer = [recipe.train[0].model_copy(update={"limit": 50})]
    assert child_key(recipe.model_copy(update={"train": fewer})) == (
        "graft en-yo: toy en-yo[:50]; test toy test"
    )
