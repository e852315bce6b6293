"""Settings of an experiment: what kind of transfer it is, and what it is compared with."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from lingraft.training.recipe.settings import Language, Positive, Rate, Shape, Strict

TransferKind = Literal["inductive", "transductive", "unsupervised"]
Moved = Literal["parameters", "instances"]
_Share = Annotated[float, Field(gt=0, le=1)]
ControlName = Literal["scratch", "random-parent", "shuffled-parent", "random-rows"]


class Transfer(Strict):
    """What kind of transfer it is (Pan & Yang 2010); the recipe's data must fit it.

    kind: inductive where the child has labelled data, transductive where it has text without
        labels and the labels are in the parent's languages, unsupervised where nobody has any.
    moves: what goes from parent to child; unset, parameters, and instances where there is
        rehearsal.
    child: languages that the parent shall learn; unset, all in train, dev and test that the parent
        does not name as its own.
    """

    kind: TransferKind = "inductive"
    moves: Annotated[tuple[Moved, ...], Field(min_length=1)] | None = None
    child: tuple[Language, ...] | None = None


class Scratch(Strict):
    """The control from scratch: the child's text alone.

    vocabulary: most pieces of a vocabulary of its own (Gowda & May 2020: few for little text);
        unset, the parent's vocabulary.
    model: its shape; unset, the parent's.
    """

    vocabulary: Annotated[int, Field(ge=300)] | None = 2000
    model: Shape | None = None


class Controls(Strict):
    """Arms that the graft must beat, under the same budget and grid unless it is told otherwise.

    arms: scratch, the child's text alone; random-parent, everything as the graft has it but the
        parent's weights and predictions; shuffled-parent, the same, from a parent trained on
        shuffled targets; random-rows, as the graft, but the rows of new pieces are random, which
        explains the gain and is nothing to beat.
    steps: training steps of the controls; unset, as the graft's.
    learning_rates: tried for the controls; unset, the grid's. A graft that must not forget wants a
        rate at which nothing is learnt from scratch.
    shuffled_parent: where that parent is: a folder made by `lingraft-train pretrain
        --shuffle-targets`.
    """

    arms: Annotated[tuple[ControlName, ...], Field(min_length=1)] = ("scratch", "random-parent")
    steps: Positive | None = None
    learning_rates: Annotated[list[Rate], Field(min_length=1)] | None = None
    scratch: Scratch = Scratch()
    shuffled_parent: str | None = Field(default=None, validate_default=True)

    @field_validator("arms")
    @classmethod
    def _once(cls, arms: tuple[ControlName, ...]) -> tuple[ControlName, ...]:
        if len(set(arms)) < len(arms):
            raise ValueError("names an arm twice")
        return arms

    @field_validator("shuffled_parent")
    @classmethod
    def _told(cls, value: str | None, info: ValidationInfo) -> str | None:
        wanted = "shuffled-parent" in info.data.get("arms", ())
        if wanted and value is None:
            raise ValueError("the arm shuffled-parent needs it: a parent of shuffled targets")
        if value is not None and not wanted:
            raise ValueError("is given, but controls.arms does not name shuffled-parent")
        return value


class Interpolation(Strict):
    """Part of the way back to the weights before training, and before all stages (WiSE-FT: Wortsman
    et al. 2022). Which seed is served is decided before.

    shares: of the trained weights; the largest is taken with which no direction of one half
        of parent_dev loses more than max_loss.
    max_loss: chrF++; lower than the gate's, for dev is not test.
    """

    shares: Annotated[tuple[_Share, ...], Field(min_length=1)] = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
    max_loss: Annotated[float, Field(gt=0)] = 0.7


class ClassifyControls(Strict):
    """Arms that a classifier must beat: an encoder with random weights, and counted characters.

    arms: random-parent, the same encoder with random weights; tfidf, character n-grams with
        logistic regression.
    """

    arms: Annotated[tuple[Literal["random-parent", "tfidf"], ...], Field(min_length=1)] = (
        "random-parent",
        "tfidf",
    )
