"""TranslateText over real gRPC, with an engine that says the source again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf import json_format

from lingraft.server.bundle import Bundle, read_bundle
from lingraft.v1 import common_pb2, translation_pb2

Request = translation_pb2.TranslateTextRequest
Refuse = Callable[..., Any]
INVALID, NOT_FOUND = 3, 5


def _ask(*texts: str, **options: Any) -> Request:
    given: dict[str, Any] = {"source_language": "en", "target_language": "yo"} | options
    return Request(contents=texts, **given)


@pytest.fixture
def echo(served: Callable[..., Any], echo_model: Callable[..., Any]) -> Any:
    """A server whose translations are the sources."""
    model, _ = echo_model()
    return served(model)


def test_each_text_gets_its_own_result_in_order(echo: Any) -> None:
    """Good texts are answered although others of the same call are not."""
    texts = ["A boat.", "", "Tea. Bread!", " \n ", "b" * 100_000, "Rain"]
    response = echo.translation.TranslateText(_ask(*texts, request_id="r-1"))
    kinds = [result.WhichOneof("result") for result in response.results]
    assert kinds == ["translation", "error", "translation", "error", "error", "translation"]
    answers = [result.translation.text for result in response.results]
    assert answers == ["A boat.", "", "Tea. Bread!", "", "", "Rain"]
    assert response.request_id == "r-1"


def test_an_empty_text_and_one_that_is_too_long_are_refused_by_name(
    echo: Any, unpack: Callable[[Any], Any]
) -> None:
    """Reason, field, limit and actual size stand in the error of the text itself."""
    response = echo.translation.TranslateText(_ask("\t", "b" * 100_000))
    empty, long = (unpack(result.error) for result in response.results)
    assert (empty.code, empty.reason) == (INVALID, "EMPTY_TEXT")
    assert list(empty.fields) == ["contents[0]"]
    assert (long.code, long.reason) == (INVALID, "INPUT_TOO_LONG")
    assert long.metadata == {"limit": "20000", "actual": "100000", "unit": "characters"}
    assert list(long.fields) == ["contents[1]"]


def test_a_long_sentence_is_cut_and_nothing_of_it_is_lost(echo: Any) -> None:
    """More pieces than the model can read: every word goes into one part or another."""
    text = ", ".join(["we wait for the boat"] * 40)
    response = echo.translation.TranslateText(_ask(text, response_options={"sentences": True}))
    spans = [each.source_span for each in response.results[0].translation.sentences]
    assert len(spans) > 3
    assert " ".join(text[span.begin : span.end] for span in spans) == text


def test_line_breaks_and_spaces_stay(echo: Any) -> None:
    """A letter or a list keeps its form."""
    text = "  Tea.\n\n- Bread\n- Salt  \n"
    response = echo.translation.TranslateText(_ask(text))
    assert response.results[0].translation.text == text


def test_an_answer_says_where_it_comes_from(echo: Any) -> None:
    """Model with version, status of the pair, and what was used."""
    response = echo.translation.TranslateText(_ask("Rain falls"))
    answer = response.results[0].translation
    assert answer.model == "models/golden-translation/versions/1"
    assert answer.pair_status == common_pb2.PAIR_STATUS_TRANSFER
    assert answer.detected_language == ""
    assert response.usage.input_characters == len("Rain falls")
    assert response.usage.output_tokens == response.usage.input_tokens - 1  # no tag in the output
    assert not response.HasField("timings")


def test_languages_are_compared_without_regard_to_case(echo: Any) -> None:
    """BCP-47 says so."""
    response = echo.translation.TranslateText(
        _ask("Rain", source_language="EN", target_language="Yo")
    )
    assert response.results[0].translation.text == "Rain"


def test_a_source_that_can_only_be_one_may_be_left_out(echo: Any) -> None:
    """And the answer says which was taken."""
    response = echo.translation.TranslateText(_ask("Rain", source_language=""))
    assert response.results[0].translation.detected_language == "en"


def test_a_source_that_could_be_several_is_asked_for(echo: Any, refusal: Refuse) -> None:
    """The candidates are listed."""
    request = _ask("Rain", source_language="", target_language="en")
    error = refusal(echo.translation.TranslateText, request)
    assert (error.code, error.reason) == (INVALID, "LANGUAGE_REQUIRED")
    assert error.metadata["candidates"] == "haw, yo"
    assert list(error.fields) == ["source_language"]


@pytest.mark.parametrize(
    ("source", "target", "field"),
    [
        ("en", "xx", "target_language"),
        ("sd", "yo", "source_language"),
        ("yo", "haw", "source_language"),
        ("", "xx", "target_language"),
    ],
)
def test_an_unsupported_language_is_refused_with_what_there_is(
    echo: Any, refusal: Refuse, source: str, target: str, field: str
) -> None:
    """The message lists the pairs, and the field at fault is named."""
    request = _ask("Rain", source_language=source, target_language=target)
    error = refusal(echo.translation.TranslateText, request)
    assert (error.code, error.reason) == (INVALID, "LANGUAGE_UNSUPPORTED")
    assert "en-haw, en-yo, haw-en, yo-en" in error.message
    assert list(error.fields) == [field]
    assert error.metadata == {"source_language": source, "target_language": target}


def test_an_unknown_model_is_refused_with_those_that_there_are(echo: Any, refusal: Refuse) -> None:
    """A name, and a version of a known name."""
    for model in ("models/none", "models/golden-translation/versions/9"):
        error = refusal(echo.translation.TranslateText, _ask("Rain", model=model))
        assert (error.code, error.reason) == (NOT_FOUND, "MODEL_NOT_FOUND")
        assert error.metadata == {"model": model}
        assert "models/golden-translation/versions/1" in error.message


@pytest.mark.parametrize(
    "model", ["models/golden-translation", "models/golden-translation/versions/1"]
)
def test_a_model_can_be_asked_for_by_name(echo: Any, model: str) -> None:
    """With or without its version."""
    response = echo.translation.TranslateText(_ask("Rain", model=model))
    assert response.results[0].translation.model == "models/golden-translation/versions/1"


def test_a_copy_of_the_source_is_reported(echo: Any) -> None:
    """The engine here does nothing else."""
    response = echo.translation.TranslateText(_ask("We wait for rain."))
    assert list(response.results[0].translation.warnings) == [common_pb2.WARNING_COPIED_SOURCE]


def test_sentences_and_timings_come_when_asked_for(echo: Any) -> None:
    """Spans point into source and translation; times are there and add up."""
    text = "Tea.  We wait!"
    options = {"sentences": True, "timings": True}
    response = echo.translation.TranslateText(_ask(text, response_options=options))
    answer = response.results[0].translation
    spans = [(each.source_span.begin, each.source_span.end) for each in answer.sentences]
    assert spans == [(0, 4), (6, 14)]
    targets = [each.target_span for each in answer.sentences]
    assert [answer.text[each.begin : each.end] for each in targets] == ["Tea.", "We wait!"]
    assert all(each.mean_logprob == pytest.approx(-0.5) for each in answer.sentences)
    times = json_format.MessageToDict(response.timings)
    assert set(times) == {"total", "queue", "text", "inference"}


def test_too_many_texts_are_refused_with_the_limit(
    served: Callable[..., Any], echo_model: Callable[..., Any], refusal: Refuse
) -> None:
    """The limit is a setting of the server."""
    server = served(echo_model()[0], max_texts=3)
    error = refusal(server.translation.TranslateText, _ask(*["Rain"] * 4))
    assert (error.code, error.reason) == (INVALID, "TOO_MANY_TEXTS")
    assert error.metadata == {"limit": "3", "actual": "4"}


@pytest.mark.parametrize(
    ("texts", "actual"),
    [
        (["Tea\nSalt", "Rain. Bread.", "Rain"], "5"),  # counted before anything is tokenised
        ([", ".join(["we wait for the boat"] * 40)], "8"),  # one sentence in parts
    ],
)
def test_too_many_sentences_are_refused_with_the_limit(
    served: Callable[..., Any],
    echo_model: Callable[..., Any],
    refusal: Refuse,
    texts: list[str],
    actual: str,
) -> None:
    """The size of a message does not bound the rows that are made of it; this setting does."""
    model, engine = echo_model()
    server = served(model, max_sentences=4)
    for method in (server.translation.TranslateText, server.translation.StreamTranslateText):
        error = refusal(method, _ask(*texts))
        assert (error.code, error.reason) == (INVALID, "TOO_MANY_TEXTS")
        assert error.metadata == {"limit": "4", "actual": actual}
        assert list(error.fields) == ["contents"]
    assert not engine.joined
    fits = server.translation.TranslateText(_ask("Tea\nSalt", "", "Rain. Bread."))
    assert [result.translation.text for result in fits.results] == ["Tea\nSalt", "", "Rain. Bread."]


def test_a_model_that_does_not_translate_is_not_found(
    served: Callable[..., Any],
    echo_model: Callable[..., Any],
    length_model: Callable[..., Any],
    refusal: Refuse,
) -> None:
    """The error says what the model does."""
    server = served(echo_model()[0], length_model()[0])
    request = _ask("Rain", model="models/golden-classification")
    error = refusal(server.translation.TranslateText, request)
    assert (error.code, error.reason) == (NOT_FOUND, "MODEL_NOT_FOUND")
    assert "golden-classification/versions/1 classifies" in error.message


@pytest.mark.parametrize("name", ["forged\nINFO a line of the log", "Ẹ kú", "x" * 129])
def test_a_request_id_that_no_log_can_hold_is_refused(
    echo: Any, refusal: Refuse, name: str
) -> None:
    """The log and the answer have the same id, so it must fit into both."""
    error = refusal(echo.translation.TranslateText, _ask("Rain", request_id=name))
    assert (error.code, error.reason) == (INVALID, "ARGUMENT_INVALID")
    assert list(error.fields) == ["request_id"]


def test_a_fault_of_the_engine_fails_its_texts_and_nothing_else(
    served: Callable[..., Any], echo_model: Callable[..., Any], unpack: Callable[[Any], Any]
) -> None:
    """INTERNAL for that text, without a word about how; the server goes on."""
    model, engine = echo_model()
    server = served(model)
    engine.broken = lambda rows: True
    failed = server.translation.TranslateText(_ask("Rain"))
    error = unpack(failed.results[0].error)
    assert (error.code, error.reason) == (13, "INTERNAL")
    assert "broken" not in error.message
    engine.broken = lambda rows: False
    assert server.translation.TranslateText(_ask("Rain")).results[0].translation.text == "Rain"


def test_a_stream_gives_each_text_once_as_it_is_done(echo: Any) -> None:
    """In any order, each with its place."""
    texts = ["We wait for the boat", "", "Rain", "Tea"]
    got = list(echo.translation.StreamTranslateText(_ask(*texts)))
    assert sorted(each.index for each in got) == [0, 1, 2, 3]
    answers = {each.index: each.translation.text for each in got}
    assert answers == {0: "We wait for the boat", 1: "", 2: "Rain", 3: "Tea"}
    assert [each.index for each in got if each.HasField("error")] == [1]


def test_a_stream_is_refused_like_a_call(echo: Any, refusal: Refuse) -> None:
    """Same checks, same errors."""
    error = refusal(echo.translation.StreamTranslateText, _ask("Rain", target_language="xx"))
    assert error.reason == "LANGUAGE_UNSUPPORTED"


def test_the_first_name_that_has_the_pair_answers_in_its_newest_version(
    served: Callable[..., Any],
    echo_model: Callable[..., Any],
    edited: Callable[..., Any],
    translation_bundle: Bundle,
) -> None:
    """The order of the command line decides between names, never between versions."""

    def edit(name: str, version: str) -> Callable[[dict[str, Any]], None]:
        return lambda manifest: manifest.update(name=name, version=version)

    folders = [
        edited("v1-translation", edit(*each), "-".join(each))
        for each in (("later", "1"), ("golden-translation", "1.10"), ("golden-translation", "1.9"))
    ]
    models = [echo_model(bundle=read_bundle(folder))[0] for folder in folders]
    server = served(echo_model(bundle=translation_bundle)[0], *models)

    def answered_by(model: str) -> str:
        response = server.translation.TranslateText(_ask("Rain", model=model))
        name: str = response.results[0].translation.model
        return name

    assert answered_by("") == "models/golden-translation/versions/1.10"
    assert answered_by("models/golden-translation") == "models/golden-translation/versions/1.10"
    assert answered_by("models/later") == "models/later/versions/1"
