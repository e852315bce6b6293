"""The arms of an experiment: graft and control, tuned over the same grid unless the recipe gives
controls learning rates of their own.

Grid points are compared by the log-likelihood of dev, which tells two short runs apart long before
either translates well enough for chrF++ to do so. A trial is the same share of an arm's whole run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import torch
from torch import nn

from lingraft.training.recipe.adaptation import Adaptation
from lingraft.training.recipe.identity import FREE
from lingraft.training.recipe.recipes import Grid, Training
from lingraft.training.run.checkpoint import State
from lingraft.training.run.loop import Batch, Job, Score, run

Built = tuple[nn.Module, Score]  # module that computes the loss, dev score of the model inside it
Build = Callable[[float], Built]  # from a dropout


@dataclass(frozen=True)
class Trial:
    """One point of the grid and the log-likelihood of dev after it, in nats per target."""

    learning_rate: float
    dropout: float
    log_likelihood: float


@dataclass(frozen=True)
class Chosen:
    """The point of the grid that was trained to the end, and the best dev score of that run."""

    learning_rate: float
    dropout: float
    score: float


@dataclass(frozen=True)
class Arm:
    """A trained arm: its module, how its run went, what was tried (nothing where the grid has one
    point) and what was chosen, with the best dev score of the whole run."""

    name: str
    module: nn.Module
    state: State
    trials: tuple[Trial, ...]
    chosen: Chosen


def train_arm(name: str, build: Build, grid: Grid, job: Job, dev: Sequence[Batch]) -> Arm:
    """Tune on the grid, then train with what was best on dev.

    Args:
        name: "graft" or "control"; also the folder inside the job's.
        build: makes the arm's module afresh for a dropout.
        job: everything that the arms share.
        dev: batches that the grid points are compared on.
    """
    folder = job.folder / name
    job = replace(job, folder=folder, identity=f"{name} {job.identity}")
    points = list(product(grid.learning_rates, grid.dropouts))
    trials: tuple[Trial, ...] = ()
    rate, dropout = points[0]
    if len(points) > 1:
        trials = tuple(_trial(name, build, grid, job, dev, *point) for point in points)
        best = max(trials, key=lambda trial: trial.log_likelihood)
        rate, dropout = best.learning_rate, best.dropout
    settings = job.settings.model_copy(update={"learning_rate": rate})
    built = build(dropout)
    state = _train(f"{name} run", built, dropout, job, settings, folder / "run")
    return Arm(name, built[0], state, trials, Chosen(rate, dropout, state.best_score))


def _trial(
    name: str,
    build: Build,
    grid: Grid,
    job: Job,
    dev: Sequence[Batch],
    rate: float,
    dropout: float,
) -> Trial:
    settings = job.settings.model_copy(
        update={
            "learning_rate": rate,
            "max_steps": grid.trial_steps,
            "evaluate_every": grid.trial_steps,
            "warmup_steps": min(job.settings.warmup_steps, max(1, grid.trial_steps // 4)),
            "milestones": [],
        }
    )
    share = grid.trial_steps / job.settings.max_steps
    job = replace(job, score_name="log-likelihood", adaptation=hastened(job.adaptation, share))
    label = f"{name} trial lr {rate:g} dropout {dropout:g}"
    folder = job.folder / f"trial-{rate:g}-{dropout:g}"
    module, _ = build(dropout)
    built = module, lambda: log_likelihood(module, dev, job.count)
    return Trial(rate, dropout, _train(label, built, dropout, job, settings, folder).best_score)


def hastened(adaptation: Adaptation, share: float) -> Adaptation:
    """The adaptation for a run of `share` of the steps: layers open at the same share of it."""
    if adaptation.unfreeze_every is None:
        return adaptation
    every = max(1, round(adaptation.unfreeze_every * share))
    return adaptation.model_copy(update={"unfreeze_every": every})


def log_likelihood(
    module: nn.Module, batches: Sequence[Batch], count: Callable[[Batch], int]
) -> float:
    """Mean log-likelihood of the targets of `batches` under a loss module, in nats per target."""
    device = next(module.parameters()).device
    training = module.training
    module.eval()
    with torch.no_grad():
        losses = [
            float(module({name: part.to(device) for name, part in batch.items()})[1])
            for batch in batches
        ]
    module.train(training)
    return -sum(losses) / sum(map(count, batches))


def _train(
    label: str, built: Built, dropout: float, job: Job, settings: Training, folder: Path
) -> State:
    module, score = built
    told = settings.model_dump_json(exclude=FREE, exclude_defaults=True)
    identity = f"{job.identity} dropout {dropout:g} {told}"
    job = replace(job, name=label, settings=settings, folder=folder, identity=identity)
    return run(job, module, score)
