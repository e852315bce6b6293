"""Would a control have come to where the graft is, had it trained on?

An interval says how sure a gain is under the steps that all arms had. It does not say whether the
control had learnt what it can. A parent of little knowledge, or one of which only the layers are
kept, is a head start: a clear gain until the control has made up the steps. What it saves is
training time, and that is not what a graft is for. So the gate looks at the pace of the control: if
as many steps again, at the pace of its last third, would bring it to where the graft stands, the
gain is that of the budget. A straight line flatters a curve that flattens: where this errs, the
gate holds what would have passed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

Curve = Sequence[tuple[int, float]]  # (step, dev score) of one run, in the order of training

_BEFORE = 2 / 3  # of a run


@dataclass(frozen=True)
class Pursuit:
    """How far a control lies behind the graft on the selecting half of dev, and how it still rises.

    gap: best of the graft less best of the control, mean over seeds, in points of the metric.
    again: what as many steps again would add to the control at the pace of its last third, in
        points, mean over seeds.
    """

    arm: str
    gap: float
    again: float

    @property
    def catches_up(self) -> bool:
        """Whether as many steps again would bring the control to where the graft is, or it is there
        already and rising."""
        return self.again > 0 and self.gap <= self.again

    def __str__(self) -> str:
        pace = f"at the pace of its last third, as many steps again would add {self.again:.2f}"
        if self.gap <= 0:
            return f"{self.arm} has caught up on the half of dev that chooses; {pace}"
        return f"{self.arm} was still learning: it is {self.gap:.2f} behind on dev; {pace}"


def pursuit(arm: str, graft: Sequence[Curve], control: Sequence[Curve]) -> Pursuit | None:
    """The pursuit of the graft by a control, from the dev scores of every seed.

    None where a run of the control was scored too seldom to tell: nothing in its first two thirds.
    """
    again = [_again(run) for run in control]
    if any(each is None for each in again):
        return None
    gap = mean(map(_best, graft)) - mean(map(_best, control))
    return Pursuit(arm, gap, mean(each for each in again if each is not None))


def _best(run: Curve) -> float:
    return max(score for _, score in run)


def _again(run: Curve) -> float | None:
    """What as many steps again would add to the best score of a run; never below 0."""
    end = run[-1][0]
    early = [(step, score) for step, score in run if step <= _BEFORE * end]
    if not early:
        return None
    since = early[-1][0]  # the last third, or what was scored of it
    return (_best(run) - _best(early)) * end / (end - since)
