"""Two steps through a third language, where no model has the pair and the caller allows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from lingraft.server.app import translator
from lingraft.server.bundle import Precision, read_bundle
from lingraft.server.metrics import Metrics
from lingraft.v1 import common_pb2, translation_pb2

INVALID = 3
TEXT = "Rain falls. The boat waits.\n\nTea!"


def _ask(*texts: str, **options: Any) -> translation_pb2.TranslateTextRequest:
    given: dict[str, Any] = {
        "source_language": "yo",
        "target_language": "haw",
        "allow_pivot": True,
    } | options
    return translation_pb2.TranslateTextRequest(contents=texts or (TEXT,), **given)


def _adding(echo: Any, start: int, codec: Any) -> Any:
    """An engine that says the source and, at its end, the word of the wanted language."""
    words = {codec.translation([], "yo", "en").ids[0]: "one"}
    words[codec.translation([], "en", "haw").ids[0]] = "two"

    class Adding(echo):  # type: ignore[misc]
        def join(self, sources: Sequence[Sequence[int]], widths: Sequence[int]) -> None:
            said = [
                [ids[0], *codec.pieces(f"{codec.decode(ids[1:-1])} {words[ids[0]]}", "en"), ids[-1]]
                for ids in sources
            ]
            super().join(said, widths)

    return Adding(start)


@pytest.fixture
def adding(
    served: Callable[..., Any],
    edited: Callable[..., Path],
    settings: Callable[..., Any],
    echo_model: Callable[..., Any],
    echo_engine: Any,
) -> Callable[..., Any]:
    """Starts a server of models, one for each edit of the golden manifest; with the engines."""

    def start(*edits: Callable[[dict[str, Any]], None]) -> tuple[Any, list[Any]]:
        models, engines = [], []
        for number, edit in enumerate(edits or [lambda manifest: None]):
            bundle = read_bundle(edited("v1-translation", edit, folder=f"bundle-{number}"))
            codec = echo_model(bundle=bundle)[0].codec
            engine = _adding(echo_engine, bundle.special.decoder_start, codec)
            models.append(translator(bundle, Precision.FP32, engine, settings(), Metrics()))
            engines.append(engine)
        return served(*models).translation, engines

    return start


def _one(response: Any) -> Any:
    assert response.results[0].HasField("translation"), response.results[0].error
    return response.results[0].translation


def test_a_text_goes_through_the_third_language_sentence_by_sentence(adding: Any) -> None:
    """The second model reads what the first has said; all between sentences stays as it is."""
    server, _ = adding()
    answer = _one(server.TranslateText(_ask(response_options={"sentences": True})))
    assert answer.text == "Rain falls. one two The boat waits. one two\n\nTea! one two"
    assert (answer.pair_status, answer.pivot_language) == (common_pb2.PAIR_STATUS_PIVOT, "en")
    assert list(answer.warnings) == [common_pb2.WARNING_PIVOTED]
    spans = [(each.source_span, each.target_span) for each in answer.sentences]
    assert [TEXT[s.begin : s.end] for s, _ in spans] == ["Rain falls.", "The boat waits.", "Tea!"]
    assert [answer.text[t.begin : t.end] for _, t in spans][2] == "Tea! one two"


def test_streamed_texts_go_the_same_way(adding: Any) -> None:
    """Each as soon as both steps are done."""
    server, _ = adding()
    answers = list(server.StreamTranslateText(_ask("Rain", "Tea")))
    assert sorted((a.index, a.translation.text) for a in answers) == [
        (0, "Rain one two"),
        (1, "Tea one two"),
    ]


def test_what_both_steps_took_is_counted(adding: Any) -> None:
    """Pieces that were read and produced; characters of the source once."""
    server, _ = adding()
    wanted = {"timings": True}
    through = server.TranslateText(_ask("Rain falls", response_options=wanted))
    direct = [
        server.TranslateText(_ask(text, source_language=a, target_language=b)).usage
        for text, a, b in (("Rain falls", "yo", "en"), ("Rain falls one", "en", "haw"))
    ]
    assert through.usage.input_characters == len("Rain falls")
    assert through.usage.input_tokens == sum(usage.input_tokens for usage in direct)
    assert through.usage.output_tokens == sum(usage.output_tokens for usage in direct)
    assert through.timings.inference.ToNanoseconds() > 0


def test_without_leave_the_pair_is_refused_and_the_way_is_told(adding: Any, refusal: Any) -> None:
    """The default is no; the message says what leave would give."""
    server, _ = adding()
    error = refusal(server.TranslateText, _ask(allow_pivot=False))
    assert (error.code, error.reason) == (INVALID, "LANGUAGE_UNSUPPORTED")
    assert error.message.endswith("allow_pivot would go through en")
    error = refusal(server.TranslateText, _ask(target_language="xx"))
    assert error.reason == "LANGUAGE_UNSUPPORTED"
    assert "allow_pivot" not in error.message


def test_a_pair_that_a_model_has_is_never_pivoted(adding: Any) -> None:
    """Leave is no order."""
    server, engines = adding()
    answer = _one(server.TranslateText(_ask("Rain", source_language="en")))
    assert (answer.text, answer.pivot_language) == ("Rain two", "")
    assert len(engines[0].joined) == 1


def _only(*directions: str) -> Callable[[dict[str, Any]], None]:
    """A model of some pairs alone, named after them."""

    def edit(manifest: dict[str, Any]) -> None:
        manifest["name"] = "-".join(directions)
        manifest["pairs"] = [
            pair
            for pair in manifest["pairs"]
            if f"{pair['sourceLanguage']}{pair['targetLanguage']}" in directions
        ]

    return edit


def test_the_steps_may_be_those_of_two_models(adding: Any, refusal: Any) -> None:
    """The one that spoke last is named; a model asked for by name must have both."""
    server, engines = adding(_only("yoen"), _only("enhaw"))
    answer = _one(server.TranslateText(_ask("Rain")))
    assert (answer.text, answer.model) == ("Rain one two", "models/enhaw/versions/1")
    assert [len(engine.joined) for engine in engines] == [1, 1]
    error = refusal(server.TranslateText, _ask("Rain", model="models/yoen"))
    assert error.reason == "LANGUAGE_UNSUPPORTED"


def test_of_several_ways_the_one_with_the_better_worse_step_is_taken(adding: Any) -> None:
    """Through a trained pair rather than through English; both steps of English are guesses."""

    def edit(manifest: dict[str, Any]) -> None:
        pairs = {
            "yo-en": "ZERO_SHOT",
            "en-haw": "ZERO_SHOT",
            "yo-fr": "TRAINED",
            "fr-haw": "TRAINED",
        }
        manifest["pairs"] = [
            {
                "sourceLanguage": name.split("-")[0],
                "targetLanguage": name.split("-")[1],
                "status": f"PAIR_STATUS_{status}",
            }
            for name, status in pairs.items()
        ]
        manifest["languageTags"].append({"language": "fr", "piece": ">>eng<<", "id": 2})

    server, _ = adding(edit)
    assert _one(server.TranslateText(_ask("Rain"))).pivot_language == "fr"


def test_a_pair_that_a_bundle_measured_through_a_third_language_needs_leave(
    adding: Any, refusal: Any
) -> None:
    """It is listed with its evidence, and its model cannot do it in one step."""

    def edit(manifest: dict[str, Any]) -> None:
        pair = {"sourceLanguage": "yo", "targetLanguage": "haw", "status": "PAIR_STATUS_PIVOT"}
        manifest["pairs"].append(pair)

    server, _ = adding(edit)
    assert refusal(server.TranslateText, _ask(allow_pivot=False)).reason == "LANGUAGE_UNSUPPORTED"
    assert _one(server.TranslateText(_ask("Rain"))).text == "Rain one two"
    request = translation_pb2.ListLanguagePairsRequest(filter='status = "PIVOT"')
    (listed,) = server.ListLanguagePairs(request).language_pairs
    assert (listed.source_language, listed.target_language) == ("yo", "haw")


def test_what_cannot_be_told_through_a_third_language_is_refused(adding: Any, refusal: Any) -> None:
    """All of it at once; a sentence's quality is told and not calibrated."""
    server, _ = adding()
    wanted = {"word_scores": True, "alignment": True}
    request = _ask("Rain", response_options=wanted, decoding={"target_prefix": "Tea"})
    error = refusal(server.TranslateText, request)
    assert error.reason == "OPTION_UNSUPPORTED"
    assert sorted(error.fields) == [
        "decoding.target_prefix",
        "response_options.alignment",
        "response_options.word_scores",
    ]
    answer = _one(server.TranslateText(_ask("Rain", response_options={"quality": True})))
    assert not answer.quality.calibrated
    assert answer.quality.raw_score == pytest.approx(-0.5)


def test_alternatives_are_those_of_the_second_step(adding: Any) -> None:
    """Many ways to say it in the end, from one best in the middle."""
    server, engines = adding()
    decoding = {"beam_size": 2, "alternative_count": 1}
    answer = _one(server.TranslateText(_ask("Rain", decoding=decoding)))
    assert answer.text == "Rain one two"
    assert all(each.text != answer.text for each in answer.alternatives)
    assert engines[0].widest == 2


def test_the_real_graphs_say_through_a_third_language_what_two_calls_say(
    golden_server: Any,
) -> None:
    """The golden bundle, whose second step reads the text of the first anew."""
    server = golden_server.translation
    text = "Omi tutu"
    first = _one(server.TranslateText(_ask(text, target_language="en")))
    second = _one(server.TranslateText(_ask(first.text, source_language="en")))
    through = _one(server.TranslateText(_ask(text)))
    assert through.text == second.text
    assert through.model == second.model
