"""Part of the way back to the parent: how far, on what text, and who is told."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from lingraft.training.data.testsets import TestSet as Held
from lingraft.training.errors import RecipeError
from lingraft.training.experiment.interpolating import interpolate
from lingraft.training.experiment.texts import load_data
from lingraft.training.experiment.typed import typed_translation
from lingraft.training.models.marian import load_model, load_weights, weights_of
from lingraft.training.parents.find import find_parent
from lingraft.training.recipe.experiment import Interpolation
from lingraft.training.report.markdown import as_markdown
from lingraft.training.report.page import as_html

HALF_BACK = ("[gate]", "[interpolation]\nshares = [0.5]\nmax_loss = 99\n\n[gate]")


@pytest.fixture
def parent(toy: Any) -> Any:
    """The toy's parent."""
    return find_parent(toy.load().parent)


@pytest.fixture
def old(keeping: Any) -> list[Held]:
    """Dev of the parent's directions."""
    return load_data(keeping.load()).parent_dev


def _moved(folder: Path, by: float) -> Any:
    """The model of a folder, shaken; all of the way it translates nothing any more."""
    model = load_model(folder)
    torch.manual_seed(3)
    shaken = {name: w + by * torch.randn_like(w) for name, w in weights_of(model).items()}
    load_weights(model, shaken)
    return model


def _taken(parent: Any, tests: Sequence[Held], settings: Interpolation, folder: Path) -> Any:
    start, model = load_model(parent.folder), _moved(parent.folder, 0.5)
    shaken = {name: each.clone() for name, each in weights_of(model).items()}
    told = interpolate(model, start, parent.codec, tests, settings, folder)
    for name, weights in weights_of(model).items():
        expected = torch.lerp(weights_of(start)[name], shaken[name], told.share)
        torch.testing.assert_close(weights, expected)
    return told


def test_the_largest_share_that_keeps_enough_is_taken(
    parent: Any, old: list[Held], tmp_path: Path
) -> None:
    """Shares are tried from the largest down, and no further than need be."""
    settings = Interpolation(shares=(0.001, 1.0, 0.002), max_loss=5.0)
    told = _taken(parent, old, settings, tmp_path)
    assert told.share == 0.002
    assert [each.share for each in told.tried] == [1.0, 0.002]
    assert told.tried[0].lost > 5 >= told.tried[1].lost
    assert told.tried[0].direction in {"en-fr", "fr-en"}


def test_where_every_share_loses_too_much_the_best_is_taken(
    parent: Any, old: list[Held], tmp_path: Path
) -> None:
    """The gate has the last word."""
    settings = Interpolation(shares=(1.0, 0.4, 0.7), max_loss=1e-6)
    told = _taken(parent, old, settings, tmp_path)
    lost = {each.share: each.lost for each in told.tried}
    assert lost.keys() == {1.0, 0.7, 0.4}
    assert lost[told.share] == min(lost.values()) > 1


def test_a_repeated_search_translates_nothing_again(
    parent: Any, old: list[Held], tmp_path: Path
) -> None:
    """Answers are kept with the weights that gave them."""
    settings = Interpolation(shares=(1.0, 0.5))
    first = _taken(parent, old, settings, tmp_path)
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert _taken(parent, old, settings, tmp_path) == first
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == stamps


def test_the_trained_graft_is_served_half_way_back_and_all_tell_so(keeping: Any, toy: Any) -> None:
    """No run begins anew; report and page say how much of the training is in the weights."""
    text = keeping.recipe.read_text("utf-8")
    assert HALF_BACK[0] in text
    keeping.recipe.write_text(text.replace(*HALF_BACK), "utf-8")
    assert keeping.graft() == 0
    report = keeping.report
    assert report["interpolation"]["share"] == 0.5
    assert [each["share"] for each in report["interpolation"]["tried"]] == [0.5]
    assert report["cost"] == toy.report["cost"]
    assert report["results"] != toy.report["results"]
    assert "50% of what training changed is kept" in as_markdown(report)
    page = re.sub("<[^>]+>", "", as_html(report))
    assert "50% of what training changed is kept" in " ".join(page.split())


def test_what_is_chosen_on_calibrates_nothing(keeping: Any) -> None:
    """The parent's dev is cut in two, as the child's is."""
    whole = load_data(keeping.load())
    assert whole.parent_select[0].sources == ()
    cut = load_data(
        keeping.load().model_copy(update={"interpolation": Interpolation(shares=(0.5,))})
    )
    chosen, rest = set(cut.parent_select[0].sources), set(cut.parent_dev[0].sources)
    assert chosen
    assert not chosen & rest
    assert chosen | rest == set(whole.parent_dev[0].sources)


def test_interpolation_without_dev_of_the_parent_is_refused(toy: Any) -> None:
    """It would not know how far to go."""
    recipe = toy.load().model_copy(update={"interpolation": Interpolation()})
    with pytest.raises(RecipeError, match="interpolation: dev text of the parent tells"):
        typed_translation(recipe, ("en", "fr"))
