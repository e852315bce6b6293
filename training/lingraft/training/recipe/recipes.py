"""Recipes: one TOML file is one experiment, and its task says which of these it is."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from lingraft.training.recipe.adaptation import Adaptation
from lingraft.training.recipe.calibration import Calibration
from lingraft.training.recipe.experiment import ClassifyControls, Controls, Interpolation, Transfer
from lingraft.training.recipe.explanation import Explanation
from lingraft.training.recipe.identification import Counted, Fitting, Spoken, Strangers
from lingraft.training.recipe.instances import Contamination, Mixing, Selection
from lingraft.training.recipe.pieces import VocabularyTransfer
from lingraft.training.recipe.ranking import Ranking
from lingraft.training.recipe.settings import (
    BOTH,
    Gate,
    Grid,
    Labelled,
    Name,
    Pairs,
    Positive,
    Precision,
    Shape,
    Strict,
    Text,
    Training,
    Vocabulary,
)
from lingraft.training.recipe.stages import Stage
from lingraft.training.recipe.synthesis import Monolingual
from lingraft.training.recipe.wide import Wide

__all__ = [
    "AssessRecipe",
    "ClassifyRecipe",
    "Gate",
    "GraftRecipe",
    "Grid",
    "IdentifyRecipe",
    "Labelled",
    "Pairs",
    "Planned",
    "PretrainRecipe",
    "Recipe",
    "Shape",
    "Text",
    "Training",
    "Vocabulary",
]


def _of_translations(calibration: Calibration) -> Calibration:
    if calibration.thresholds is not None:
        raise ValueError("thresholds belong to a classifier's labels; leave them out")
    return calibration


class _Recipe(Strict):
    name: Name
    display_name: str = ""
    seed: int = 1
    licence: str
    # What the result is bad at, in plain words: they stand in its card.
    weaknesses: list[Annotated[str, Field(min_length=1)]] = Field(default_factory=list)


class PretrainRecipe(_Recipe):
    """A parent from nothing, or from an earlier one of the same pieces and shape."""

    task: Literal["pretrain"]
    # A model to train on: folder, embedded starter or hub id. Vocabulary and model say what it is.
    start: str | None = None
    vocabulary: Vocabulary
    model: Shape
    training: Training
    train: Annotated[list[Pairs], Field(min_length=1)]
    dev: Annotated[list[Pairs], Field(min_length=1)]
    dev_sentences: Positive = 100  # of each direction, for early stopping

    @field_validator("training")
    @classmethod
    def _fits_model(cls, training: Training, info: ValidationInfo) -> Training:
        if "model" in info.data and training.max_tokens > info.data["model"].max_positions:
            raise ValueError("max_tokens is above the model's max_positions")
        return training

    @field_validator("train", "dev")
    @classmethod
    def _in_vocabulary(cls, sources: list[Pairs], info: ValidationInfo) -> list[Pairs]:
        if "vocabulary" in info.data:
            used = {code for pairs in sources for code in (pairs.source, pairs.target)}
            if strange := sorted(used - set(info.data["vocabulary"].languages)):
                raise ValueError(f"{', '.join(strange)}: not among vocabulary.languages")
        return sources


class _Experiment(_Recipe):
    """A child on a parent, with controls: what both tasks set."""

    parent: str
    ranking: Ranking = Ranking()  # which parents `rank-parents` compares, and how
    transfer: Transfer = Transfer()
    adaptation: Adaptation = Adaptation()
    stages: list[Stage] = Field(default_factory=list)
    training: Training
    grid: Grid
    seeds: Positive = 3  # runs of every arm, from `seed` upwards
    gate: Gate = Gate()
    contamination: Contamination = Contamination()
    calibration: Calibration = Calibration()
    monolingual: list[Monolingual] = Field(default_factory=list)
    precisions: list[Precision] = Field(default=BOTH, min_length=1)  # the first is the default


class GraftRecipe(_Experiment):
    """Child languages on a parent, with controls."""

    task: Literal["graft"]
    vocabulary: VocabularyTransfer = VocabularyTransfer()
    controls: Controls = Controls()
    mixing: Mixing | None = None
    selection: Selection | None = None
    explanation: Explanation | None = None
    train: list[Pairs] = Field(default_factory=list, validate_default=True)
    # Parent text against forgetting, not for the control from scratch; it teaches its references or
    # what the parent predicts (learning without forgetting: Li & Hoiem 2016).
    rehearsal: list[Pairs] = Field(default_factory=list)
    rehearse: Literal["references", "parent"] = "references"
    dev: Annotated[list[Pairs], Field(min_length=1)]
    test: Annotated[list[Pairs], Field(min_length=1)]
    # Parent directions: dev calibrates them, tells what precisions cost and how far to interpolate;
    # test measures what was forgotten.
    parent_dev: list[Pairs] = Field(default_factory=list)
    parent_test: list[Pairs] = Field(default_factory=list)
    interpolation: Interpolation | None = None
    zero_shot: bool = True  # measure directions of the test sets' languages that nobody paired too
    dev_sentences: Positive = 200
    parity_sentences: Positive = 200

    @field_validator("calibration")
    @classmethod
    def _no_labels(cls, calibration: Calibration) -> Calibration:
        return _of_translations(calibration)

    @field_validator("train")
    @classmethod
    def _has_pairs(cls, train: list[Pairs], info: ValidationInfo) -> list[Pairs]:
        transfer = info.data.get("transfer")
        if not train and (transfer is None or transfer.kind == "inductive"):
            raise ValueError("is missing; only transductive and unsupervised transfer do without")
        return train


class ClassifyRecipe(_Experiment):
    """A classifier on a parent's encoder, with controls."""

    task: Literal["classify"]
    wide: Wide | None = None  # unset: the encoder and its head alone
    controls: ClassifyControls = ClassifyControls()
    train: Annotated[list[Labelled], Field(min_length=1)]
    dev: Annotated[list[Labelled], Field(min_length=1)]
    test: Annotated[list[Labelled], Field(min_length=1)]

    @property
    def bridge(self) -> list[Pairs]:
        """Parallel text that the wide part learns from."""
        return self.wide.bridge.pairs if self.wide and self.wide.bridge else []


