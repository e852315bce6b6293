"""Scaling of logits: what was planted is found, what is right stays, too little is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import softmax

from lingraft.training.calibrate import LanguageCalibration, calibrate_classifier
from lingraft.training.calibrate.choice import folds_of, pays
from lingraft.training.recipe.calibration import Calibration

LABELS = 4


def _planted(count: int, seed: int = 0) -> tuple[Any, Any]:
    """Logits [N,C], and labels that are drawn from their softmax: perfectly calibrated."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 1.5, (count, LABELS))
    drawn = random.random((count, 1)) < softmax(logits, axis=1).cumsum(axis=1)
    return logits, drawn.argmax(axis=1)


def _one(logits: Any, labels: Any, **settings: Any) -> LanguageCalibration:
    names = ["yo"] * len(labels)
    found = calibrate_classifier(logits, labels.tolist(), names, Calibration(**settings))
    (language,) = found.languages
    return language


def test_planted_over_confidence_is_undone() -> None:
    """Logits three times too large have a temperature of about 3, and the error goes."""
    logits, labels = _planted(4000)
    found = _one(3 * logits, labels)
    assert found.scaling is not None
    assert found.after is not None
    assert found.scaling.method == "temperature"
    assert found.scaling.temperature == pytest.approx(3.0, rel=0.1)
    assert found.before.ece > 0.15
    assert found.after.ece < 0.03
    assert found.after.ece < found.after.ece_by_chance
    assert found.after.nll < found.before.nll
    assert found.after.brier < found.before.brier


def test_with_300_examples_the_error_falls_to_what_chance_makes() -> None:
    """So few show an error even of probabilities that are exactly right."""
    logits, labels = _planted(300, seed=5)
    found = _one(3 * logits, labels)
    assert found.after is not None
    assert found.before.ece > 0.15
    assert found.after.ece < found.after.ece_by_chance
    assert found.after.ece < found.before.ece / 2


def test_what_is_calibrated_stays_as_it_is() -> None:
    """No vector, and a temperature of about 1."""
    found = _one(*_planted(2000, seed=3))
    assert found.scaling is not None
    assert found.scaling.method == "temperature"
    assert found.scaling.temperature == pytest.approx(1.0, abs=0.06)
    assert found.after is not None
    assert found.after.ece == pytest.approx(found.before.ece, abs=0.01)


def test_vector_scaling_recovers_a_planted_bias() -> None:
    """One label was pushed up by 2 and another label's logits are twice too large."""
    logits, labels = _planted(3000, seed=1)
    pushed = logits.copy()
    pushed[:, 0] += 2.0
    pushed[:, 2] *= 2.0
    found = _one(pushed, labels)
    assert found.scaling is not None
    assert found.scaling.method == "vector"
    scales, offsets = np.array(found.scaling.scales), np.array(found.scaling.offsets)
    assert scales == pytest.approx([1, 1, 0.5, 1], abs=0.12)
    assert offsets - offsets[1] == pytest.approx([-2, 0, 0, 0], abs=0.25)
    assert found.losses["vector"] < found.losses["temperature"]
    assert found.after is not None
    assert found.after.ece < 0.03 < found.before.ece


def test_vector_scaling_is_not_tried_where_a_label_is_rare() -> None:
    """Nineteen examples of a label say too little of its two parameters."""
    logits, labels = _planted(800, seed=2)
    kept = np.sort(np.concatenate([np.flatnonzero(labels != 0), np.flatnonzero(labels == 0)[:19]]))
    found = _one(logits[kept], labels[kept])
    assert "vector" not in found.losses
    assert "needs 20 examples of every label" in found.reason


def test_under_a_hundred_examples_nothing_is_calibrated() -> None:
    """The figures before are told, and the manifest says that the language is not calibrated."""
    logits, labels = _planted(99)
    found = _one(logits, labels)
    assert (found.scaling, found.after) == (None, None)
    assert found.reason == "99 examples, under the 100 that are needed"
    info = found.as_info()
    assert (info.language, info.size, info.calibrated) == ("yo", 99, False)
    assert not info.parameters
    assert _one(*_planted(100)).scaling is not None


def test_all_right_does_not_mean_infinitely_sure() -> None:
    """Where every label is right the likelihood knows no bound, and the temperature keeps one."""
    logits = 4.0 * np.eye(LABELS)[np.arange(200) % LABELS]
    found = _one(logits, logits.argmax(axis=1))
    assert found.scaling is not None
    assert found.scaling.scales[0] < 5


def test_each_language_has_its_own() -> None:
    """Texts without a language are left out; probabilities follow each text's language."""
    logits, labels = _planted(700, seed=4)
    stretched = logits.copy()
    stretched[:300] *= 3
    names = ["yo"] * 300 + ["en"] * 300 + ["sd"] * 50 + [""] * 50
    found = calibrate_classifier(stretched, labels.tolist(), names, Calibration())
    assert [(each.language, each.size) for each in found.languages] == [
        ("en", 300),
        ("sd", 50),
        ("yo", 300),
    ]
    en, sd, yo = found.languages
    assert en.scaling is not None
    assert yo.scaling is not None
    assert en.scaling.temperature < 1.3 < 2.3 < yo.scaling.temperature
    served = found.probabilities(stretched, names)
    assert served[:300] == pytest.approx(yo.scaling.probabilities(stretched[:300]))
    assert served[600:] == pytest.approx(softmax(stretched[600:], axis=1))
    assert sd.scaling is None


def test_the_report_and_the_manifest_tell_the_same() -> None:
    """Bins hold all examples; sizes, methods, parameters and figures agree."""
    logits, labels = _planted(400)
    found = calibrate_classifier(3 * logits, labels.tolist(), ["yo"] * 400, Calibration())
    (told,), (info,) = found.as_dict()["languages"], found.as_infos()
    assert sum(each["size"] for each in told["before"]["bins"]) == 400
    assert sum(each["size"] for each in told["after"]["bins"]) == 400
    assert told["parameters"] == list(info.parameters)
    assert (told["method"], told["size"]) == (info.method, info.size) == ("temperature", 400)
    assert (told["before"]["ece"], told["after"]["ece"]) == (info.ece_before, info.ece)
    assert (told["before"]["brier"], told["after"]["brier"]) == (info.brier_before, info.brier)
    assert info.calibrated


def test_folds_are_even_in_every_class() -> None:
    """A rare class is in as many folds as it can be."""
    classes = np.array([0] * 50 + [1] * 5)
    folds = folds_of(classes, 5, seed=1)
    assert np.bincount(folds).tolist() == [11] * 5
    assert sorted(folds[50:].tolist()) == [0, 1, 2, 3, 4]


def test_a_richer_model_must_gain_more_than_chance() -> None:
    """A small gain with a large spread is none."""
    random = np.random.default_rng(0)
    losses = random.normal(1, 0.5, 400)
    noise = random.normal(0, 0.5, 400)
    assert pays(losses - 0.2, losses + noise - noise.mean())
    assert not pays(losses - 0.01, losses + noise - noise.mean())
