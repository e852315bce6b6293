"""A few real steps of a real model, timed; what they write is thrown away."""

from __future__ import annotations

import contextlib
import io
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from lingraft.training.planning.plans import Speed
from lingraft.training.run.loop import Batch, Job, run

_WARM, _TIMED = 1, 3
_STILL = 1e-9  # a learning rate: the steps are timed, and nothing need come of them


def measured(job: Job, module: nn.Module, answer: Callable[[], int]) -> Speed:
    """Times steps of the loop itself: adaptation, optimizer and batches are those of the run.

    Args:
        job: of the run; its folder is not touched.
        module: trained on the spot for some steps; not to be used afterwards.
        answer: answers some held-out sentences with the model and says how many.

    Raises:
        TrainingError: what the run would say at its first steps.
    """
    marks: list[float] = []
    targets: list[int] = []
    trainable, weights = 0, _trained(module)

    def collate(indices: NDArray[Any]) -> Batch:
        nonlocal trainable
        marks.append(time.monotonic())
        trainable = _trained(module)
        return job.collate(indices)

    def count(batch: Batch) -> int:
        targets.append(job.count(batch))
        return targets[-1]

    def end() -> float:
        marks.append(time.monotonic())
        return 0.0

    with tempfile.TemporaryDirectory() as folder, _silence():
        run(_short(job, Path(folder), collate, count), module, end)
        started = time.monotonic()
        sentences = answer()
        answered = time.monotonic() - started
    return Speed(
        step_seconds=(marks[-1] - marks[_WARM]) / _TIMED,
        step_targets=sum(targets[_WARM:]) / _TIMED,
        sentence_seconds=answered / max(1, sentences),
        weights=weights,
        # Layers that open one after the other all train in the end.
        trainable=weights if job.adaptation.unfreeze_every else trainable,
    )


def _short(
    job: Job, folder: Path, collate: Callable[[NDArray[Any]], Batch], count: Callable[[Batch], int]
) -> Job:
    steps = _WARM + _TIMED
    few = {"max_steps": steps, "evaluate_every": steps, "save_every": steps, "average_last": 1}
    settings = job.settings.model_copy(
        update={**few, "learning_rate": _STILL, "warmup_steps": 1, "milestones": []}
    )
    return replace(job, folder=folder, collate=collate, count=count, settings=settings)


def _trained(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


@contextlib.contextmanager
def _silence() -> Any:
    """The loop tells its progress; here it would tell of a run that is none."""
    before = torch.get_num_threads()
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        torch.set_num_threads(before)
