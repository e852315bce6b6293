"""Parameters that train beside a model rather than in it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Apart:
    """What trains at a rate of its own, without weight decay, its gradient clipped by itself.

    Such parameters are in no layer: gradual unfreezing never closes them, no layer decay slows
    them, and a large gradient of theirs does not shorten the model's.

    prefix: of their names, as the model has them.
    learning_rate: the peak of its own; the schedule is the model's.
    """

    prefix: str
    learning_rate: float
