"""TranslateText without a source language, where the texts can tell it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lingraft.v1 import translation_pb2 as api

INVALID = 3
Refuse = Callable[..., Any]


def _ask(*texts: str, **options: Any) -> api.TranslateTextRequest:
    """Into English, which the golden bundle reaches from Hawaiian and from Yoruba."""
    return api.TranslateTextRequest(contents=texts, target_language="en", **options)


@pytest.fixture
def telling(
    served: Callable[..., Any], letters_model: Callable[..., Any], echo_model: Callable[..., Any]
) -> Any:
    """A translator beside a model that knows the languages of its sources."""
    return served(echo_model()[0], letters_model())


def test_the_source_that_all_texts_are_in_is_taken(telling: Any) -> None:
    """With the least of their confidences; texts without letters and empty ones do not count."""
    sure, unsure = "ọ ọ ọ", "ọ"
    detect = telling.translation.DetectLanguage(api.DetectLanguageRequest(contents=[unsure]))
    response = telling.translation.TranslateText(_ask(sure, unsure, "2026", ""))
    kinds = [result.WhichOneof("result") for result in response.results]
    assert kinds == ["translation", "translation", "translation", "error"]
    for result in response.results[:3]:
        assert result.translation.detected_language == "yo"
        least = detect.results[0].detection.candidates[0].confidence
        assert result.translation.detected_language_confidence == least


def test_a_stream_takes_it_too(telling: Any) -> None:
    """The same way."""
    responses = list(telling.translation.StreamTranslateText(_ask("ʻo ia", "ʻae")))
    assert {each.translation.detected_language for each in responses} == {"haw"}
    assert all(each.translation.detected_language_confidence > 0 for each in responses)


def test_a_source_that_follows_from_the_pairs_is_not_read_from_the_text(telling: Any) -> None:
    """Its confidence is 0, and the text may be in any language."""
    request = api.TranslateTextRequest(contents=["ọ"], target_language="haw")
    answer = telling.translation.TranslateText(request).results[0].translation
    assert (answer.detected_language, answer.detected_language_confidence) == ("en", 0.0)


def test_a_given_source_is_taken_as_it_is(telling: Any) -> None:
    """Nobody corrects the caller."""
    response = telling.translation.TranslateText(_ask("ọ ọ", source_language="haw"))
    assert response.results[0].translation.detected_language == ""


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (["ọ ọ", "ʻo ia"], "haw, yo"),
        (["ọ ọ", "plain words"], "und, yo"),
        (["plain words"], "und"),
        (["2026", "🙂"], ""),
    ],
)
def test_where_the_texts_do_not_agree_the_source_is_asked_for(
    telling: Any, refusal: Refuse, texts: list[str], found: str
) -> None:
    """With what was found in them."""
    error = refusal(telling.translation.TranslateText, _ask(*texts))
    assert (error.code, error.reason) == (INVALID, "LANGUAGE_REQUIRED")
    assert error.metadata["found"] == found
    assert error.metadata["candidates"] == "haw, yo"
    assert (found or "no text tells its language") in error.message
    assert list(error.fields) == ["source_language"]


def test_a_language_from_which_no_pair_leads_is_not_taken(
    served: Callable[..., Any],
    letters_model: Callable[..., Any],
    echo_model: Callable[..., Any],
    refusal: Refuse,
) -> None:
    """The error says which it was."""

    def edit(manifest: dict[str, Any]) -> None:
        manifest.update(labels=["sd", "haw", "und"])

    server = served(echo_model()[0], letters_model(edit))
    error = refusal(server.translation.TranslateText, _ask("ọ ọ"))
    assert (error.reason, error.metadata["found"]) == ("LANGUAGE_REQUIRED", "sd")


def test_a_fault_of_the_server_is_not_blamed_on_the_request(
    served: Callable[..., Any], echo_model: Callable[..., Any], broken_model: Any, refusal: Refuse
) -> None:
    """The call fails as a fault, since no text of it could be begun."""
    server = served(echo_model()[0], broken_model)
    assert refusal(server.translation.TranslateText, _ask("ọ ọ")).reason == "INTERNAL"


def test_the_texts_of_a_call_that_is_refused_anyway_are_not_read(
    telling: Any, refusal: Refuse
) -> None:
    """All faults at once, the source among them."""
    error = refusal(telling.translation.TranslateText, _ask(*["ọ"] * 1025))
    assert set(error.fields) == {"contents", "source_language"}
    assert "found" not in error.metadata


def test_an_option_at_fault_is_named_beside_a_source_that_is_not_told(
    telling: Any, refusal: Refuse
) -> None:
    """One error for both."""
    options = api.DecodingOptions(beam_size=99)
    error = refusal(telling.translation.TranslateText, _ask("plain words", decoding=options))
    assert set(error.fields) == {"decoding.beam_size", "source_language"}
    told = refusal(telling.translation.TranslateText, _ask("ọ ọ", decoding=options))
    assert set(told.fields) == {"decoding.beam_size"}
