"""Which runs of the loop an experiment has, in order, and where each lies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import torch

from lingraft.training.planning.plans import Run
from lingraft.training.recipe.recipes import ClassifyRecipe, GraftRecipe, PretrainRecipe
from lingraft.training.recipe.settings import Grid, Training
from lingraft.training.recipe.stages import Stage

_NOT_COUNTED = "not in the estimates of time and disk"


def arm_runs(
    arm: str, recipe: GraftRecipe | ClassifyRecipe, budget: tuple[Training, Grid], sentences: int
) -> Iterator[Run]:
    """Stages of every seed, then the trials of the grid, then a run of every seed.

    sentences: answered at each evaluation of a run.
    """
    settings, grid = budget
    seeds = range(recipe.seed, recipe.seed + recipe.seeds)
    for seed in seeds:
        yield from _stage_runs(f"{arm}/stages/seed-{seed}", arm, recipe.stages)
    points = list(product(grid.learning_rates, grid.dropouts))
    for rate, dropout in points if len(points) > 1 else ():
        trial = {"max_steps": grid.trial_steps, "evaluate_every": grid.trial_steps}
        short = settings.model_copy(update={**trial, "learning_rate": rate, "milestones": []})
        yield Run(arm, "trial", f"{arm}/trial-{rate:g}-{dropout:g}", short)
    for seed in seeds:
        place = arm if seed == recipe.seed else f"{arm}/seed-{seed}"
        yield Run(arm, "seed", f"{place}/run", settings, sentences)


def _stage_runs(folder: str, arm: str, stages: Sequence[Stage]) -> Iterator[Run]:
    for number, stage in enumerate(stages, start=1):
        if stage.training is None:
            continue
        place, kind = f"{folder}/{number}-{stage.method}", f"stage {number} {stage.method}"
        made = stage.back_translation or stage.iterative
        if made is None:
            yield Run(arm, kind, place, stage.training)
        for turn in range(1, made.rounds + 1 if made else 1):
            yield Run(arm, f"{kind} round", f"{place}/round-{turn}", stage.training)


def pretrain_run(recipe: PretrainRecipe, sentences: int) -> Run:
    """The one run of a parent."""
    return Run(recipe.name, "run", ".", recipe.training, sentences)


def remarks(recipe: GraftRecipe | ClassifyRecipe) -> list[str]:
    """What is done besides the runs of the arms."""
    makers = [stage.method for stage in recipe.stages if stage.training is None]
    makers += [stage.method for stage in recipe.stages if stage.back_translation or stage.iterative]
    told = [f"{name} makes text: {_NOT_COUNTED}" for name in makers]
    explanation = recipe.explanation if isinstance(recipe, GraftRecipe) else None
    if explanation:
        told.append(f"an explanation of what was reused: {_NOT_COUNTED}")
    if explanation and explanation.economy:
        more = 2 * len(explanation.economy.shares) * explanation.economy.seeds
        told.append(f"data economy: {more} runs more, of graft and best control: {_NOT_COUNTED}")
    if explanation and explanation.checkpoints:
        more = explanation.checkpoints.checkpoints * explanation.checkpoints.seeds
        told.append(f"earlier parents: {more} runs more at most: {_NOT_COUNTED}")
    return told


def threads_of(training: Training) -> int:
    """Threads that the loop will have."""
    return training.threads or torch.get_num_threads()
