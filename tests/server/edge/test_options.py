"""Options of TranslateText: what is wrong and what is not built is named, all of it at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lingraft.v1 import common_pb2, translation_pb2

Request = translation_pb2.TranslateTextRequest
Refuse = Callable[..., Any]
INVALID = 3


def _ask(*texts: str, **options: Any) -> Request:
    given: dict[str, Any] = {"source_language": "en", "target_language": "yo"} | options
    return Request(contents=texts, **given)


@pytest.fixture
def echo(served: Callable[..., Any], echo_model: Callable[..., Any]) -> Any:
    """A server whose translations are the sources."""
    model, _ = echo_model()
    return served(model)


def test_all_faults_of_a_request_are_named_at_once(echo: Any, refusal: Refuse) -> None:
    """Nobody has to mend a request one error at a time."""
    request = Request(
        model="golden",
        target_language="yo",
        request_id="r" * 129,
        mime_type=9,  # type: ignore[arg-type]
        decoding={"beam_size": 65, "top_k": 3, "max_output_tokens": 0, "alternative_count": 2},
        terms=[{"target": "x"}],
    )
    error = refusal(echo.translation.TranslateText, request)
    assert (error.code, error.reason) == (INVALID, "ARGUMENT_INVALID")
    assert set(error.fields) >= {
        "contents",
        "model",
        "request_id",
        "mime_type",
        "decoding.beam_size",
        "decoding.top_k",
        "decoding.max_output_tokens",
        "terms[0].source",
    }


def test_every_option_that_is_not_built_is_named(echo: Any, refusal: Refuse) -> None:
    """One reason, one field for each option."""
    request = _ask(
        "Rain",
        mime_type=common_pb2.MIME_TYPE_TEXT_HTML,
        decoding={"beam_size": 17},
        terms=[{"source": "Lingraft"}],
        glossary="glossaries/1",
        protection={"urls": True, "braces": True},
        response_options={"term_report": True, "sentences": True},
    )
    error = refusal(echo.translation.TranslateText, request)
    assert (error.code, error.reason) == (INVALID, "OPTION_UNSUPPORTED")
    assert set(error.fields) == {
        "mime_type",
        "decoding.beam_size",
        "terms",
        "glossary",
        "protection.urls",
        "protection.braces",
        "response_options.term_report",
    }


def test_a_limit_of_this_server_is_named(echo: Any, refusal: Refuse) -> None:
    """What the API allows and this server cannot do says how far it can go."""
    asked = {"beam_size": 17}, {"temperature": 1, "top_k": 257}
    errors = [refusal(echo.translation.TranslateText, _ask("Rain", decoding=d)) for d in asked]
    assert {error.reason for error in errors} == {"OPTION_UNSUPPORTED"}
    assert "the limit is 16" in errors[0].fields["decoding.beam_size"]
    assert "the limit is 256" in errors[1].fields["decoding.top_k"]


@pytest.mark.parametrize(
    ("decoding", "field"),
    [
        ({"min_output_tokens": 5, "max_output_tokens": 4}, "min_output_tokens"),
        ({"min_output_tokens": -1}, "min_output_tokens"),
        ({"beam_size": 4, "temperature": 0.5}, "temperature"),
        ({"top_k": 5}, "top_k"),
        ({"beam_size": 4, "alternative_count": 4}, "alternative_count"),
        ({"repetition_penalty": 0.5}, "repetition_penalty"),
        ({"target_prefix": "We wait", "max_output_tokens": 2}, "target_prefix"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    echo: Any, refusal: Refuse, decoding: dict[str, Any], field: str
) -> None:
    """The field at fault is named."""
    error = refusal(echo.translation.TranslateText, _ask("Rain", decoding=decoding))
    assert (error.code, error.reason) == (INVALID, "ARGUMENT_INVALID")
    assert list(error.fields) == [f"decoding.{field}"]


def test_a_prefix_goes_with_one_text(echo: Any, refusal: Refuse) -> None:
    """It would be nobody's otherwise."""
    request = _ask("Rain", "Tea", decoding={"target_prefix": "We"})
    error = refusal(echo.translation.TranslateText, request)
    assert list(error.fields) == ["decoding.target_prefix"]


def test_options_that_say_what_greedy_search_does_are_taken(echo: Any) -> None:
    """A client that spells out the defaults is no fault."""
    decoding = {
        "beam_size": 1,
        "length_penalty": 1.0,
        "repetition_penalty": 1.0,
        "no_repeat_ngram_size": 0,
        "alternative_count": 0,
        "temperature": 0.0,
        "seed": 3,
    }
    response = echo.translation.TranslateText(_ask("Rain", decoding=decoding, allow_pivot=True))
    assert response.results[0].translation.text == "Rain"


@pytest.mark.parametrize(
    ("decoding", "pieces"), [({"max_output_tokens": 2}, 2), ({"max_length_ratio": 0.01}, 10)]
)
def test_a_bound_on_the_output_holds_and_is_reported(
    echo: Any, decoding: dict[str, Any], pieces: int
) -> None:
    """The answer is cut and carries a warning."""
    text = "We wait for the boat under the tree"
    response = echo.translation.TranslateText(_ask(text, decoding=decoding))
    assert common_pb2.WARNING_TRUNCATED in response.results[0].translation.warnings
    assert response.usage.output_tokens == pieces
