"""Training one arm of a translation experiment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from transformers import MarianMTModel

from lingraft.training.data.testsets import TestSet
from lingraft.training.errors import RecipeError
from lingraft.training.experiment.jobs import dev_batches, loss_of, pairs_job
from lingraft.training.experiment.measuring import Answerer
from lingraft.training.experiment.seeds import Seeded, train_seeds
from lingraft.training.experiment.stages import Staged, through_stages
from lingraft.training.experiment.starts import Start
from lingraft.training.experiment.texts import Data
from lingraft.training.gate.significance import GRAFT
from lingraft.training.measure.evaluate import translate
from lingraft.training.measure.metrics import mean_chrf
from lingraft.training.models.marian import TranslationLoss, freeze_padding_row, load_weights
from lingraft.training.recipe.recipes import GraftRecipe
from lingraft.training.recipe.settings import Grid, Training
from lingraft.training.run.arms import Arm, Build, Built, Chosen
from lingraft.training.vocabulary.codec import Codec


def train(start: Start, recipe: GraftRecipe, data: Data, output: Path) -> Seeded:
    """Take one arm through the stages, then tune and train it on pairs, with every seed.

    Without pairs, as in unsupervised transfer, the stages are all of it.
    """
    settings, grid = budget(start.name, recipe)
    seeds = range(recipe.seed, recipe.seed + recipe.seeds)
    staged = {seed: through_stages(start, recipe, data, seed, output) for seed in seeds}
    first = staged[recipe.seed]
    notes = tuple(dict.fromkeys(note for seed in seeds for note in staged[seed].notes))
    if not any(first.rows):
        runs = tuple(_untuned(start, recipe, data, staged, seed) for seed in seeds)
        return Seeded(start.name, runs, notes)
    job = pairs_job(start, recipe, data, first.sources, first.rows, output)
    dev = dev_batches(data.select, start.codec, settings.max_tokens)
    build = _builder(start, recipe, data.select, staged)
    job = replace(job, settings=settings)
    trained = train_seeds(start.name, build, grid, job, dev, recipe.seeds)
    return replace(trained, notes=notes)


def budget(arm: str, recipe: GraftRecipe) -> tuple[Training, Grid]:
    """The recipe's, or the controls' where they have one of their own."""
    settings, grid, own = recipe.training, recipe.grid, recipe.controls
    if arm == GRAFT:
        return settings, grid
    if own.learning_rates:
        grid = grid.model_copy(update={"learning_rates": own.learning_rates})
    if own.steps:
        share = own.steps / settings.max_steps
        settings = settings.model_copy(update={"max_steps": own.steps})
        grid = grid.model_copy(update={"trial_steps": round(grid.trial_steps * share)})
    return settings, grid


def _builder(
    start: Start, recipe: GraftRecipe, select: Sequence[TestSet], staged: dict[int, Staged]
) -> Callable[[int], Build]:
    def of_seed(seed: int) -> Build:
        def build(dropout: float) -> Built:
            return _built(start, recipe, select, staged[seed], dropout, seed)

        return build

    return of_seed


def _built(
    start: Start,
    recipe: GraftRecipe,
    select: Sequence[TestSet],
    staged: Staged,
    dropout: float,
    seed: int,
) -> tuple[TranslationLoss, Callable[[], float]]:
    model = start.make(dropout, seed)
    if staged.weights is not None:
        load_weights(model, staged.weights)
    freeze_padding_row(model)
    loss = loss_of(start, model, recipe.training.label_smoothing)
    return loss, lambda: _mean_chrf(model, start.codec, select)


def _untuned(
    start: Start, recipe: GraftRecipe, data: Data, staged: dict[int, Staged], seed: int
) -> Arm:
    """An arm that its stages alone have trained."""
    state = staged[seed].state
    if state is None:
        raise RecipeError("train holds no pairs and no stage trains: nothing is learnt")
    dropout = recipe.stages[-1].dropout
    loss, score = _built(start, recipe, data.select, staged[seed], dropout, seed)
    training = recipe.stages[-1].training or recipe.training
    return Arm(start.name, loss, state, (), Chosen(training.learning_rate, dropout, score()))


def _mean_chrf(model: MarianMTModel, codec: Codec, tests: Sequence[TestSet]) -> float:
    outputs = [translate(model, codec, test) for test in tests]
    return mean_chrf(outputs, [test.references for test in tests])


def model_of(arm: Arm) -> MarianMTModel:
    """The trained model of one run."""
    assert isinstance(arm.module, TranslationLoss)
    return arm.module.model


def answerer(start: Start, arm: Seeded) -> Answerer:
    """All models of an arm, ready to translate."""
    return Answerer(start.name, start.codec, tuple(map(model_of, arm.runs)))
