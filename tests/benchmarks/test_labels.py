"""The label table: which labels each case trains on, and what its tables say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.labels.__main__ import main
from benchmarks.labels.cases import CASES, Case
from benchmarks.labels.table import as_markdown
from lingraft.training.experiment.typed import typed_classification
from lingraft.training.recipe.loading import load_recipe
from lingraft.training.recipe.recipes import ClassifyRecipe

BY_NAME = {case.name: case for case in CASES}


def _row(case: str, over: list[float]) -> dict[str, Any]:
    """What a finished case leaves, one language of it."""
    score = {"interval": [50.0, 45.0, 55.0], "seeds": [50.0]}
    return {
        "case": case,
        "trained_on": {"en": 700, "yo": 7},
        "seeds": 3,
        "counts": True,
        "tests": [
            {
                "language": "yo",
                "texts": 204,
                "macro_f1": {"graft": score, "random-parent": score, "tfidf": score},
                "baseline": "tfidf",
                "over": {"random-parent": [1.0, 0.5, 2.0], "tfidf": over},
                "verdict_on_dev": "HOLD",
            }
        ],
        "calibration": [
            {
                "language": "yo",
                "examples": 400,
                "method": "temperature",
                "ece_before": 0.2,
                "ece": 0.061,
                "ece_by_chance": 0.07,
                "as_wanted": False,
                "reason": "",
                "test": {"ece": 0.044, "by_chance": 0.06},
            },
            {
                "language": "sw",
                "examples": 99,
                "method": None,
                "ece_before": 0.1,
                "reason": "99 examples, under the 100 that are needed",
            },
        ],
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_case_is_a_recipe_whose_data_fits_its_kind(case: Case) -> None:
    """With both controls, and stages only where the case has them."""
    recipe = case.load("parent-xs")
    typed_classification(recipe)
    assert (recipe.name, recipe.seeds) == (case.name, case.seeds)
    assert recipe.controls.arms == ("random-parent", "tfidf")
    assert bool(recipe.stages) == bool(recipe.monolingual) == case.stages
    assert recipe.wide is not None
    plain = case.load("parent-xs", seeds=2, counts=False)
    assert (plain.seeds, plain.wide) == (2, None)


def test_a_language_left_out_is_tested_and_nothing_else() -> None:
    """No text of it trains, chooses or decides; the starter's recipe says the rest."""
    recipe = BY_NAME["spam-without-hi"].load("p")
    for part in (recipe.train, recipe.dev):
        assert {source.language for source in part} == {"en", "de", "fr"}
    assert [source.language for source in recipe.test] == ["hi"]
    assert (recipe.transfer.kind, recipe.transfer.child) == ("transductive", ("hi",))
    starter = load_recipe("spam")
    assert isinstance(starter, ClassifyRecipe)
    assert recipe.wide == starter.wide


def test_zero_shot_has_no_label_of_a_child_and_few_shot_as_many_as_its_name_says() -> None:
    """Labels of the parent's languages are all there, always."""
    none, few = BY_NAME["topics-0"].load("p"), BY_NAME["topics-16"].load("p")
    assert none.transfer.kind == "transductive"
    assert [source.language for source in none.train] == ["en", "fr", "de", "es"]
    assert few.transfer.kind == "inductive"
    shots = {source.language: source.per_label for source in few.train}
    assert shots == {**dict.fromkeys(("en", "fr", "de", "es")), "yo": 16, "sd": 16, "sw": 16}


def test_a_difference_that_may_be_none_is_called_none() -> None:
    """And one whose interval lies on one side of zero is told."""
    table = as_markdown([_row("topics-0", [1.2, -0.4, 2.9]), _row("topics-1", [1.2, 0.4, 2.9])])
    assert "| no difference shown [-0.4, +2.9] | no difference shown [-0.4, +2.9] |" in table
    assert "| +1.2 [+0.4, +2.9] | +1.2 [+0.4, +2.9] |" in table


def test_calibration_that_misses_its_mark_or_is_none_is_told() -> None:
    """Where dev is too small, the error is not judged."""
    table = as_markdown([_row("topics-0", [1.2, -0.4, 2.9])])
    told = "| yo | 400 | temperature | 0.200 | 0.061 (too much) | 0.070 | 0.044 | 0.060 |"
    assert told in table
    assert "not calibrated: 99 examples, under the 100 that are needed (not judged)" in table


def test_a_finished_case_is_not_done_again(tmp_path: Path) -> None:
    """There is no such parent: doing it would fail."""
    command = ["--output", str(tmp_path), "--parent", str(tmp_path / "none"), "--cases"]
    assert main([*command, "topics-4"]) == 1
    (tmp_path / "topics-4").mkdir(exist_ok=True)
    row = _row("topics-4", [1.2, 0.4, 2.9])
    (tmp_path / "topics-4" / "row.json").write_text(json.dumps(row), encoding="utf-8")
    assert main([*command, "topics-4"]) == 0
    assert json.loads((tmp_path / "table.json").read_text(encoding="utf-8")) == [row]
    assert "topics-4" in (tmp_path / "table.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("otherwise", [["--seeds", "2"], ["--encoder-alone"]])
def test_a_case_that_was_done_in_another_way_is_refused(
    tmp_path: Path, otherwise: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """One table does not hold two ways under one name."""
    (tmp_path / "topics-4").mkdir()
    row = _row("topics-4", [1.2, 0.4, 2.9])
    (tmp_path / "topics-4" / "row.json").write_text(json.dumps(row), encoding="utf-8")
    assert main(["--output", str(tmp_path), "--cases", "topics-4", *otherwise]) == 1
    assert "topics-4: done with 3 seeds, table of n-grams True" in capsys.readouterr().err
