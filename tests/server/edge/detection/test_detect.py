"""DetectLanguage over real gRPC, with a graph that counts letters of Yoruba and Hawaiian."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from lingraft.v1 import bundle_pb2, classification_pb2, models_pb2
from lingraft.v1 import translation_pb2 as api

INVALID, NOT_FOUND = 3, 5
Refuse = Callable[..., Any]


def _ask(*texts: str, **options: Any) -> api.DetectLanguageRequest:
    return api.DetectLanguageRequest(contents=texts, **options)


def _best(response: Any) -> list[str]:
    return [result.detection.candidates[0].language for result in response.results]


@pytest.fixture
def detecting(served: Callable[..., Any], letters_model: Callable[..., Any]) -> Any:
    """A server of the model alone."""
    return served(letters_model())


def test_each_text_gets_its_own_language_in_order(
    detecting: Any, unpack: Callable[[Any], Any]
) -> None:
    """Empty and overlong ones are refused on their own; the id of the request comes back."""
    texts = ["ọjọ́ ọ̀la", "", "ka ʻohana o ʻoe", "plain words", "b" * 100_000]
    response = detecting.translation.DetectLanguage(_ask(*texts, request_id="r-1"))
    kinds = [result.WhichOneof("result") for result in response.results]
    assert kinds == ["detection", "error", "detection", "detection", "error"]
    found = [response.results[place].detection.candidates[0].language for place in (0, 2, 3)]
    assert found == ["yo", "haw", "und"]
    reasons = [unpack(response.results[place].error).reason for place in (1, 4)]
    assert reasons == ["EMPTY_TEXT", "INPUT_TOO_LONG"]
    assert response.request_id == "r-1"


def test_candidates_come_best_first_with_the_softmax_of_the_logits(detecting: Any) -> None:
    """Two ọ and one ʻ: logits 2, 1 and a half."""
    response = detecting.translation.DetectLanguage(_ask("ọ ọ ʻ", max_candidates=3))
    candidates = response.results[0].detection.candidates
    assert [each.language for each in candidates] == ["yo", "haw", "und"]
    powers = [math.exp(logit) for logit in (2, 1, 0.5)]
    expected = [power / sum(powers) for power in powers]
    assert [each.confidence for each in candidates] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("most", "count"), [(0, 1), (1, 1), (2, 2), (10, 3)])
def test_there_are_as_many_candidates_as_wanted(detecting: Any, most: int, count: int) -> None:
    """0 means 1; there are never more than languages."""
    response = detecting.translation.DetectLanguage(_ask("ọ", max_candidates=most))
    assert len(response.results[0].detection.candidates) == count


def test_an_undetermined_text_may_be_followed_by_what_it_could_be(detecting: Any) -> None:
    """Und first where it is the best; the others with their probabilities."""
    response = detecting.translation.DetectLanguage(_ask("plain words", max_candidates=2))
    first, second = response.results[0].detection.candidates
    assert (first.language, second.language) == ("und", "yo")
    assert second.confidence == pytest.approx(1 / (2 + math.exp(0.5)), abs=1e-6)


def test_a_text_without_letters_is_undetermined_for_sure(detecting: Any) -> None:
    """Nobody guesses at digits, whatever was asked for."""
    response = detecting.translation.DetectLanguage(_ask("2026", "🙂 !", max_candidates=3))
    for result in response.results:
        (only,) = result.detection.candidates
        assert (only.language, only.confidence) == ("und", 1.0)


def test_of_a_long_text_the_beginning_decides(detecting: Any) -> None:
    """What stands behind the limit of the model changes nothing, not the confidence either."""
    beginning = "ọ" + "a" * 17  # and two ids around it: 20
    response = detecting.translation.DetectLanguage(_ask(beginning, beginning + "ʻ" * 500))
    short, long = (result.detection for result in response.results)
    assert short == long
    assert _best(response) == ["yo", "yo"]


def test_all_faults_of_a_request_are_named_at_once(detecting: Any, refusal: Refuse) -> None:
    """No text, too many candidates, an id that would forge a line of the log."""
    request = _ask(max_candidates=11, request_id="a\nb")
    error = refusal(detecting.translation.DetectLanguage, request)
    assert (error.code, error.reason) == (INVALID, "ARGUMENT_INVALID")
    assert set(error.fields) == {"contents", "max_candidates", "request_id"}
    error = refusal(detecting.translation.DetectLanguage, _ask("ọ", max_candidates=-1))
    assert list(error.fields) == ["max_candidates"]


def test_too_many_texts_are_refused(detecting: Any, refusal: Refuse) -> None:
    """As in every call of many texts."""
    error = refusal(detecting.translation.DetectLanguage, _ask(*["ọ"] * 1025))
    assert (error.code, error.reason) == (INVALID, "TOO_MANY_TEXTS")
    assert error.metadata == {"limit": "1024", "actual": "1025"}


def test_a_server_without_such_a_model_says_what_to_serve(
    served: Callable[..., Any], length_model: Callable[..., Any], refusal: Refuse
) -> None:
    """A classifier of other labels does not stand in."""
    error = refusal(served(length_model()[0]).translation.DetectLanguage, _ask("ọ"))
    assert (error.code, error.reason) == (NOT_FOUND, "MODEL_NOT_FOUND")
    assert "TASK_LANGUAGE_IDENTIFICATION" in error.message


def test_of_several_models_the_first_that_the_server_was_told_answers(
    served: Callable[..., Any], letters_model: Callable[..., Any]
) -> None:
    """Whatever their names are."""

    def edit(manifest: dict[str, Any]) -> None:
        manifest.update(name="zz", labels=["sd", "de", "und"])

    server = served(letters_model(edit), letters_model())
    assert _best(server.translation.DetectLanguage(_ask("ọ"))) == ["sd"]


def test_a_fault_of_the_engine_fails_the_texts_that_it_read(
    served: Callable[..., Any], broken_model: Any, unpack: Callable[[Any], Any]
) -> None:
    """And no others: what has no letter was not read."""
    response = served(broken_model).translation.DetectLanguage(_ask("ọ", "2026"))
    failed, answered = response.results
    assert unpack(failed.error).reason == "INTERNAL"
    assert answered.detection.candidates[0].language == "und"


def test_it_is_no_classifier(
    served: Callable[..., Any],
    letters_model: Callable[..., Any],
    length_model: Callable[..., Any],
    refusal: Refuse,
) -> None:
    """Not listed as one, not taken for the only one, and refused by name."""
    server = served(letters_model(), length_model()[0])
    ask = server.classification
    listed = ask.ListClassifiers(classification_pb2.ListClassifiersRequest()).classifiers
    assert [each.name for each in listed] == ["models/golden-classification/versions/1"]
    documents = [classification_pb2.Document(content="Tea")]
    answered = ask.ClassifyText(classification_pb2.ClassifyTextRequest(documents=documents))
    model = answered.results[0].classification.model
    assert model == "models/golden-classification/versions/1"
    request = classification_pb2.ClassifyTextRequest(documents=documents, model="models/letters")
    error = refusal(ask.ClassifyText, request)
    assert (error.code, error.reason) == (NOT_FOUND, "MODEL_NOT_FOUND")
    assert "identifies languages; it is no classifier" in error.message


def test_it_is_listed_among_the_models(detecting: Any) -> None:
    """With its task and its languages."""
    (model,) = detecting.models.ListModels(models_pb2.ListModelsRequest()).models
    assert model.name == "models/letters/versions/1"
    assert model.task == bundle_pb2.TASK_LANGUAGE_IDENTIFICATION
    assert list(model.labels) == ["yo", "haw", "und"]
    assert model.limits.max_source_tokens == 20
    same = detecting.models.GetModel(models_pb2.GetModelRequest(name="models/letters"))
    assert same == model