class IdentifyRecipe(_Recipe):
    """Which language a text is in; no parent."""

    task: Literal["identify"]
    ngrams: Counted = Counted()
    training: Fitting = Fitting()
    train: Annotated[list[Spoken], Field(min_length=1)]
    # Half of what decides where a language ends and "und" begins; strangers are the other half.
    dev: Annotated[list[Spoken], Field(min_length=1)]
    strange_dev: Annotated[list[Strangers], Field(min_length=1)]
    test: Annotated[list[Spoken], Field(min_length=1)]
    strange_test: list[Strangers] = Field(default_factory=list)

    @field_validator("dev", "test")
    @classmethod
    def _taught(cls, sources: list[Spoken], info: ValidationInfo) -> list[Spoken]:
        if "train" in info.data:
            asked = {code for source in sources for code in source.languages}
            known = {code for source in info.data["train"] for code in source.languages}
            if strange := sorted(asked - known):
                raise ValueError(f"{', '.join(strange)}: no train source is in it")
        return sources


class AssessRecipe(_Recipe):
    """A translator as it stands: what its directions are worth, and a bundle that says so."""

    task: Literal["assess"]
    parent: str
    pretraining: str | None = None  # recipe that trained it: its pairs are what it was taught
    precisions: list[Precision] = Field(default=BOTH, min_length=1)  # the first is the default
    calibration: Calibration = Calibration()
    parity_sentences: Positive = 200
    dev: Annotated[list[Pairs], Field(min_length=1)]  # calibrates, and tells what precisions cost
    test: Annotated[list[Pairs], Field(min_length=1)]

    @field_validator("calibration")
    @classmethod
    def _no_labels(cls, calibration: Calibration) -> Calibration:
        return _of_translations(calibration)


Planned = PretrainRecipe | GraftRecipe | ClassifyRecipe  # long enough to plan
Recipe = Planned | IdentifyRecipe | AssessRecipe
