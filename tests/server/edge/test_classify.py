"""ClassifyText over real gRPC, with an engine whose logits are the number of pieces."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from lingraft.server.bundle import read_bundle
from lingraft.v1 import classification_pb2 as api
from lingraft.v1 import common_pb2

INVALID, NOT_FOUND = 3, 5
Refuse = Callable[..., Any]


def _ask(*texts: str, language: str = "en", **options: Any) -> api.ClassifyTextRequest:
    documents = [api.Document(content=text, language=language) for text in texts]
    return api.ClassifyTextRequest(documents=documents, **options)


@pytest.fixture
def counting(served: Callable[..., Any], length_model: Callable[..., Any]) -> Any:
    """A server whose logits for ham and spam are +n and -n for n pieces."""
    return served(length_model()[0])


def test_each_document_gets_its_own_result_in_order(
    counting: Any, unpack: Callable[[Any], Any]
) -> None:
    """Empty and overlong ones are refused on their own."""
    texts = ["Tea", "", "We wait for the boat", "b" * 100_000]
    response = counting.classification.ClassifyText(_ask(*texts, request_id="r-1"))
    kinds = [result.WhichOneof("result") for result in response.results]
    assert kinds == ["classification", "error", "classification", "error"]
    first, third = (response.results[place].classification for place in (0, 2))
    assert third.labels[0].raw_logit > first.labels[0].raw_logit
    reasons = [unpack(response.results[place].error).reason for place in (1, 3)]
    assert reasons == ["EMPTY_TEXT", "INPUT_TOO_LONG"]
    assert unpack(response.results[3].error).metadata["unit"] == "characters"
    assert response.request_id == "r-1"


def test_what_a_model_cannot_read_is_left_out_and_warned_of(counting: Any) -> None:
    """Up to its limit in pieces, with what frames a text; others in the call are not touched."""
    response = counting.classification.ClassifyText(_ask("Tea", "word " * 200, "word " * 900))
    short, long, longer = (result.classification for result in response.results)
    assert list(short.warnings) == []
    assert list(long.warnings) == list(longer.warnings) == [common_pb2.WARNING_TRUNCATED]
    (limit,) = {
        each.max_input_tokens
        for each in counting.classification.ListClassifiers(
            api.ListClassifiersRequest()
        ).classifiers
    }
    assert long.labels[0].raw_logit == longer.labels[0].raw_logit == limit


def test_labels_come_best_first_and_as_many_as_wanted(counting: Any) -> None:
    """0 means all."""
    for top_k, names in ((0, ["ham", "spam"]), (1, ["ham"]), (9, ["ham", "spam"])):
        response = counting.classification.ClassifyText(_ask("Tea", top_k=top_k))
        labels = response.results[0].classification.labels
        assert [label.name for label in labels] == names


def test_scores_are_of_the_kind_that_was_asked_for(counting: Any) -> None:
    """Logit as it is, or softmax."""
    ask = counting.classification.ClassifyText
    logits = ask(_ask("Tea", score_kind=api.SCORE_KIND_LOGIT)).results[0].classification.labels
    assert [label.score for label in logits] == [label.raw_logit for label in logits]
    plain = ask(_ask("Tea", score_kind=api.SCORE_KIND_PROBABILITY)).results[0].classification
    assert sum(label.score for label in plain.labels) == pytest.approx(1.0)
    assert plain.labels[0].raw_logit == logits[0].raw_logit


def test_without_a_calibration_the_answer_says_so(counting: Any) -> None:
    """A plain softmax is never passed off as calibrated."""
    answer = counting.classification.ClassifyText(_ask("Tea")).results[0].classification
    assert answer.calibration.calibrated is False
    assert answer.calibration.language == "en"
    assert answer.decision == api.DECISION_ABSTAIN


def test_a_calibration_is_used_for_its_own_language_alone(
    served: Callable[..., Any], length_model: Callable[..., Any], edited: Callable[..., Any]
) -> None:
    """Temperature scaling with its evidence; other and unknown languages stay uncalibrated."""
    info = {
        "language": "en",
        "method": "temperature",
        "size": "50",
        "ece": 0.02,
        "parameters": [8.0],
        "calibrated": True,
    }
    folder = edited("v1-classification", lambda manifest: manifest.update(calibration=[info]))
    server = served(length_model(read_bundle(folder))[0])

    def ask(language: str) -> Any:
        response = server.classification.ClassifyText(_ask("Tea", language=language))
        return response.results[0].classification

    answer = ask("EN")
    assert answer.calibration.calibrated
    assert (answer.calibration.size, answer.calibration.method) == (50, "temperature")
    logit = answer.labels[0].raw_logit
    assert answer.labels[0].score == pytest.approx(1 / (1 + math.exp(-2 * logit / 8)), abs=1e-6)
    assert not ask("yo").calibration.calibrated
    assert not ask("").calibration.calibrated


def test_a_language_the_model_was_not_trained_on_is_reported(counting: Any) -> None:
    """Unknown is not the same as unsupported: only the latter is a warning."""
    ask = counting.classification.ClassifyText
    known = ask(_ask("Tea", language="haw")).results[0].classification
    strange = ask(_ask("Tea", language="de")).results[0].classification
    silent = ask(_ask("Tea", language="")).results[0].classification
    assert (known.language_supported, list(known.warnings)) == (True, [])
    assert list(strange.warnings) == [common_pb2.WARNING_LANGUAGE_UNSUPPORTED]
    assert (silent.language_supported, list(silent.warnings)) == (False, [])


def test_explanations_are_not_built_yet_and_say_so(counting: Any, refusal: Refuse) -> None:
    """OPTION_UNSUPPORTED, with the field."""
    request = _ask("Tea", explain=api.EXPLANATION_TOKENS)
    error = refusal(counting.classification.ClassifyText, request)
    assert (error.code, error.reason) == (INVALID, "OPTION_UNSUPPORTED")
    assert list(error.fields) == ["explain"]


def test_all_faults_of_a_request_are_named_at_once(counting: Any, refusal: Refuse) -> None:
    """Nobody has to mend a request one error at a time."""
    request = api.ClassifyTextRequest(
        top_k=-1,
        score_kind=77,  # type: ignore[arg-type]
        explain=api.EXPLANATION_SPANS,
        model="nonsense",
    )
    error = refusal(counting.classification.ClassifyText, request)
    assert error.reason == "ARGUMENT_INVALID"
    wrong = {"documents", "top_k", "score_kind", "explain", "model"}
    assert set(error.fields) == wrong


def test_a_model_that_does_not_classify_is_not_found(
    served: Callable[..., Any],
    echo_model: Callable[..., Any],
    length_model: Callable[..., Any],
    refusal: Refuse,
) -> None:
    """By name; and when there is no classifier at all."""
    both = served(echo_model()[0], length_model()[0])
    request = _ask("Tea", model="models/golden-translation")
    assert refusal(both.classification.ClassifyText, request).reason == "MODEL_NOT_FOUND"
    translating = served(echo_model()[0])
    error = refusal(translating.classification.ClassifyText, _ask("Tea"))
    assert (error.code, error.reason) == (NOT_FOUND, "MODEL_NOT_FOUND")


def test_of_several_classifiers_one_must_be_named(
    served: Callable[..., Any],
    length_model: Callable[..., Any],
    edited: Callable[..., Any],
    refusal: Refuse,
) -> None:
    """The error lists them."""
    folder = edited("v1-classification", lambda manifest: manifest.update(name="other"))
    server = served(length_model()[0], length_model(read_bundle(folder))[0])
    error = refusal(server.classification.ClassifyText, _ask("Tea"))
    assert (error.code, error.reason) == (INVALID, "ARGUMENT_INVALID")
    assert error.metadata["models"] == "models/golden-classification, models/other"
    named = server.classification.ClassifyText(_ask("Tea", model="models/other"))
    assert named.results[0].classification.model == "models/other/versions/1"


def test_a_fault_of_the_engine_fails_its_documents_and_nothing_else(
    served: Callable[..., Any], length_model: Callable[..., Any], unpack: Callable[[Any], Any]
) -> None:
    """The server goes on."""
    model, engine = length_model()
    server = served(model)
    engine.broken = True
    failed = server.classification.ClassifyText(_ask("Tea", "Rain"))
    assert [unpack(result.error).reason for result in failed.results] == ["INTERNAL"] * 2
    engine.broken = False
    answered = server.classification.ClassifyText(_ask("Tea"))
    assert answered.results[0].WhichOneof("result") == "classification"


def test_classifiers_are_listed_with_their_evidence(counting: Any) -> None:
    """Labels in the order of the logits, languages, figures, limit."""
    (listed,) = counting.classification.ListClassifiers(api.ListClassifiersRequest()).classifiers
    assert listed.name == "models/golden-classification/versions/1"
    assert list(listed.labels) == ["ham", "spam"]
    assert list(listed.languages) == ["en", "haw", "yo"]
    assert listed.metrics[0].name == "accuracy"
    assert listed.max_input_tokens == 64
