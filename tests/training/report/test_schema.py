"""What the twin works out from the rest."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from lingraft.training.report.page import as_html
from lingraft.training.report.schema import VERSION, complete
from lingraft.training.report.translation import side_by_side


def _result(**keys: Any) -> dict[str, Any]:
    arms = [
        {"name": "graft", "scores": [10.0, 11.5, 13.0]},
        {"name": "scratch", "scores": [8.5, 10.0, 11.5]},
        {"name": "parent", "scores": [1.0]},
    ]
    return {"metric": "chrF++", "baseline": "scratch", "arms": arms, **keys}


def _complete(result: dict[str, Any]) -> dict[str, Any]:
    document = complete({"name": "n", "verdict": "PASS", "reason": "r", "results": [result]})
    assert document["version"] == VERSION
    return dict(document["results"][0])


def test_mean_and_spread_follow_from_the_seeds() -> None:
    """One seed has no spread; what is given stays."""
    arms = _complete(_result())["arms"]
    assert [(arm["mean"], arm["sd"]) for arm in arms] == [(11.5, 1.5), (10.0, 1.5), (1.0, None)]
    given = _result()
    given["arms"][0]["sd"] = 9.0
    assert _complete(given)["arms"][0]["sd"] == 9.0


def test_seeds_needed_are_those_of_the_formula() -> None:
    """A spread of 1.5 and a wanted effect of 1 point: 36 seeds of each arm (transfer.md, A5)."""
    assert _complete(_result(effect=1.0))["seeds_needed"] == {"effect": 1.0, "sd": 1.5, "seeds": 36}
    assert _complete(_result(effect=3.0))["seeds_needed"]["seeds"] == 4
    assert "seeds_needed" not in _complete(_result())
    assert "seeds_needed" not in _complete(_result(effect=1.0, baseline="parent"))


def test_a_figure_that_is_none_at_all_is_missing() -> None:
    """JSON knows no infinity; an interval without an end is no interval."""
    report = {
        "name": "n",
        "verdict": "HOLD",
        "reason": "r",
        "gain": {"value": 1.0, "low": math.nan, "high": 2.0},
        "explanation": {"layers": [{"module": "ffn", "reinitialised": math.inf, "cka": 0.5}]},
    }
    done = complete(report)
    assert "gain" not in done
    assert done["explanation"]["layers"] == [{"module": "ffn", "cka": 0.5}]
    json.dumps(done, allow_nan=False)
    assert "The gain was not measured." in as_html(report)


def test_completing_twice_changes_nothing(full_report: dict[str, Any]) -> None:
    """And the report that was given stays as it was."""
    before = repr(full_report)
    once = complete(full_report)
    assert complete(once) == once
    assert repr(full_report) == before
    assert [f["change"] for f in once["forgetting"]] == pytest.approx([-0.5, 0.1])


def test_worst_and_best_sentences_stand_side_by_side() -> None:
    """With every arm's version and the graft's score."""
    found = side_by_side(
        "en-de",
        ["an egg", "warm bread"],
        ["ein Ei", "warmes Brot"],
        {"graft": ["Stein", "warmes Brot"], "scratch": ["ein", "Brot"]},
        3,
    )
    assert [(each["kind"], each["source"]) for each in found] == [
        ("worst", "an egg"),
        ("best", "warm bread"),
    ]
    assert found[1]["score"] == 100
    assert (found[0]["graft"], found[0]["scratch"]) == ("Stein", "ein")
