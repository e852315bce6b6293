"""How much of a long text a classifier reads, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path

from lingraft.training.experiment.labels import told_cuts, within_sight
from lingraft.training.parents.find import find_parent
from lingraft.training.recipe.settings import Training


def test_texts_that_are_cut_are_told_by_language(parent_run: Path) -> None:
    """A script that the parent spells by bytes is long, and its ends would go unseen."""
    codec = find_parent(str(parent_run / "model")).codec
    rows = [("the boat waits", "a", "en")] * 99 + [("the boat " * 30, "a", "en")]
    rows += [("水面夜", "b", "zh"), ("水面夜道路信水面夜道路信", "b", "zh")]
    (chinese,) = told_cuts(codec, rows, 30)
    assert chinese == (
        "zh: 1 of 2 training texts have more than 30 pieces and are cut there (training.max_tokens)"
    )
    assert len(told_cuts(codec, rows, 3)) == 2
    assert told_cuts(codec, rows, 500) == []


def test_no_text_keeps_more_pieces_than_parent_or_training_text_has(parent_run: Path) -> None:
    """Longer ones would be read at positions of which nothing is known."""
    parent = find_parent(str(parent_run / "model"))
    short, long = ("the boat", "a", "en"), ("the boat waits " * 40, "a", "en")
    most = len(parent.codec.encode_target(long[0], "en"))
    training = Training(max_steps=1, max_tokens=500)
    assert within_sight(training, parent, [short]).max_tokens == parent.positions
    assert parent.positions < within_sight(training, parent, [short, long]).max_tokens == most
    assert (
        within_sight(training.model_copy(update={"max_tokens": 30}), parent, [long]).max_tokens
        == 30
    )
