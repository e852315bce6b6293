"""Grafts that are refused, and grafts at the edge of what is taken."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lingraft.training.errors import DataError, RecipeError
from lingraft.training.experiment.texts import load_data
from lingraft.training.experiment.typed import typed_translation

Change = Callable[..., Any]


def test_another_recipe_or_other_text_in_the_same_folder_is_refused(
    toy: Any, changed: Change, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run is never continued as something else; how often it saves does not matter."""
    for path in ("train.tsv", "dev.tsv"):
        other = replace(changed(), output=toy.output)
        text = (other.recipe.parent / path).read_text(encoding="utf-8")
        (other.recipe.parent / path).write_text("a new row\tọnẹ mọrẹ\n" + text, "utf-8")
        assert other.graft() == 1
        assert "a run with other settings, data or parent began here" in capsys.readouterr().err
    other = replace(changed(("trial_steps = 15", "trial_steps = 16")), output=toy.output)
    assert other.graft() == 1
    other = replace(changed(("save_every = 30", "save_every = 7")), output=toy.output)
    assert other.graft() == 0


def test_harm_is_refused_unless_there_is_a_reason(
    changed: Change, capsys: pytest.CaptureFixture[str]
) -> None:
    """The report stands; the export waits for a reason, which then stands in card and manifest."""
    # Two steps at a rate that wipes out what the parent knew: the parent itself is better.
    toy = changed(
        ("max_steps = 60", "max_steps = 2"),
        ("warmup_steps = 10", "warmup_steps = 1"),
        ("learning_rates = [3e-3, 1e-2]", "learning_rates = [0.3]"),
    )
    assert toy.graft() == 1
    assert toy.report["verdict"] == "REFUSE"
    message = capsys.readouterr().err
    assert "the gate refused this graft" in message
    assert "--accept-negative" in message
    assert "Traceback" not in message
    assert not (toy.output / "bundle").exists()
    assert toy.graft("--accept-negative", "a warning for the museum") == 0
    card = (toy.output / "bundle" / "README.md").read_text(encoding="utf-8")
    assert "because: a warning for the museum" in card
    for pair in toy.manifest["pairs"]:
        assert pair["transfer"]["negativeTransfer"] is True
        assert pair["transfer"]["acceptedNegativeReason"] == "a warning for the museum"


def test_a_control_may_take_longer_than_the_graft(changed: Change) -> None:
    """From nothing it often must; a grid of one point is not tried beforehand."""
    toy = changed(
        ("max_steps = 60", "max_steps = 2\n"),
        ("parity_sentences = 8", "parity_sentences = 2"),
        ("[gate]", "[controls]\nsteps = 5\n\n[gate]"),
        ("learning_rates = [3e-3, 1e-2]", "learning_rates = [1e-5]"),
    )
    assert toy.graft() in (0, 1)
    arms = toy.report["arms"]
    assert {name: arm["steps"] for name, arm in arms.items()} == {
        "graft": 2,
        "scratch": 5,
        "random-parent": 5,
    }
    assert arms["scratch"]["grid"] == []
    assert arms["scratch"]["chosen"] == {"learning_rate": 1e-5, "dropout": 0.0}


def test_a_tiny_dev_set_serves_both_halves(changed: Change) -> None:
    """One sentence is little to decide on, but no reason to fail."""
    toy = changed()
    row = (toy.recipe.parent / "dev.tsv").read_text(encoding="utf-8").splitlines()[1]
    (toy.recipe.parent / "dev.tsv").write_text(row + "\n", encoding="utf-8")
    recipe = toy.load()
    data = load_data(recipe)
    assert [t.sources for t in data.select] == [t.sources for t in data.decide]
    assert len(data.select) == 2


def test_data_of_which_nothing_is_left_is_refused(changed: Change) -> None:
    """When train, or dev, is nothing but test."""
    for name in ("train.tsv", "dev.tsv"):
        toy = changed()
        shutil.copy(toy.recipe.parent / "test.tsv", toy.recipe.parent / name)
        recipe = toy.load()
        with pytest.raises(DataError, match="stands in test too; split it anew"):
            load_data(recipe)


def test_languages_that_the_parent_cannot_ask_for_are_refused(
    changed: Change, capsys: pytest.CaptureFixture[str]
) -> None:
    """In every part of the recipe, before anything trains; with the mend."""
    toy = changed(('target = "yo"', 'target = "ig"'))
    assert toy.graft() == 1
    message = capsys.readouterr().err
    assert "its vocabulary has no tag for ig (>>ibo<<)" in message
    assert 'set method = "extend"' in message
    assert not list(toy.output.glob("*/run"))


def test_all_faulty_files_of_a_graft_are_named_at_once(
    changed: Change, capsys: pytest.CaptureFixture[str]
) -> None:
    """One message, exit status 1."""
    toy = changed(("train.tsv", "gone.tsv"), ("old.tsv", "lost.tsv"))
    assert toy.graft() == 1
    message = capsys.readouterr().err
    assert "gone.tsv: no such file" in message
    assert "lost.tsv: no such file" in message


def test_a_parent_that_cannot_be_asked_about_its_old_text_is_not(toy: Any) -> None:
    """Without rehearsal, or under new pieces; every fault at once."""
    recipe = toy.load().model_copy(update={"rehearse": "parent", "rehearsal": []})
    vocabulary = recipe.vocabulary.model_copy(update={"method": "replace"})
    for changes, wanted in (
        ({}, ["and there is none"]),
        ({"vocabulary": vocabulary}, ["and there is none", "under new pieces"]),
    ):
        with pytest.raises(RecipeError) as caught:
            typed_translation(recipe.model_copy(update=changes), ("en", "fr"))
        told = [line for line in str(caught.value).splitlines() if "rehearse:" in line]
        assert len(told) == len(wanted)
        assert all(part in line for part, line in zip(wanted, told, strict=True))
