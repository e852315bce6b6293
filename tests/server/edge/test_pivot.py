"""Two steps through a third language, where no model has the pair and the caller allows it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lingraft.server.app import translator
from lingraft.server.bundle import Precision, read_bundle
from lingraft.server.metrics import CALLS, Metrics
from lingraft.server.search import Found
from lingraft.server.services.reading import Reading
from lingraft.server.services.translating import Step
from lingraft.server.services.underway import _joined
from lingraft.server.text import segment
from lingraft.v1 import common_pb2, translation_pb2

INVALID = 3
PATIENCE_S = 20.0

TEXT = "Rain falls. The boat waits.\n\nTea!"


def _ask(*texts: str, **options: Any) -> translation_pb2.TranslateTextRequest:
    given: dict[str, Any] = {
        "source_language": "yo",
        "target_language": "haw",
        "allow_pivot": True,
    } | options
    return translation_pb2.TranslateTextRequest(contents=texts or (TEXT,), **given)


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


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
    gated_engine: Any,
) -> Callable[..., Any]:
    """Starts a server of models, one for each edit of the golden manifest; with the engines. With
    `gated`, the last one waits for the test."""

    def start(
        *edits: Callable[[dict[str, Any]], None], gated: bool = False, **changes: Any
    ) -> tuple[Any, list[Any]]:
        models, engines = [], []
        for number, edit in enumerate(edits or [lambda manifest: None]):
            bundle = read_bundle(edited("v1-translation", edit, folder=f"bundle-{number}"))
            codec = echo_model(bundle=bundle)[0].codec
            kind = gated_engine if gated and number == len(edits) - 1 else echo_engine
            engine = _adding(kind, bundle.special.decoder_start, codec)
            config = settings(**changes)
            models.append(translator(bundle, Precision.FP32, engine, config, Metrics()))
            engines.append(engine)
        return served(*models), engines

    return start


def _one(response: Any) -> Any:
    assert response.results[0].HasField("translation"), response.results[0].error
    return response.results[0].translation


def test_a_text_goes_through_the_third_language_sentence_by_sentence(adding: Any) -> None:
    """The second model reads what the first has said; all between sentences stays as it is."""
    served, _ = adding()
    server = served.translation
    answer = _one(server.TranslateText(_ask(response_options={"sentences": True})))
    assert answer.text == "Rain falls. one two The boat waits. one two\n\nTea! one two"
    assert (answer.pair_status, answer.pivot_language) == (common_pb2.PAIR_STATUS_PIVOT, "en")
    assert list(answer.warnings) == [common_pb2.WARNING_PIVOTED]
    spans = [(each.source_span, each.target_span) for each in answer.sentences]
    assert [TEXT[s.begin : s.end] for s, _ in spans] == ["Rain falls.", "The boat waits.", "Tea!"]
    assert [answer.text[t.begin : t.end] for _, t in spans][2] == "Tea! one two"


def test_streamed_texts_go_the_same_way(adding: Any) -> None:
    """Each as soon as both steps are done."""
    served, _ = adding()
    server = served.translation
    answers = list(server.StreamTranslateText(_ask("Rain", "Tea")))
    assert sorted((a.index, a.translation.text) for a in answers) == [
        (0, "Rain one two"),
        (1, "Tea one two"),
    ]


def test_what_both_steps_took_is_counted(adding: Any) -> None:
    """Pieces that were read and produced; characters of the source once."""
    served, _ = adding()
    server = served.translation
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
    served, _ = adding()
    server = served.translation
    error = refusal(server.TranslateText, _ask(allow_pivot=False))
    assert (error.code, error.reason) == (INVALID, "LANGUAGE_UNSUPPORTED")
    assert error.message.endswith("allow_pivot would go through en")
    error = refusal(server.TranslateText, _ask(target_language="xx"))
    assert error.reason == "LANGUAGE_UNSUPPORTED"
    assert "allow_pivot" not in error.message


def test_a_pair_that_a_model_has_is_never_pivoted(adding: Any) -> None:
    """Leave is no order."""
    served, engines = adding()
    server = served.translation
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
    served, engines = adding(_only("yoen"), _only("enhaw"))
    server = served.translation
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

    served, _ = adding(edit)
    server = served.translation
    assert _one(server.TranslateText(_ask("Rain"))).pivot_language == "fr"


def test_a_pair_that_a_bundle_measured_through_a_third_language_needs_leave(
    adding: Any, refusal: Any
) -> None:
    """It is listed with its evidence, and its model cannot do it in one step."""

    def edit(manifest: dict[str, Any]) -> None:
        pair = {"sourceLanguage": "yo", "targetLanguage": "haw", "status": "PAIR_STATUS_PIVOT"}
        manifest["pairs"].append(pair)

    served, _ = adding(edit)
    server = served.translation
    assert refusal(server.TranslateText, _ask(allow_pivot=False)).reason == "LANGUAGE_UNSUPPORTED"
    assert _one(server.TranslateText(_ask("Rain"))).text == "Rain one two"
    request = translation_pb2.ListLanguagePairsRequest(filter='status = "PIVOT"')
    (listed,) = server.ListLanguagePairs(request).language_pairs
    assert (listed.source_language, listed.target_language) == ("yo", "haw")


def test_what_cannot_be_told_through_a_third_language_is_refused(adding: Any, refusal: Any) -> None:
    """All of it at once; a sentence's quality is told and not calibrated."""
    served, _ = adding()
    server = served.translation
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


