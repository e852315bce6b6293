"""A control that is catching up holds the graft: a head start is no knowledge."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from lingraft.training.gate.pursuit import Curve, Pursuit, pursuit
from lingraft.training.gate.significance import Comparison, Statistics, compare
from lingraft.training.gate.verdict import Verdict, decide

FLAT: Curve = [(100, 29.0), (200, 30.0), (300, 30.0)]
RISING: Curve = [(100, 10.0), (200, 22.0), (300, 26.0)]
SLOW: Curve = [(100, 8.0), (200, 9.5), (300, 10.0)]


def _accuracy(sums: Statistics) -> NDArray[np.float64]:
    return np.asarray(sums[:, 0] / sums[:, 1], dtype=np.float64)


def _gain(graft: float, control: float) -> Comparison:
    def right(share: float) -> Statistics:
        return np.array([[i < share * 200, 1] for i in range(200)], dtype=np.int64)

    arms = {"graft": [right(graft)], "scratch": [right(control)]}
    return compare(arms, _accuracy, resamples=300, seed=1)


def _chase(control: Curve, graft: Curve = FLAT) -> Pursuit:
    found = pursuit("scratch", [graft], [control])
    assert found
    return found


def test_a_gain_over_a_control_that_would_soon_be_level_is_held() -> None:
    """4 points behind, and 4 added in its last third alone."""
    chase = _chase(RISING)
    assert (chase.gap, chase.again, chase.catches_up) == (4.0, 12.0, True)
    decision = decide([_gain(0.9, 0.5)], pursuits=[chase])
    assert decision.verdict is Verdict.HOLD
    assert decision.reason == (
        "scratch was still learning: it is 4.00 behind on dev; at the pace of its last third, as "
        "many steps again would add 12.00"
    )
    assert [each.verdict for each in decision.directions] == [Verdict.HOLD]


def test_a_control_that_rises_too_slowly_to_catch_up_leaves_the_verdict() -> None:
    """20 points behind, half a point made good."""
    chase = _chase(SLOW)
    assert not chase.catches_up
    decision = decide([_gain(0.9, 0.5)], pursuits=[chase])
    assert decision.verdict is Verdict.PASS
    assert decision.pursuits == (chase,)
    assert [each.verdict for each in decision.directions] == [Verdict.PASS]


def test_a_control_that_has_caught_up_already_holds_as_one_that_will() -> None:
    """Chance on the deciding half of dev is no reason to pass what the choosing half denies."""
    chase = _chase([(100, 10.0), (200, 22.0), (300, 30.5)])
    assert (chase.gap, chase.catches_up) == (-0.5, True)
    decision = decide([_gain(0.9, 0.5)], pursuits=[chase])
    assert decision.verdict is Verdict.HOLD
    assert decision.reason.startswith("scratch has caught up on the half of dev that chooses")


def test_a_graft_that_rises_as_fast_is_held_too() -> None:
    """Where it stands the control comes with as many steps again: it saves training, no more."""
    chase = _chase(RISING, [(100, 15.0), (200, 26.0), (300, 30.0)])
    assert (chase.gap, chase.again, chase.catches_up) == (4.0, 12.0, True)


def test_a_last_third_worse_than_what_was_reached_is_no_loss() -> None:
    """The best snapshot is kept, so a curve that falls has stopped, not gone back."""
    chase = _chase([(100, 20.0), (200, 26.0), (300, 21.0)])
    assert (chase.gap, chase.again, chase.catches_up) == (4.0, 0.0, False)


def test_the_pace_is_that_of_the_scores_there_are() -> None:
    """Scored at half and at the end: what the second half added, another whole run adds twice."""
    assert _chase([(200, 10.0), (400, 20.0), (800, 26.0)]).again == pytest.approx(12.0)
    assert _chase([(300, 10.0), (600, 20.0), (900, 24.0)]).again == pytest.approx(12.0)


def test_pursuits_are_means_over_seeds_whose_runs_may_stop_early() -> None:
    """A run that stopped at 150 has its last third from 100 on."""
    found = pursuit("scratch", [FLAT, FLAT], [RISING, [(50, 20.0), (100, 22.0), (150, 24.0)]])
    assert found
    assert found.gap == pytest.approx(5.0)
    assert found.again == pytest.approx(9.0)


def test_scores_that_came_too_late_say_nothing_of_the_pace() -> None:
    """One evaluation, at the end."""
    assert pursuit("scratch", [FLAT], [[(300, 5.0)]]) is None
    assert pursuit("scratch", [[(300, 35.0)]], [FLAT]) == Pursuit("scratch", 5.0, 0.0)


def test_a_refusal_stays_one_whoever_catches_up() -> None:
    """What is worse already needs no further steps to be so."""
    decision = decide([_gain(0.3, 0.8)], pursuits=[_chase(RISING)])
    assert decision.verdict is Verdict.REFUSE


def test_the_nearest_of_several_pursuers_is_named() -> None:
    """The reason names one control; the decision keeps all."""
    far = Pursuit("random-parent", 6.0, 12.0)
    near = Pursuit("scratch", 3.0, 6.0)
    decision = decide([_gain(0.9, 0.5)], pursuits=[far, near])
    assert decision.reason.startswith("scratch was still learning")
    assert decision.pursuits == (far, near)
