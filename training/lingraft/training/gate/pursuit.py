"""Would a control have caught up, had all arms trained on?

An interval says how sure a gain is under the steps that all arms had. It does not say whether the
control had learnt what it can: a parent of little knowledge is a head start of some hundred steps,
which looks like transfer until the control has made them up. So the gate looks at the pace: if the
last third of training brought the control nearer by so much that as many steps again would bring it
level, the gain is that of the budget and not of the parent. A straight line flatters both arms,
whose curves flatten, and the one behind more: where this errs, it holds what would have passed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

Curve = Sequence[tuple[int, float]]  # (step, dev score) of one run, in the order of training

_BEFORE = 2 / 3  # of a run
_THIRDS_AGAIN = 3  # as many steps again


@dataclass(frozen=True)
class Pursuit:
    """How far a control lies behind the graft on the selecting half of dev, and how fast it nears.

    gap: best of the graft less best of the control, mean over seeds, in points of the metric.
    closed: by how much the last third of training has narrowed it; below 0 where it widened.
    """

    arm: str
    gap: float
    closed: float

    @property
    def catches_up(self) -> bool:
        """Whether the control would be level after as many steps again, or is so already."""
        return self.closed > 0 and self.gap <= self.closed * _THIRDS_AGAIN

    def __str__(self) -> str:
        if self.gap <= 0:
            return (
                f"{self.arm} has caught up on the half of dev that chooses, and the last third of "
                f"training still brought it {self.closed:.2f} nearer"
            )
        return (
            f"{self.arm} is catching up: {self.gap:.2f} behind on dev, of which the last third of "
            f"training made good {self.closed:.2f}; as many steps again would bring it level"
        )


def pursuit(arm: str, graft: Sequence[Curve], control: Sequence[Curve]) -> Pursuit | None:
    """The pursuit of the graft by a control, from the dev scores of every seed.

    None where a run was scored too seldom to tell: nothing in its first two thirds.
    """
    rises = _rise(graft), _rise(control)
    if rises[0] is None or rises[1] is None:
        return None
    return Pursuit(arm, _best(graft) - _best(control), rises[1] - rises[0])


def _best(runs: Sequence[Curve]) -> float:
    return mean(max(score for _, score in run) for run in runs)


def _rise(runs: Sequence[Curve]) -> float | None:
    """What the last third added to the best score so far, mean over runs; never below 0."""
    early = [[score for step, score in run if step <= _BEFORE * run[-1][0]] for run in runs]
    if not all(early):
        return None
    return _best(runs) - mean(map(max, early))
