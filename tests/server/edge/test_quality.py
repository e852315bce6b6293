"""Estimates of quality over real gRPC; the engine gives every piece a log-probability of -0.5."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lingraft.server.bundle import read_bundle
from lingraft.server.services.quality import Produced, p_acceptable
from lingraft.v1 import common_pb2, translation_pb2

# P = 1 / (1 + exp(-(1 + 0.8 * (mean_logprob + 1) / 0.25 - 0.3 * (log_length - 1.5) / 0.5)))
LOGISTIC: dict[str, Any] = {
    "language": "yo",
    "sourceLanguage": "en",
    "method": "logistic",
    "size": "400",
    "ece": 0.03,
    "parameters": [1.0, 0.8, -1.0, 0.25, -0.3, 1.5, 0.5],
    "features": ["mean_logprob", "log_length"],
    "acceptableChrf": 40.0,
    "calibrated": True,
}
ANY_SOURCE: dict[str, Any] = {
    **LOGISTIC,
    "sourceLanguage": "",
    "method": "constant",
    "parameters": [0.5],
    "features": [],
}


def _ask(text: str, **options: Any) -> translation_pb2.TranslateTextRequest:
    wanted = options.pop("wanted", {"quality": True})
    return translation_pb2.TranslateTextRequest(
        contents=[text],
        source_language="en",
        target_language="yo",
        response_options=wanted,
        **options,
    )


@pytest.fixture
def answer(
    served: Callable[..., Any], echo_model: Callable[..., Any], edited: Callable[..., Any]
) -> Callable[..., Any]:
    """Asks a server whose bundle has these calibrations."""

    def ask(calibrations: list[dict[str, Any]], request: Any) -> Any:
        name = f"bundle-{len(calibrations)}"
        folder = edited("v1-translation", lambda m: m.update(calibration=calibrations), name)
        server = served(echo_model(bundle=read_bundle(folder))[0])
        return server.translation.TranslateText(request).results[0].translation

    return ask


def _expected(pieces: int) -> float:
    """What LOGISTIC says of so many pieces, the end counted."""
    length = min(max((math.log(pieces) - 1.5) / 0.5, -4.0), 4.0)
    return 1 / (1 + math.exp(-(1.0 + 0.8 * 2.0 - 0.3 * length)))


def test_the_pairs_own_calibration_is_used_and_quoted(answer: Callable[..., Any]) -> None:
    """The sentence's figure is that of the proto's formula, and its evidence stands beside it."""
    request = _ask("A boat.", wanted={"quality": True, "sentences": True})
    translation = answer([ANY_SOURCE, LOGISTIC], request)
    quality = translation.quality
    assert quality == translation.sentences[0].quality
    assert quality.calibrated
    assert quality.calibration == "models/golden-translation/calibrations/en-yo"
    assert (quality.calibration_size, quality.acceptable_chrf) == (400, 40.0)
    assert quality.calibration_ece == pytest.approx(0.03)
    assert (quality.method, quality.raw_score) == ("mean_logprob", -0.5)
    candidates = [_expected(pieces) for pieces in range(2, 20)]
    assert min(abs(quality.p_acceptable - each) for each in candidates) < 1e-6


def test_a_text_of_several_sentences_has_the_mean(answer: Callable[..., Any]) -> None:
    """The share of sentences that is expected to be acceptable."""
    wanted = {"quality": True, "sentences": True}
    text = "A boat. We wait for the boat under the old tree."
    translation = answer([LOGISTIC], _ask(text, wanted=wanted))
    single = [sentence.quality.p_acceptable for sentence in translation.sentences]
    assert len(set(single)) == 2
    assert translation.quality.p_acceptable == pytest.approx(sum(single) / 2, abs=1e-6)


def test_a_calibration_of_the_target_serves_any_source(answer: Callable[..., Any]) -> None:
    """Where the pair has none of its own."""
    quality = answer([ANY_SOURCE], _ask("A boat.")).quality
    assert quality.calibration == "models/golden-translation/calibrations/yo"
    assert quality.p_acceptable == pytest.approx(1 / (1 + math.exp(-0.5)), abs=1e-6)


@pytest.mark.parametrize(
    ("change", "options"),
    [
        ({"language": "haw"}, {}),
        ({"sourceLanguage": "haw"}, {}),
        ({"calibrated": False}, {}),
        ({"method": "later"}, {}),
        ({"features": ["mean_logprob", "of a later version"]}, {}),
        ({"features": ["mean_logprob", "coverage"]}, {}),  # this engine tells no alignment
        ({}, {"decoding": {"temperature": 1.0}}),
        ({}, {"decoding": {"target_prefix": "A"}}),
    ],
)
def test_what_the_evidence_does_not_reach_is_not_calibrated(
    answer: Callable[..., Any], change: dict[str, Any], options: dict[str, Any]
) -> None:
    """The raw score stays, the probability does not."""
    quality = answer([{**LOGISTIC, **change}], _ask("A boat.", **options)).quality
    assert not quality.calibrated
    assert (quality.p_acceptable, quality.calibration, quality.calibration_size) == (0, "", 0)
    assert quality.raw_score == pytest.approx(-0.5)


def test_who_does_not_ask_gets_no_estimate(answer: Callable[..., Any]) -> None:
    """It is off by default."""
    assert not answer([LOGISTIC], _ask("A boat.", wanted={})).HasField("quality")


def test_every_feature_is_what_the_proto_says() -> None:
    """Each alone, with a mean of 0, a deviation of 1 and a weight of 1, worked out by hand."""
    shares = np.array([[0.5, 0.5, 0.0, 0.0], [0.9, 0.0, 0.1, 0.0], [0.0, 0.2, 0.8, 0.0]])
    produced = Produced((5, 6, 5), (-0.1, -0.2, -0.4, -1.3), 4, shares.astype(np.float32))
    by_hand = {
        "mean_logprob": -0.5,
        "min_logprob": -1.3,
        "total_logprob": -2.0,
        "log_length": math.log(4),
        "log_ratio": 0.0,
        "distinct_share": 2 / 3,
        "coverage": (1.0 + 0.7 + 0.9 + 0.0) / 4,
    }
    for name, value in by_hand.items():
        info = common_pb2.CalibrationInfo(
            method="logistic", features=[name], parameters=[0.0, 1.0, 0.0, 1.0]
        )
        assert p_acceptable(info, produced) == pytest.approx(1 / (1 + math.exp(-value)), abs=1e-7)


def test_a_feature_far_from_all_that_was_seen_is_clipped() -> None:
    """No estimate runs away: four deviations are the most that counts."""
    info = common_pb2.CalibrationInfo(
        method="logistic", features=["total_logprob"], parameters=[0.0, 1.0, 0.0, 1e-3]
    )
    found = p_acceptable(info, Produced((5,), (-1e4,), 3, None))
    assert found == pytest.approx(1 / (1 + math.exp(4)))
    assert p_acceptable(info, Produced((), (), 3, None)) is None
