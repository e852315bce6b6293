"""Stages: what an arm goes through, in order, before its training on pairs or labels."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from lingraft.training.recipe.adaptation import Adaptation
from lingraft.training.recipe.settings import Fraction, Strict, Training
from lingraft.training.recipe.synthesis import (
    BackTranslation,
    Denoising,
    Distillation,
    Iterative,
    MaskedLm,
    TranslateTrain,
)

StageMethod = Literal[
    "pairs", "denoise", "masked-lm", "back-translate", "iterate", "distil", "translate-train"
]
_TABLES = {
    "denoising": "denoise",
    "masked_lm": "masked-lm",
    "back_translation": "back-translate",
    "iterative": "iterate",
    "distillation": "distil",
    "translate_train": "translate-train",
}
_TRAINS_NOTHING = ("distil", "translate-train")


class Stage(Strict):
    """One stage. Each arm goes through all of them with each seed; a killed run goes on within.

    method: pairs, training on the recipe's pairs; denoise, undoing noise on its monolingual text;
        masked-lm, the same for the encoder of a classifier; back-translate, pairs and made ones in
        rounds; iterate, made pairs alone; distil, a teacher's translations instead of the
        references from here on; translate-train, labelled rows translated, from here on.
    training: of this stage; distil and translate-train make text and train nothing.
    dropout: of this stage.
    The other tables are settings of the method of that name.
    """

    method: StageMethod
    training: Annotated[Training | None, Field(validate_default=True)] = None
    dropout: Fraction = 0.1
    adaptation: Adaptation = Adaptation()
    denoising: Annotated[Denoising | None, Field(validate_default=True)] = None
    masked_lm: Annotated[MaskedLm | None, Field(validate_default=True)] = None
    back_translation: Annotated[BackTranslation | None, Field(validate_default=True)] = None
    iterative: Annotated[Iterative | None, Field(validate_default=True)] = None
    distillation: Annotated[Distillation | None, Field(validate_default=True)] = None
    translate_train: Annotated[TranslateTrain | None, Field(validate_default=True)] = None

    @field_validator("training")
    @classmethod
    def _trains(cls, training: Training | None, info: ValidationInfo) -> Training | None:
        method = info.data.get("method")
        if method in _TRAINS_NOTHING and training is not None:
            raise ValueError(f"{method} trains nothing; leave it out")
        if method not in (None, *_TRAINS_NOTHING) and training is None:
            raise ValueError(f"{method} needs it")
        return training

    @field_validator(*_TABLES, mode="before")
    @classmethod
    def _belongs(cls, table: Any, info: ValidationInfo) -> Any:
        method, owner = info.data.get("method"), _TABLES[str(info.field_name)]
        if table is not None and method not in (None, owner):
            raise ValueError(f"belongs to method {owner}, not {method}")
        if table is None and method == owner:
            if owner in _TRAINS_NOTHING:
                raise ValueError(f"{owner} needs it")
            return {}
        return table
