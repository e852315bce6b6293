"""The arms of an experiment: graft and control, tuned over the same grid with the same budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from torch import nn

from lingraft.training.checkpoint import State
from lingraft.training.identity import FREE
from lingraft.training.loop import Job, Score, run
from lingraft.training.recipe import Grid, Training

Built = tuple[nn.Module, Score]  # module that computes the loss, dev score of the model inside it
Build = Callable[[float], Built]  # from a dropout


@dataclass(frozen=True)
class Trial:
    """One point of the grid and its dev score."""

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
    chosen: Trial


def train_arm(name: str, build: Build, grid: Grid, job: Job) -> Arm:
    """Tune on the grid, then train with what was best on dev.

    Args:
        name: "graft" or "control"; also the folder inside the job's.
        build: makes the arm's module afresh for a dropout.
        job: everything that the arms share.
    """
    folder = job.folder / name
    job = replace(job, folder=folder, identity=f"{name} {job.identity}")
    points = list(product(grid.learning_rates, grid.dropouts))
    trials: tuple[Trial, ...] = ()
    rate, dropout = points[0]
    if len(points) > 1:
        trials = tuple(_trial(name, build, grid, job, *point) for point in points)
        best = max(trials, key=lambda trial: trial.score)
        rate, dropout = best.learning_rate, best.dropout
    settings = job.settings.model_copy(update={"learning_rate": rate})
    module, state = _train(f"{name} run", build, dropout, job, settings, folder / "run")
    return Arm(name, module, state, trials, Trial(rate, dropout, state.best_score))


def _trial(name: str, build: Build, grid: Grid, job: Job, rate: float, dropout: float) -> Trial:
    settings = job.settings.model_copy(
        update={
            "learning_rate": rate,
            "max_steps": grid.trial_steps,
            "evaluate_every": grid.trial_steps,
            "warmup_steps": min(job.settings.warmup_steps, max(1, grid.trial_steps // 4)),
            "milestones": [],
        }
    )
    label = f"{name} trial lr {rate:g} dropout {dropout:g}"
    folder = job.folder / f"trial-{rate:g}-{dropout:g}"
    _, state = _train(label, build, dropout, job, settings, folder)
    return Trial(rate, dropout, state.best_score)


def _train(
    label: str, build: Build, dropout: float, job: Job, settings: Training, folder: Path
) -> tuple[nn.Module, State]:
    module, score = build(dropout)
    identity = f"{job.identity} dropout {dropout:g} {settings.model_dump_json(exclude=FREE)}"
    job = replace(job, name=label, settings=settings, folder=folder, identity=identity)
    return module, run(job, module, score)
