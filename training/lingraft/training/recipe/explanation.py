"""Settings of the explanation: what is looked at, how closely, and what it may cost."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, field_validator

from lingraft.training.recipe.settings import Positive, Strict

Share = Annotated[float, Field(gt=0, le=100)]


class CheckpointScan(Strict):
    """Children grown from earlier parents: one training for each checkpoint and seed.

    margin: points of the metric that an earlier parent may lose and still count as not worse.
    """

    checkpoints: Annotated[int, Field(ge=2)] = 6
    margin: Annotated[float, Field(gt=0)] = 0.5
    seeds: Positive = 1


class Economy(Strict):
    """Graft and control at shares of the child's data: two trainings for each share and seed.

    shares: per cent of the child's data.
    watts: what the machine draws while it trains, for the estimate of energy.
    budget_seconds: no further share is begun once this much training was done; unset, all are.
    """

    shares: list[Share] = Field(default=[1, 2, 5, 10, 25, 50, 100], min_length=2)
    seeds: Positive = 1
    watts: Annotated[float, Field(gt=0)] = 100.0
    budget_seconds: Annotated[float, Field(gt=0)] | None = None

    @field_validator("shares")
    @classmethod
    def _rise(cls, shares: list[float]) -> list[float]:
        if any(left >= right for left, right in pairwise(shares)):
            raise ValueError(f"must rise from the smallest to the largest; found {shares}")
        return shares


class Explanation(Strict):
    """What was reused, by layer and module; nothing is trained for it.

    It costs about 160 passes over the sentences for the 22 modules of parent-xs, each a millisecond
    or so for a target piece on one core: ten minutes for 100 sentences. Fewer seeds or points, or
    whole layers, make it cheaper in proportion.

    sentences: dev sentences that the losses and states are measured on.
    granularity: module tells attention, cross-attention and feed-forward apart, layer does not.
    states: CKA on single tokens, or on the mean of each sentence.
    state_rows: most of either.
    line_points: of each module's line from parent to child, both ends counted.
    barrier_points: of the line of the whole model.
    seeds: random weights that each module is re-initialised with.
    blocks: words in a block of the shuffled sources.
    checkpoints: scan earlier checkpoints of the parent; unset, no.
    economy: the data-economy curve; unset, no.
    """

    sentences: Positive = 100
    granularity: Literal["module", "layer"] = "module"
    states: Literal["tokens", "sentences"] = "tokens"
    state_rows: Annotated[int, Field(ge=50)] = 2000
    line_points: Annotated[int, Field(ge=2)] = 5
    barrier_points: Annotated[int, Field(ge=3)] = 7
    seeds: Positive = 3
    blocks: list[Positive] = Field(default=[1, 2, 4, 8], min_length=1)
    checkpoints: CheckpointScan | None = None
    economy: Economy | None = None

    @field_validator("blocks")
    @classmethod
    def _differ(cls, blocks: list[int]) -> list[int]:
        if len(set(blocks)) < len(blocks):
            raise ValueError(f"names a size twice: {blocks}")
        return blocks
