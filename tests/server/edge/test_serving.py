"""The golden bundles behind a whole server: the answers that were promised, in any company."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lingraft.v1 import classification_pb2, common_pb2, translation_pb2

Cases = Callable[[str], list[dict[str, Any]]]
PATIENCE_S = 30.0


def _request(case: dict[str, Any], **options: Any) -> translation_pb2.TranslateTextRequest:
    return translation_pb2.TranslateTextRequest(
        contents=[case["text"]],
        source_language=case["source_language"],
        target_language=case["target_language"],
        **options,
    )


def test_the_golden_translations_come_letter_for_letter(
    golden_server: Any, expected: Cases
) -> None:
    """Text, score and the note that a limit was hit."""
    for case in expected("v1-translation"):
        request = _request(case, response_options={"sentences": True})
        answer = golden_server.translation.TranslateText(request).results[0].translation
        assert answer.text == case["translation"]
        total = answer.sentences[0].mean_logprob * len(case["target_ids"])
        assert total == pytest.approx(case["logprob"], abs=2e-3)
        truncated = common_pb2.WARNING_TRUNCATED in answer.warnings
        assert truncated is not case["finished"]


def test_the_golden_classifications_come_with_their_probabilities(
    golden_server: Any, expected: Cases
) -> None:
    """All documents in one call."""
    cases = expected("v1-classification")
    documents = [
        classification_pb2.Document(content=case["text"], language=case["language"])
        for case in cases
    ]
    request = classification_pb2.ClassifyTextRequest(documents=documents)
    response = golden_server.classification.ClassifyText(request)
    for result, case in zip(response.results, cases, strict=True):
        labels = result.classification.labels
        assert labels[0].name == case["label"]
        best = max(case["probabilities"])
        assert labels[0].score == pytest.approx(best, abs=1e-3)


def test_fifty_texts_at_once_are_translated_as_one_at_a_time(
    golden_server: Any, expected: Cases
) -> None:
    """Rows of many callers, lengths and directions share steps; no letter changes."""
    cases = expected("v1-translation")
    requests = []
    for number in range(50):
        case = dict(cases[number % len(cases)])
        case["text"] = f"{case['text'][: 5 + number]} {number}"
        requests.append(_request(case))
    ask = golden_server.translation.TranslateText
    alone = [ask(request).results[0].translation.text for request in requests]
    calls = [ask.future(request) for request in requests]
    together = [call.result(PATIENCE_S).results[0].translation.text for call in calls]
    assert together == alone
    assert len(set(alone)) > 20


def test_fifty_texts_in_one_call_are_translated_as_one_at_a_time(golden_server: Any) -> None:
    """The same within a single request."""
    texts = [f"We wait {'for the boat ' * (number % 4)}{number}." for number in range(50)]

    def ask(*contents: str) -> list[str]:
        request = translation_pb2.TranslateTextRequest(
            contents=contents, source_language="en", target_language="haw"
        )
        results = golden_server.translation.TranslateText(request).results
        return [result.translation.text for result in results]

    assert ask(*texts) == [ask(text)[0] for text in texts]


def test_the_server_goes_on_serving_after_every_kind_of_fault(
    golden_server: Any, expected: Cases, refusal: Callable[..., Any]
) -> None:
    """Empty, overlong, unsupported, unknown: each gets its error, and then a good call is good."""
    case = expected("v1-translation")[0]
    ask = golden_server.translation.TranslateText
    faults = [
        (_request(case | {"target_language": "xx"}), "LANGUAGE_UNSUPPORTED"),
        (_request(case, model="models/unknown"), "MODEL_NOT_FOUND"),
        (_request(case, decoding={"beam_size": 40}), "OPTION_UNSUPPORTED"),
    ]
    for request, reason in faults:
        assert refusal(ask, request).reason == reason
        assert ask(_request(case)).results[0].translation.text == case["translation"]
    for text in ("", "b" * 100_000):
        assert ask(_request(case | {"text": text})).results[0].HasField("error")
        assert ask(_request(case)).results[0].translation.text == case["translation"]
