"""The gate: did the transfer help?

PASS when the lower bound of the 95% interval of the pooled gain is above 0, and no control would
come to where the graft is with as many steps again; REFUSE when the upper bound is below 0 in any
direction, or a served direction of the parent lost more than it may; HOLD else. Each direction has
a verdict of its own, for which Holm's correction counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from lingraft.training.gate.pursuit import Pursuit
from lingraft.training.gate.significance import Comparison, Interval, holm, pool

_ALPHA = 0.05


class Verdict(StrEnum):
    """What the gate says of a graft."""

    PASS = "PASS"
    HOLD = "HOLD"
    REFUSE = "REFUSE"


@dataclass(frozen=True)
class Judged:
    """One direction: its Holm-corrected p and its own verdict."""

    p: float
    verdict: Verdict


@dataclass(frozen=True)
class Decision:
    """The verdict of a graft, why in one sentence, its pooled gain, and that of each direction.

    pursuits: how each trained control was still learning, where that can be told.
    """

    verdict: Verdict
    reason: str
    gain: Interval
    directions: tuple[Judged, ...]
    pursuits: tuple[Pursuit, ...] = ()


def decide(
    comparisons: Sequence[Comparison],
    parent_losses: Sequence[float] = (),
    max_parent_loss: float | None = None,
    pursuits: Sequence[Pursuit] = (),
) -> Decision:
    """The verdict over all test sets.

    Args:
        comparisons: one for each test set.
        parent_losses: points lost on each direction of the parent (positive is a loss).
        max_parent_loss: more than this refuses; None where no parent direction is served.
        pursuits: of the trained controls; one that would come to where the graft is, with as many
            steps again, holds the graft and what it serves.
    """
    gain, directions = pool(comparisons), judged(comparisons)
    told = _verdict(comparisons, gain, parent_losses, max_parent_loss)
    if chasing := [each for each in pursuits if each.catches_up]:
        directions = tuple(map(_held, directions))
        if told[0] is Verdict.PASS:
            told = Verdict.HOLD, str(min(chasing, key=lambda each: each.gap))
    return Decision(*told, gain, directions, tuple(pursuits))


def _held(found: Judged) -> Judged:
    return replace(found, verdict=Verdict.HOLD) if found.verdict is Verdict.PASS else found


def judged(comparisons: Sequence[Comparison]) -> tuple[Judged, ...]:
    """Every direction by itself, as one of a table of so many."""
    return tuple(map(_judge, comparisons, holm([c.p for c in comparisons])))


def _judge(compared: Comparison, p: float) -> Judged:
    if compared.gain.high < 0:
        return Judged(p, Verdict.REFUSE)
    return Judged(p, Verdict.PASS if p < _ALPHA and compared.gain.shows_gain else Verdict.HOLD)


def _verdict(
    comparisons: Sequence[Comparison],
    gain: Interval,
    parent_losses: Sequence[float],
    max_parent_loss: float | None,
) -> tuple[Verdict, str]:
    worst = min(comparisons, key=lambda c: c.gain.high)
    if worst.gain.high < 0:
        over = f" over {worst.baseline}"
        return Verdict.REFUSE, f"negative transfer: a gain of {worst.gain}{over} lies below zero"
    if max_parent_loss is not None and parent_losses and max(parent_losses) > max_parent_loss:
        lost = max(parent_losses)
        return Verdict.REFUSE, f"a served parent direction lost {lost:.1f}, over {max_parent_loss}"
    if gain.shows_gain:
        return Verdict.PASS, f"the gain of {gain} lies above zero"
    return Verdict.HOLD, f"the difference of {gain} does not exclude zero"
