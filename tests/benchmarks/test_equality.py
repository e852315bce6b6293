"""What a row of the equality benchmark says, and when it holds."""

from __future__ import annotations

import json

import pytest

from benchmarks.cases import Case
from benchmarks.equality import Pair, holds, row_of

_SAME = [[5, 6, 0], [7, 0]]
_SCORES = [-0.5, -0.25]


def test_equal_answers_with_equal_scores_hold() -> None:
    """Nothing differs, so there is no margin."""
    row = row_of("t5", "greedy", Pair(_SAME, _SAME, _SCORES, [-0.5001, -0.25]), [])
    assert holds(row)
    assert (row["identical"], row["ties"], row["not_ties"]) == (1.0, 0, 0)
    assert row["largest_score_difference"] == pytest.approx(1e-4)
    assert (row["mean_length"], row["distinct"]) == (2.5, 1.0)


def test_ties_are_counted_apart_from_real_differences() -> None:
    """A tie is forgiven, within the share that is allowed; a clear preference never is."""
    theirs = [[each, 0] for each in range(1, 401)]
    ours = [*theirs[:-1], [7, 7, 0]]
    pair = Pair(ours, theirs, [-0.1] * 399 + [-9.0], [-0.1] * 400)
    tie, clear = (row_of("t5", "beam4", pair, [margin]) for margin in (-9e-4, 2e-3))
    assert (tie["ties"], tie["not_ties"], tie["largest_tie_step"]) == (1, 0, 9e-4)
    assert tie["largest_score_difference"] == 0.0
    assert holds(tie)
    assert (clear["ties"], clear["not_ties"], clear["largest_margin"]) == (0, 1, 2e-3)
    assert not holds(clear)


def test_too_many_ties_do_not_hold() -> None:
    """One sentence of two is more than one of two hundred."""
    pair = Pair([[5, 6, 0], [8, 0]], _SAME, _SCORES, _SCORES)
    assert not holds(row_of("t5", "greedy", pair, [1e-6]))


def test_equal_answers_with_other_scores_do_not_hold() -> None:
    """Scores are part of the promise."""
    pair = Pair(_SAME, _SAME, _SCORES, [-0.5, -0.252])
    assert not holds(row_of("t5", "beam4", pair, []))


def test_a_forced_piece_crosses_the_pipe() -> None:
    """Both sides begin the targets of a case with the same tag."""
    case = Case("tagged", (((5, 6, 0),),), beams=4, least=0, most=9, forced=3)
    assert Case.from_json(json.loads(json.dumps(case.to_json()))) == case
