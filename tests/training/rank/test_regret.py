"""Regret on planted gains."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from lingraft.training.errors import DataError
from lingraft.training.rank.regret import Gain, read_gains, record_gain, regret

_CHILD = "graft en-yo: bible; test flores200"


def _ranking(*locations: str) -> dict[str, Any]:
    places = enumerate(locations, start=1)
    entries = [
        {"rank": rank, "location": name, "sha256": f"sha of {name}"} for rank, name in places
    ]
    return {"child": _CHILD, "candidates": entries}


def _gain(parent: str, score: float, child: str = _CHILD, name: str = "chrF++") -> Gain:
    return Gain(parent, f"sha of {parent}", child, score, name, "2026-11-25")


def test_a_right_ranking_has_no_regret() -> None:
    """And agrees with what was scored."""
    found = regret(_ranking("a", "b", "c"), [_gain("c", 10), _gain("b", 20), _gain("a", 30)])
    assert found is not None
    assert (found.regret, found.tau, found.first, found.best) == (0.0, 1.0, "a", "a")


def test_a_wrong_ranking_regrets_what_the_best_would_have_scored() -> None:
    """Kendall's tau by hand: two of three pairs agree, one does not."""
    found = regret(_ranking("a", "b", "c"), [_gain("a", 25), _gain("b", 30), _gain("c", 20)])
    assert found is not None
    assert found.regret == pytest.approx(5.0)
    assert found.tau == pytest.approx(1 / 3)
    assert found.as_dict() == {
        "child": _CHILD,
        "score_name": "chrF++",
        "regret": 5.0,
        "tau": found.tau,
        "first": "a",
        "best": "b",
        "actual": {"a": 25.0, "b": 30.0, "c": 20.0},
        "missing": (),
    }


def test_seeds_are_averaged_and_other_children_left_out() -> None:
    """Only grafts of the same child count."""
    gains = [_gain("a", 20), _gain("a", 30), _gain("b", 24), _gain("b", 99, child="another")]
    found = regret(_ranking("a", "b"), gains)
    assert found is not None
    assert found.actual == {"a": 25.0, "b": 24.0}
    assert found.regret == 0.0


def test_what_was_not_grafted_is_named_and_no_regret_is_made_up() -> None:
    """The first was never grafted; of one graft alone nothing can be said; of none, None."""
    found = regret(_ranking("a", "b", "c"), [_gain("b", 20), _gain("c", 10)])
    assert found is not None
    assert (found.regret, found.tau, found.missing) == (None, 1.0, ("a",))
    alone = regret(_ranking("a", "b"), [_gain("a", 20)])
    assert alone is not None
    assert (alone.regret, alone.tau) == (None, None)
    assert regret(_ranking("a", "b"), []) is None


def test_equal_scores_have_no_order_to_agree_with() -> None:
    """Regret is nothing, tau is not told."""
    found = regret(_ranking("a", "b"), [_gain("a", 20), _gain("b", 20)])
    assert found is not None
    assert (found.regret, found.tau) == (0.0, None)


def test_scores_of_two_metrics_are_not_compared() -> None:
    """It names them."""
    with pytest.raises(DataError, match=r"scores of BLEU, chrF\+\+"):
        regret(_ranking("a", "b"), [_gain("a", 20), _gain("b", 3, name="BLEU")])


def test_a_gain_is_one_line_however_often_it_is_told(tmp_path: Path) -> None:
    """A repeated command records nothing new; another score does."""
    file = tmp_path / "runs" / "gains.jsonl"
    for score, day in ((21.5, 24), (21.5, 25), (22.0, 25)):
        record_gain("oak", "abc", _CHILD, score, file=file, today=date(2026, 11, day))
    assert [(gain.score, gain.date) for gain in read_gains(file)] == [
        (21.5, "2026-11-24"),
        (22.0, "2026-11-25"),
    ]
    assert read_gains(file)[0] == Gain("oak", "abc", _CHILD, 21.5, "chrF++", "2026-11-24")


@pytest.mark.parametrize("line", ["{", '{"parent": "oak"}', "[]"])
def test_a_spoilt_line_is_named(tmp_path: Path, line: str) -> None:
    """With the file and its number."""
    file = tmp_path / "gains.jsonl"
    record_gain("oak", "abc", _CHILD, 21.5, file=file)
    with file.open("a", encoding="utf-8") as lines:
        lines.write(line + "\n")
    with pytest.raises(DataError, match=r"gains\.jsonl, line 2: not a recorded graft"):
        read_gains(file)
