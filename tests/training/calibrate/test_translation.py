"""P(acceptable): planted features are found, noise loses to the plain share, little is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from lingraft.training.calibrate import (
    FEATURES,
    DirectionCalibration,
    Produced,
    calibrate_translation,
)
from lingraft.training.calibrate.acceptability import fit_constant
from lingraft.training.calibrate.features import coverage_of
from lingraft.training.errors import DataError
from lingraft.training.recipe.calibration import Calibration


def _produced(count: int, seed: int = 0) -> list[Produced]:
    """Translations of several lengths whose pieces are now surer, now less sure."""
    random = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        length, level = int(random.integers(3, 30)), random.uniform(0.1, 1.5)
        made.append(
            Produced(
                pieces=tuple(random.integers(2, 40, length - 1).tolist()),
                logprobs=tuple((-random.exponential(level, length)).tolist()),
                source_length=int(random.integers(3, 30)),
                coverage=float(random.uniform(0.3, 1.0)),
            )
        )
    return made


def _scores(chances: Any, seed: int = 1) -> list[float]:
    """Sentence chrF++ of 60 with these chances, and of 20 otherwise."""
    drawn = np.random.default_rng(seed).random(len(chances)) < chances
    return [60.0 if each else 20.0 for each in drawn]


def _planted(produced: list[Produced]) -> Any:
    """P(acceptable) that follows the mean log-probability and the coverage."""
    mean = np.array([FEATURES["mean_logprob"](each) for each in produced])
    covered = np.array([FEATURES["coverage"](each) for each in produced])
    return 1 / (1 + np.exp(-(1.0 + 3.0 * (mean + 0.8) + 4.0 * (covered - 0.65))))


def _one(
    produced: list[Produced], chrf: list[float], settings: Calibration | None = None
) -> DirectionCalibration:
    pairs = [("en", "yo")] * len(produced)
    (found,) = calibrate_translation(produced, chrf, pairs, settings or Calibration()).directions
    return found


def test_features_that_were_planted_are_found() -> None:
    """Held-out estimates are near the planted chances, and the error is what chance makes."""
    produced = _produced(2000)
    chances = _planted(produced)
    found = _one(produced, _scores(chances))
    assert found.model is not None
    assert found.after is not None
    assert found.model.method == "logistic"
    assert found.losses["logistic"] < found.losses["constant"]
    assert found.after.ece < found.after.ece_by_chance < 0.05 < found.before.ece
    assert found.after.brier < found.before.brier
    assert np.abs(found.model.of(produced) - chances).mean() < 0.03
    assert found.auc is not None
    assert found.auc > 0.75


@pytest.mark.parametrize("seed", range(5))
def test_features_that_are_noise_lose_to_the_plain_share(seed: int) -> None:
    """Three in ten are acceptable whatever the features say."""
    produced = _produced(400, seed)
    found = _one(produced, _scores(np.full(400, 0.3), seed + 50))
    assert found.model is not None
    assert found.model.method == "constant"
    assert "carry no information" in found.reason
    assert found.model.of(produced) == pytest.approx((found.acceptable + 1) / 402)
    assert found.after is not None
    assert found.after.ece < 0.05


def test_under_a_hundred_translations_nothing_is_calibrated() -> None:
    """And the manifest says so."""
    produced = _produced(99)
    chrf = _scores(_planted(produced))
    calibration = calibrate_translation(produced, chrf, [("en", "yo")] * 99, Calibration())
    (info,) = calibration.as_infos()
    assert (info.source_language, info.language, info.size) == ("en", "yo", 99)
    assert not info.calibrated
    (told,) = calibration.as_dict()["directions"]
    assert told["reason"] == "99 examples, under the 100 that are needed"


@pytest.mark.parametrize("chance", [0.0, 1.0])
def test_where_all_are_alike_the_share_is_all_that_is_said(chance: float) -> None:
    """A poor model has no acceptable translation on dev: the estimate is low, and never 0."""
    found = _one(_produced(150), _scores(np.full(150, chance)))
    assert found.model is not None
    assert found.model.method == "constant"
    assert found.auc is None
    estimate = float(found.model.of(_produced(1))[0])
    assert estimate == pytest.approx(1 / 152 if chance == 0 else 151 / 152)


def test_directions_are_fitted_apart_or_by_their_target() -> None:
    """`by` chooses; the infos name the source only where it counts."""
    produced = _produced(600)
    chrf = _scores(_planted(produced))
    pairs = [("en", "yo")] * 250 + [("fr", "yo")] * 250 + [("yo", "en")] * 100
    apart = calibrate_translation(produced, chrf, pairs, Calibration())
    assert [(i.source_language, i.language, i.size) for i in apart.as_infos()] == [
        ("en", "yo", 250),
        ("fr", "yo", 250),
        ("yo", "en", 100),
    ]
    together = calibrate_translation(produced, chrf, pairs, Calibration(by="target"))
    assert [(i.source_language, i.language, i.size) for i in together.as_infos()] == [
        ("", "en", 100),
        ("", "yo", 500),
    ]


def test_a_feature_that_is_not_told_is_left_out() -> None:
    """Graphs may tell no alignment; the others carry on."""
    told = _produced(500)
    produced = [Produced(p.pieces, p.logprobs, p.source_length) for p in told]
    found = _one(produced, _scores(_planted(told)))
    assert found.model is not None
    assert "coverage" not in found.model.features
    assert "mean_logprob" in found.model.features


def test_the_threshold_is_that_of_the_settings_and_stands_in_the_manifest() -> None:
    """Above it, not at it."""
    produced = _produced(200)
    chrf = [50.0] * 100 + [50.1] * 100
    settings = Calibration(acceptable_chrf=50.0)
    calibration = calibrate_translation(produced, chrf, [("en", "yo")] * 200, settings)
    assert calibration.directions[0].acceptable == 100
    assert calibration.as_infos()[0].acceptable_chrf == 50.0


def test_parameters_stand_in_the_order_of_the_proto() -> None:
    """Intercept, then weight, mean and deviation of each feature; worked out again by hand."""
    produced = _produced(500)
    found = _one(produced, _scores(_planted(produced)))
    info, model = found.as_info(40.0), found.model
    assert model is not None
    for each, chance in zip(produced, model.of(produced), strict=True):
        total = info.parameters[0]
        for place, name in enumerate(info.features):
            weight, mean, deviation = info.parameters[1 + 3 * place : 4 + 3 * place]
            value = (FEATURES[name](each) - mean) / deviation
            total += weight * min(max(value, -4.0), 4.0)
        assert chance == pytest.approx(1 / (1 + math.exp(-total)), abs=1e-12)


def test_the_features_are_those_worked_out_by_hand() -> None:
    """The same numbers as in the server's own test."""
    shares = np.array([[0.5, 0.5, 0.0, 0.0], [0.9, 0.0, 0.1, 0.0], [0.0, 0.2, 0.8, 0.0]])
    each = Produced((5, 6, 5), (-0.1, -0.2, -0.4, -1.3), 4, coverage_of(shares))
    assert {name: feature(each) for name, feature in FEATURES.items()} == pytest.approx(
        {
            "mean_logprob": -0.5,
            "min_logprob": -1.3,
            "total_logprob": -2.0,
            "log_length": math.log(4),
            "log_ratio": 0.0,
            "distinct_share": 2 / 3,
            "coverage": (1.0 + 0.7 + 0.9 + 0.0) / 4,
        }
    )


def test_what_cannot_be_scored_is_refused() -> None:
    """Empty translations and lists that do not fit."""
    produced = [*_produced(2), Produced((), (), 3)]
    with pytest.raises(DataError, match="1 translations have no log-probabilities"):
        calibrate_translation(produced, [1.0] * 3, [("en", "yo")] * 3, Calibration())
    with pytest.raises(DataError, match="3 translations, 2 scores, 3 directions"):
        calibrate_translation(produced, [1.0] * 2, [("en", "yo")] * 3, Calibration())


def test_a_constant_is_a_share_by_the_rule_of_succession() -> None:
    """(acceptable + 1) / (all + 2)."""
    model = fit_constant(np.array([1, 0, 0]))
    assert model.of(_produced(4)) == pytest.approx([0.4] * 4)
    assert model.parameters == pytest.approx([math.log(0.4 / 0.6)])
