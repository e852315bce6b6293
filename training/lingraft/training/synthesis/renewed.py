"""Text that is made anew in every epoch, and the loop's job over it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lingraft.training.data.batches import Corpus
from lingraft.training.models.tensors import targets
from lingraft.training.recipe.settings import Strict, Training
from lingraft.training.run.loop import Batch, Collate, Job
from lingraft.training.synthesis.texts import Weights

_MEASURE = 64  # examples of a batch that only measures
_NEVER = 2**31  # an epoch that no run comes to: held-out text has noise of its own, always the same


class Renewed(Protocol):
    """Text whose batches are a pure function of (seed, epoch, example)."""

    @property
    def corpus(self) -> Corpus:
        """The text before anything is done to it; batches are cut by its lengths."""

    @property
    def settings(self) -> Strict:
        """What is done to it."""

    @property
    def seed(self) -> int:
        """What its noise is drawn from."""

    def collate(self, epoch: int) -> Collate:
        """How a batch of `epoch` is made of its indices."""


def generator(seed: int, epoch: int, example: int) -> np.random.Generator:
    """The random numbers of one visit to one example."""
    return np.random.default_rng([seed, epoch, example])


def job_of(
    text: Renewed,
    weights: Weights,
    settings: Training,
    *,
    name: str,
    folder: Path,
    score_name: str,
    identity: str,
) -> Job:
    """The loop's job over `text`, with its settings in the run's identity.

    identity: text, parent and the other settings, as of `recipe.identity`.
    """
    return Job(
        name=name,
        folder=folder,
        corpus=text.corpus,
        weights=weights,
        collate=text.collate(0),
        count=targets,
        score_name=score_name,
        settings=settings,
        seed=text.seed,
        identity=f"{name} {text.settings.model_dump_json()} {identity}",
        epoch_collate=text.collate,
    )


def held_out(text: Renewed) -> list[Batch]:
    """All of `text` once, with the same noise at every call; for `run.arms.log_likelihood`."""
    collate = text.collate(_NEVER)
    everything: NDArray[np.int64] = np.argsort(text.corpus.lengths, kind="stable")
    starts = range(0, len(everything), _MEASURE)
    return [collate(everything[start : start + _MEASURE]) for start in starts]
