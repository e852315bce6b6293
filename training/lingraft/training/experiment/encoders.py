"""Where the arms of a classifier begin, and what their encoders go through before the labels.

OUTPUT/ARM/stages/seed-1/1-masked-lm/    the run of the first stage of the first seed
OUTPUT/teacher/                          translations of labelled rows, once for all arms and seeds
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from torch import Tensor
from transformers import MarianMTModel

from lingraft.training.adapt.origin import Origin
from lingraft.training.data.contamination import Part, check
from lingraft.training.errors import DataError, RecipeError
from lingraft.training.experiment.labels import Labels
from lingraft.training.experiment.staging import (
    CLASSIFIER,
    require_methods,
    some_of,
    stage_job,
    teacher_folder,
)
from lingraft.training.experiment.starts import Start, random_weights
from lingraft.training.gate.significance import GRAFT
from lingraft.training.models.marian import (
    freeze_padding_row,
    load_model,
    load_weights,
    weights_of,
)
from lingraft.training.models.positions import lengthened
from lingraft.training.parents.find import ParentModel
from lingraft.training.recipe.adaptation import Adaptation
from lingraft.training.recipe.identity import identity_of
from lingraft.training.recipe.recipes import ClassifyRecipe
from lingraft.training.recipe.stages import Stage
from lingraft.training.run.arms import log_likelihood
from lingraft.training.run.loop import run
from lingraft.training.synthesis.generate import load_translator
from lingraft.training.synthesis.labels import translate_train
from lingraft.training.synthesis.masked import MaskedLmLoss, Masker, masked_corpus
from lingraft.training.synthesis.renewed import held_out, job_of

MASKED, TRANSLATE = "masked-lm", "translate-train"
Weights = dict[str, Tensor]  # of an encoder


def require_stages(recipe: ClassifyRecipe) -> None:
    """Raise `RecipeError` if a stage is none of a classifier, or has no text to learn from."""
    require_methods(recipe.stages, (MASKED, TRANSLATE), CLASSIFIER)
    if not recipe.monolingual and any(stage.method == MASKED for stage in recipe.stages):
        raise RecipeError(f"stages: {MASKED} needs [[monolingual]] text, and there is none")


def start_of(name: str, recipe: ClassifyRecipe, parent: ParentModel) -> Start:
    """The parent as it is, adapted as the recipe says; for a control, its shape alone.

    Its encoder reads as many pieces as the recipe has a text keep, if it never did before.
    """
    longest = recipe.training.max_tokens
    if name != GRAFT:
        drawn = random_weights(name, parent)
        return replace(drawn, make=lambda *given: lengthened(drawn.make(*given), longest))

    def make(dropout: float, seed: int) -> MarianMTModel:
        return lengthened(load_model(parent.folder, dropout), longest)

    # Given whole, so that a stage before the labels does not move what L2-SP pulls toward.
    origin = Origin(weights=weights_of(load_model(parent.folder)), state=parent.folder)
    return Start(
        name, parent.codec, parent.sha256, make, adaptation=recipe.adaptation, origin=origin
    )


def translated(recipe: ClassifyRecipe, labels: Labels, output: Path) -> Labels:
    """The labels with training rows translated where the recipe has such stages.

    Translations that stand in dev or test are left out as other rows are.

    Raises:
        ParentError: the translator has no tag for a language.
        DataError: nothing is left to train on.
    """
    for stage in recipe.stages:
        if stage.method == TRANSLATE:
            labels = _translated(stage, recipe, labels, output)
    return labels


def _translated(stage: Stage, recipe: ClassifyRecipe, labels: Labels, output: Path) -> Labels:
    settings = stage.translate_train
    assert settings is not None
    spoken = {row[2] for row in labels.train} | set(settings.languages)
    folder = teacher_folder(output)
    translator = load_translator(settings.translator, spoken, folder, settings.decoding)
    made = translate_train(labels.train, settings, translator)
    held = [*labels.dev, *(row for part in labels.test for row in part.rows)]
    checked = check(
        [Part(f"train into {', '.join(settings.languages)}", made.rows, (0,))],
        [Part("dev and test", held, (0,))],
        recipe.contamination,
    )
    (rows,) = checked.rows
    if not rows:
        raise DataError(f"stages: {TRANSLATE} left no row to train on:\n{made}")
    return replace(
        labels,
        train=rows,
        dropped=labels.dropped + checked.count,
        overlaps=[*labels.overlaps, *checked.overlaps],
        sifted={**labels.sifted, **made.sifted},
    )


def through_stages(
    start: Start, recipe: ClassifyRecipe, labels: Labels, seed: int, output: Path
) -> Weights | None:
    """The arm's encoder after all stages that train, with one seed; None where none does.

    Raises:
        DataError: no monolingual text is short enough.
        SynthesisError: the vocabulary has no such mask.
    """
    folder = output / start.name / "stages" / f"seed-{seed}"
    weights: Weights | None = None
    for number, stage in enumerate(recipe.stages, start=1):
        if stage.method == MASKED:
            place = folder / f"{number}-{stage.method}"
            weights = _masked(start, stage, recipe, labels, seed, place, weights)
    return weights


def _masked(
    start: Start,
    stage: Stage,
    recipe: ClassifyRecipe,
    labels: Labels,
    seed: int,
    folder: Path,
    before: Weights | None,
) -> Weights:
    model = start.make(stage.dropout, seed)
    freeze_padding_row(model)
    encoder = model.model.encoder
    if before is not None:
        load_weights(encoder, before)
    assert stage.training is not None
    assert stage.masked_lm is not None
    settings, sources, texts = stage.training, recipe.monolingual, labels.monolingual
    most = min(settings.max_tokens, encoder.config.max_position_embeddings)
    corpus, weights = masked_corpus(sources, texts, start.codec, most)
    few, _ = masked_corpus(sources, some_of(texts), start.codec, most)
    loss = MaskedLmLoss(encoder, start.codec.pad, settings.label_smoothing)
    dev = held_out(Masker(few, start.codec, stage.masked_lm, seed))
    job = job_of(
        Masker(corpus, start.codec, stage.masked_lm, seed),
        weights,
        settings,
        name=f"{start.name} {stage.method}",
        folder=folder,
        score_name="log-likelihood",
        identity=identity_of(recipe, texts, start.sha256),
    )
    adaptation = stage.adaptation if start.name == GRAFT else Adaptation()
    run(
        stage_job(job, stage, seed, adaptation, start.origin),
        loss,
        lambda: log_likelihood(loss, dev, job.count),
    )
    return weights_of(encoder)
