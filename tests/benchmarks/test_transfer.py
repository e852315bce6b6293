"""The transfer table: its cases are recipes that parse; its rows claim no more than they show."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.transfer.cases import CHILDREN, NEGATIVES, PARENTS, TABLE, ChildCase
from benchmarks.transfer.table import as_markdown


@pytest.mark.parametrize("case", CHILDREN, ids=lambda case: case.name)
def test_every_case_is_a_recipe_with_its_size_and_budget(case: ChildCase) -> None:
    """And its parent is one of those that the command pretrains."""
    recipe = case.load(Path("runs/some-parent/model"))
    assert recipe.name == case.name
    assert recipe.parent == "runs/some-parent/model"
    assert recipe.seeds == case.seeds
    assert recipe.train[0].sample == case.rows
    assert recipe.training.max_steps == case.training.get("max_steps", 800)
    assert case.parent in {parent.name for parent in PARENTS}


def test_every_parent_is_a_recipe() -> None:
    """Of the name that its folder has."""
    assert [parent.load().name for parent in PARENTS] == [parent.name for parent in PARENTS]


def test_a_planned_negative_may_not_pass() -> None:
    """And the cases of the table must."""
    assert all(case.expected == ("HOLD", "REFUSE") for case in NEGATIVES)
    assert all(case.expected == ("PASS",) for case in TABLE)


def test_a_difference_that_chance_explains_is_called_none() -> None:
    """Only an interval away from zero is printed as a figure."""
    score = {"mean": 20.0, "deviation": 0.5}
    test = {
        "test_set": "toy",
        "direction": "en-yo",
        "baseline": "scratch",
        "scores": {"graft": score, "scratch": {"mean": 19.0, "deviation": None}},
        "over": {"scratch": [1.0, -0.2, 2.2]},
    }
    row = {"case": "toy", "pairs": 1000, "seeds": 3, "verdict": "HOLD", "tests": [test]}
    shown = as_markdown([row])
    assert "no difference shown [-0.2, +2.2]" in shown
    assert "20.0 ± 0.5" in shown
    row["tests"] = [{**test, "over": {"scratch": [1.0, 0.2, 2.2]}}]
    assert "| +1.0 [+0.2, +2.2] |" in as_markdown([row])
