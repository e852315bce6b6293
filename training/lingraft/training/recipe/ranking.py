"""Settings of `rank-parents`: which candidates, and how much is spent on each."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lingraft.training.recipe.settings import Positive, Rate, Strict


class Ranking(Strict):
    """How candidate parents are compared; the same for every candidate."""

    candidates: list[str] = Field(default_factory=list)  # folders, embedded starters, hub ids
    probe_steps: Annotated[int, Field(ge=0)] = 200  # of fine-tuning; 0: no probe
    learning_rate: Rate | None = None  # of the probe; unset: the middle one of the recipe's grid
    vocabulary_sentences: Positive = 2000  # of each language, for coverage and fertility
    evidence_sentences: Positive = 400  # of each direction, for LogME
    components: Positive = 16  # targets of LogME in translation
