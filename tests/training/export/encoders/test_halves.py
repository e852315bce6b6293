"""Classifiers of every family in half precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lingraft.training.export import to_arrays
from lingraft.training.export.encoders import CLASSIFIERS
from lingraft.training.export.graph import serialise
from lingraft.training.export.halves import halve
from lingraft.training.export.runtime import classify

_FORMS = ("bert", "xlm-roberta", "distilbert", "deberta-v3", "deberta-v2", "modernbert")


@pytest.mark.parametrize("form", _FORMS)
def test_half_precision_gives_the_logits_to_its_rounding(
    make_classifier: Callable[[str], Any], texts: list[list[int]], form: str
) -> None:
    """In float32 to the caller, for texts of 1 to 70 pieces in one padded batch."""
    model = make_classifier(form)
    plain = CLASSIFIERS[model.config.model_type](model.config, to_arrays(model.state_dict()))
    pad = model.config.pad_token_id
    exact = classify(serialise(plain), texts, pad)
    near = classify(serialise(halve(plain)), texts, pad)
    assert near.dtype == np.float32
    np.testing.assert_allclose(near, exact, atol=0.02 * np.abs(exact).max())
