"""The earliest parent checkpoint that is not worse than the last one, and the hours it saves.

Neyshabur, Sedghi & Zhang 2020: an earlier checkpoint suffices once the parent is in its basin. Not
worse is a claim to be proven, not a difference that was not found: the lower bound of the gain over
the last checkpoint must lie above minus a margin that was stated before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lingraft.training.errors import CheckpointError
from lingraft.training.explain.figures import figure, interval
from lingraft.training.explain.resampling import (
    Interval,
    ScoreSums,
    Statistics,
    gain,
    point_score,
)

_HOUR = 3600.0


@dataclass(frozen=True)
class Milestone:
    """Weights of a parent at a point of its run, with the steps and seconds it took until there."""

    per_cent: float
    steps: int
    seconds: float
    path: Path


Finetune = Callable[[Milestone], Statistics]  # dev statistics of a child grown from there


@dataclass(frozen=True)
class Scanned:
    """One checkpoint: its child's dev score, the gain over the last one's, whether not worse."""

    milestone: Milestone
    score: float
    gain: Interval
    not_worse: bool


@dataclass(frozen=True)
class Scan:
    """Checkpoints from first to last; `earliest` and all after it are not worse than the last."""

    rows: tuple[Scanned, ...]
    earliest: Milestone
    margin: float

    @property
    def hours_saved(self) -> float:
        """Of the parent's training, had it stopped at the earliest."""
        return (self.rows[-1].milestone.seconds - self.earliest.seconds) / _HOUR

    @property
    def sentence(self) -> str:
        """For people."""
        last = self.rows[-1].milestone
        if self.earliest == last:
            return f"no parent before the last is shown to be within {self.margin:g} points of it"
        return (
            f"the parent after {self.earliest.steps:,} of {last.steps:,} steps is not worse than "
            f"the last by {self.margin:g} points or more; stopping there would have saved "
            f"{self.hours_saved:.2f} hours of the parent's training"
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "checkpoints": [_row(row) for row in self.rows],
            "earliest": {"per_cent": self.earliest.per_cent, "steps": self.earliest.steps},
            "margin": self.margin,
            "hours_saved": figure(self.hours_saved),
            "sentence": self.sentence,
        }


def _row(row: Scanned) -> dict[str, Any]:
    return {
        "per_cent": row.milestone.per_cent,
        "steps": row.milestone.steps,
        "seconds": figure(row.milestone.seconds, 1),
        "score": figure(row.score),
        "gain": interval(row.gain),
        "not_worse": row.not_worse,
    }


def milestones(run: Path, max_steps: int, seconds_per_step: float) -> tuple[Milestone, ...]:
    """The milestones that a parent's run kept, first to last.

    Args:
        run: the run's folder, the one that holds `milestones`.
        max_steps: of the parent's training; names of milestones are per cents of it.
        seconds_per_step: what a step of that run took.

    Raises:
        CheckpointError: there are fewer than two, so there is nothing to choose from.
    """
    found = []
    for path in sorted((run / "milestones").glob("*.safetensors")):
        per_cent = float(path.stem)
        steps = max(1, round(per_cent / 100 * max_steps))
        found.append(Milestone(per_cent, steps, steps * seconds_per_step, path))
    if len(found) < 2:
        raise CheckpointError(
            f"{run / 'milestones'}: {len(found)} milestones, and a scan needs two or more: train "
            "the parent with training.milestones, such as [3, 6, 12, 25, 50, 75, 100]"
        )
    return tuple(found)


def chosen(candidates: Sequence[Milestone], limit: int) -> tuple[Milestone, ...]:
    """At most `limit` of them, evenly spread over their list, first and last among them."""
    if len(candidates) <= limit:
        return tuple(candidates)
    places = np.linspace(0, len(candidates) - 1, limit).round().astype(int)
    return tuple(candidates[place] for place in places)


def scan(
    candidates: Sequence[Milestone],
    finetune: Finetune,
    score: ScoreSums,
    *,
    margin: float,
    resamples: int = 1000,
    seed: int = 1,
) -> Scan:
    """Fine-tune from each checkpoint and find the earliest that is not worse than the last.

    Tests go from the last to the first and end at the first that fails (a fixed sequence), so that
    many checkpoints do not make a lucky one likely; the bound of a 95% interval is one-sided 2.5%.

    Args:
        candidates: first to last; the last one is what the others are held against.
        finetune: dev statistics of a child grown from a checkpoint, always of the same sentences;
            of several trainings their sum, sentence by sentence.
        score: of summed statistics, higher is better.
        margin: points of the metric that may be lost.
    """
    statistics = [finetune(candidate) for candidate in candidates]
    rows = []
    for candidate, theirs in zip(candidates, statistics, strict=True):
        over = gain(theirs, statistics[-1], score, resamples, seed)
        rows.append(Scanned(candidate, point_score(theirs, score), over, over.low > -margin))
    earliest = candidates[-1]
    for row in reversed(rows):
        if not row.not_worse:
            break
        earliest = row.milestone
    return Scan(tuple(rows), earliest, margin)
