"""Settings of made text that contradict each other are refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from lingraft.training.recipe.settings import Strict
from lingraft.training.recipe.synthesis import (
    BackTranslation,
    Decoding,
    Denoising,
    Distillation,
    Iterative,
    MaskedLm,
    Monolingual,
    TranslateTrain,
)


@pytest.mark.parametrize(
    ("table", "values", "message"),
    [
        (Decoding, {"beams": 4, "sample": True}, "it needs beams = 1"),
        (Denoising, {"mask_share": 0, "drop": 0, "shuffle_distance": 0}, "would learn to copy"),
        (MaskedLm, {"random": 0.6, "keep": 0.4}, "leave nothing to mask"),
        (MaskedLm, {"random": 0.95}, "leave nothing to mask"),
        (TranslateTrain, {"translator": "x", "languages": []}, "at least 1 item"),
        (TranslateTrain, {"translator": "x", "languages": ["xx"]}, "language 'xx' is unknown"),
        (BackTranslation, {"ratio": 2.5}, "less than or equal to 2"),
        (BackTranslation, {"marker": "made by machine"}, "should match pattern"),
        (BackTranslation, {"marker": ""}, "should match pattern"),
        (Distillation, {"teacher": "x", "decoding": {}, "choice": "nearest"}, "beams must be"),
        (Monolingual, {"name": "x", "path": "x", "language": "yo", "side": 1}, "not permitted"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(
    table: type[Strict], values: dict[str, object], message: str
) -> None:
    """With a reason."""
    with pytest.raises(ValidationError, match=message):
        table.model_validate(values)


def test_the_usual_settings_stand() -> None:
    """As the papers have them."""
    assert (Denoising().span_mean, Denoising().shuffle_distance) == (3.0, 3)
    assert MaskedLm().share == 0.15
    assert (BackTranslation().minimum_quality, BackTranslation().metric) == (8.0, "BLEU")
    assert Distillation(teacher="x", choice="nearest").decoding.beams == 5
    assert Iterative().rounds == 3