def _found(text: str, codec: Any) -> Found:
    ids = tuple(codec.pieces(text, "en"))
    return Found(ids, (-0.5,) * len(ids), -0.5, truncated=False)


def test_a_sentence_that_the_second_model_reads_in_parts_has_its_alternatives_part_by_part(
    echo_model: Callable[..., Any],
) -> None:
    """The second best of all parts together; as many as the part with the fewest has."""
    codec = echo_model()[0].codec
    text = "rain falls, the boat waits"
    sentences = segment(text, lambda part: codec.pieces(part, "en"), 8)
    assert len(sentences) > 1
    tasks = tuple(SimpleNamespace(sentence=sentence) for sentence in sentences)
    decoded = [
        SimpleNamespace(found=tuple(_found(f"{word} {rank}", codec) for rank in range(3 - place)))
        for place, word in enumerate(("tea", "salt", "road")[: len(tasks)])
    ]
    onward: Any = SimpleNamespace(choice=SimpleNamespace(model=SimpleNamespace(codec=codec)))
    joined = _joined(onward, Reading(text, tasks), Step(tasks, decoded))  # type: ignore[arg-type]
    ranks = min(len(each.found) for each in decoded)
    assert len(joined.texts) == len(joined.hypotheses) == ranks
    for rank, whole in enumerate(joined.texts):
        assert whole.split()[:2] == ["tea", str(rank)]
        assert [part.ids for part in joined.hypotheses[rank]] == [
            each.found[rank].ids for each in decoded
        ]


def test_a_call_that_is_larger_than_the_queue_goes_both_steps(adding: Any) -> None:
    """Where nothing else waits: the sentences of each step enter together."""
    served, _ = adding(_only("yoen"), _only("enhaw"), max_queued_rows=4)
    texts = [f"rain {'a' * number}" for number in range(1, 13)]
    answers = served.translation.TranslateText(_ask(*texts)).results
    assert [each.translation.text for each in answers] == [f"{text} one two" for text in texts]


@pytest.mark.parametrize("method", ["TranslateText", "StreamTranslateText"])
def test_a_cancelled_call_frees_the_rows_of_its_second_step(adding: Any, method: str) -> None:
    """Nobody decodes on for a client that went away."""
    served, (_, second) = adding(_only("yoen"), _only("enhaw"), gated=True)
    call = getattr(served.translation, method)
    request = _ask("We wait for the boat under the tree", "We sang")
    running = call.future(request) if method == "TranslateText" else call(request)
    assert second.inside.wait(PATIENCE_S)
    running.cancel()
    _until(lambda: served.metrics.value(CALLS, label="CANCELLED") == 1)
    second.gate.set()
    _until(lambda: not second.rows)
    assert second.steps <= 2


def test_times_are_those_of_steps_that_follow_each_other(adding: Any) -> None:
    """Sentences run side by side: the parts are no more than the whole."""
    served, _ = adding()
    request = _ask("Rain. Tea. Salt. Bread. Road. River. Boat.", response_options={"timings": True})
    timings = served.translation.TranslateText(request).timings
    parts = (timings.inference, timings.queue, timings.text)
    assert all(0 < part.ToNanoseconds() <= timings.total.ToNanoseconds() for part in parts)


def test_a_fault_of_both_models_is_told_once(adding: Any, refusal: Any) -> None:
    """Their defaults may differ; the request is one."""

    def beams(manifest: dict[str, Any]) -> None:
        _only("enhaw")(manifest)
        manifest["decoding"] = {"beamSize": 4}

    served, _ = adding(_only("yoen"), beams)
    error = refusal(served.translation.TranslateText, _ask(decoding={"temperature": 99}))
    assert error.message.count("decoding.temperature") == 1


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
