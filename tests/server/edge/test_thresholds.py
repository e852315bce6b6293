"""Vector scaling and thresholds of a classifier over real gRPC.

The engine's logits for ham and spam are n and -n; a vector calibration with scales of 0 turns them
into the probability that a test wants.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from lingraft.server.bundle import read_bundle
from lingraft.v1 import classification_pb2 as api

Refuse = Callable[..., Any]


def _vector(*parameters: float, language: str = "en") -> dict[str, Any]:
    return {
        "language": language,
        "method": "vector",
        "size": "200",
        "parameters": list(parameters),
        "calibrated": True,
    }


def _threshold(label: str, level: float, **changes: Any) -> dict[str, Any]:
    given = {"profile": "fpr-0.01", "label": label, "language": "en", "threshold": level}
    return {**given, "targetRate": 0.01, "usable": True, **changes}


@pytest.fixture
def server(
    served: Callable[..., Any], length_model: Callable[..., Any], edited: Callable[..., Any]
) -> Callable[..., Any]:
    """Starts a server whose classifier has this evidence."""

    def start(folder: str = "bundle", **evidence: Any) -> Any:
        path = edited("v1-classification", lambda manifest: manifest.update(evidence), folder)
        return served(length_model(read_bundle(path))[0])

    return start


def _ask(served: Any, language: str = "en", **options: Any) -> Any:
    document = api.Document(content="Tea", language=language)
    request = api.ClassifyTextRequest(documents=[document], **options)
    return served.classification.ClassifyText(request).results[0].classification


def test_vector_scaling_weighs_and_shifts_each_label(server: Callable[..., Any]) -> None:
    """softmax(w * z + b), which may put another label first."""
    answer = _ask(server(calibration=[_vector(0.5, 2.0, -3.0, 9.0)]))
    ham, spam = (next(x for x in answer.labels if x.name == n) for n in ("ham", "spam"))
    gap = (2.0 * spam.raw_logit + 9.0) - (0.5 * ham.raw_logit - 3.0)
    assert spam.score == pytest.approx(1 / (1 + math.exp(-gap)), abs=1e-6)
    assert ham.score + spam.score == pytest.approx(1.0)
    assert [label.score for label in answer.labels] == sorted((ham.score, spam.score))[::-1]
    assert answer.calibration.method == "vector"


@pytest.mark.parametrize(
    ("p_spam", "thresholds", "decision", "above"),
    [
        (0.9, [_threshold("spam", 0.8)], api.DECISION_ACCEPT, {"spam"}),
        (0.7, [_threshold("spam", 0.8)], api.DECISION_UNSURE, set()),
        (0.1, [_threshold("spam", 0.8)], api.DECISION_ACCEPT, set()),
        (0.4, [_threshold("spam", 0.3)], api.DECISION_UNSURE, {"spam"}),
        (0.6, [_threshold("spam", 0.8), _threshold("ham", 0.9)], api.DECISION_REJECT, set()),
        (0.9, [_threshold("spam", 0.8, usable=False)], api.DECISION_ABSTAIN, set()),
        (0.9, [_threshold("spam", 0.8, language="yo")], api.DECISION_ABSTAIN, set()),
    ],
)
def test_the_decision_follows_the_thresholds(
    server: Callable[..., Any],
    p_spam: float,
    thresholds: list[dict[str, Any]],
    decision: api.Decision,
    above: set[str],
) -> None:
    """Accepted, refused, too near, or nothing to go by; whatever kind of score was asked for."""
    logit = math.log(p_spam / (1 - p_spam))
    running = server(calibration=[_vector(0, 0, 0, logit)], thresholds=thresholds)
    for kind in (api.SCORE_KIND_CALIBRATED_PROBABILITY, api.SCORE_KIND_LOGIT):
        answer = _ask(running, threshold_profile="fpr-0.01", score_kind=kind)
        assert answer.decision == decision
        assert {label.name for label in answer.labels if label.above_threshold} == above


def test_a_set_is_chosen_by_name_or_by_default(server: Callable[..., Any], refusal: Refuse) -> None:
    """No default, no decision; an unknown name is refused with the known ones."""
    sets = [_threshold("spam", 0.8), _threshold("spam", 0.3, profile="fpr-0.1")]
    evidence: dict[str, Any] = {"calibration": [_vector(0, 0, 0, 0.4)], "thresholds": sets}
    without = server(**evidence)
    assert _ask(without).decision == api.DECISION_ABSTAIN
    assert _ask(without, threshold_profile="fpr-0.1").decision == api.DECISION_ACCEPT
    default = server("second", **evidence, defaultThresholdProfile="fpr-0.01")
    assert _ask(default).decision == api.DECISION_UNSURE
    request = api.ClassifyTextRequest(
        documents=[api.Document(content="Tea")], threshold_profile="strict"
    )
    error = refusal(default.classification.ClassifyText, request)
    assert "the model has fpr-0.01, fpr-0.1" in error.fields["threshold_profile"]
    bare = refusal(server("third").classification.ClassifyText, request)
    assert "the model has no thresholds" in bare.fields["threshold_profile"]


def test_the_listing_tells_what_thresholds_cost(server: Callable[..., Any]) -> None:
    """With their rates, and which set is the default."""
    told = _threshold("spam", 0.8, negatives="900", falsePositiveRate=0.01, recall=0.7)
    running = server(thresholds=[told], defaultThresholdProfile="fpr-0.01")
    listed = running.classification.ListClassifiers(api.ListClassifiersRequest()).classifiers[0]
    assert (listed.thresholds[0].negatives, listed.thresholds[0].recall) == (900, 0.7)
    assert listed.default_threshold_profile == "fpr-0.01"
