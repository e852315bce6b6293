"""Decoding options over real gRPC: what is asked for is what is done, and what is told."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from lingraft.server.app import translator
from lingraft.server.bundle import Bundle, Decoding, Precision
from lingraft.server.config import ServerConfig
from lingraft.server.engines.base import Plan, Step
from lingraft.server.metrics import Metrics
from lingraft.v1 import translation_pb2

TEXT = "We wait for the boat. Rain falls"


def _ask(text: str = TEXT, wanted: Any = None, **decoding: Any) -> Any:
    return translation_pb2.TranslateTextRequest(
        contents=[text],
        source_language="en",
        target_language="yo",
        decoding=decoding,
        response_options=wanted or {},
    )


class TellingEngine:
    """Says each source again. The second best piece is always the same one, `OTHER`.

    Piece t has log-probability -(t + 1) / 8 and attends to the source's piece t alone.
    """

    OTHER = 20
    goes_ahead, pads = True, False

    def __init__(self, eos: int) -> None:
        self.eos, self.widest = eos, 0
        self.rows: list[tuple[list[int], int]] = []

    def footprint(self, rows: int, source_tokens: int, target_tokens: int) -> int:
        """Nothing."""
        return 0

    def join(self, sources: Sequence[Sequence[int]], widths: Sequence[int]) -> None:
        """Puts rows at the end."""
        for source, width in zip(sources, widths, strict=True):
            self.rows += [(list(source[1:]), 0)] * width
        self.widest = max(self.widest, len(self.rows))

    def step(self, input_ids: Sequence[int], candidates: int, late: bool = False) -> Step:
        """After the source only the end is left to say."""
        ids = np.zeros((len(self.rows), candidates), dtype=np.int64)
        logprobs = np.full(ids.shape, -30.0, dtype=np.float32)
        shares = np.zeros((len(self.rows), 1 + max(len(row) for row, _ in self.rows)), np.float32)
        for number, (row, said) in enumerate(self.rows):
            best = row[said] if said < len(row) else self.eos
            others = [piece for piece in range(self.OTHER, 999) if piece != best]
            ids[number] = [best, *others][:candidates]
            logprobs[number, :2] = [-(said + 1) / 8, -4.0][:candidates]
            shares[number, min(said + 1, len(row))] = 1
        self.rows = [(row, said + 1) for row, said in self.rows]
        return Step(ids.tolist(), logprobs.tolist(), shares)

    def ahead(self, piece: int, plan: Plan, halt: Any) -> list[Step]:
        """Steps as they would be asked for one by one."""
        steps: list[Step] = []
        while True:
            steps.append(self.step([piece], plan.candidates, late=True))
            piece = next((each for each in steps[-1].ids[0] if each not in plan.banned), self.eos)
            if halt[0] or piece == self.eos or len(steps) == plan.steps:
                return steps

    def normalisers(self, unscored: Sequence[Any]) -> list[Any]:
        """Its probabilities are never late."""
        raise NotImplementedError

    def select(self, parents: Sequence[int]) -> None:
        """Rows go on from others."""
        self.rows = [self.rows[parent] for parent in parents]

    def clear(self) -> None:
        """Forgets all rows."""
        self.rows.clear()


@pytest.fixture
def telling(
    served: Callable[..., Any],
    translation_bundle: Bundle,
    settings: Callable[..., ServerConfig],
) -> Callable[..., Any]:
    """Starts a server over a TellingEngine with other decoding defaults; returns both."""

    def start(**defaults: Any) -> tuple[Any, TellingEngine]:
        bundle = dataclasses.replace(translation_bundle, decoding=Decoding(**defaults))
        engine = TellingEngine(bundle.special.eos)
        model = translator(bundle, Precision.FP32, engine, settings(), Metrics())
        return served(model).translation, engine

    return start


def _one(answer: Any) -> Any:
    return answer.results[0].translation


def _parts(text: str, spans: Sequence[Any]) -> list[str]:
    return [text[span.begin : span.end] for span in spans]


def test_alternatives_come_best_first_and_each_reads_otherwise(telling: Any) -> None:
    """As many as were asked for, each less probable than the one before."""
    server, engine = telling()
    answer = _one(server.TranslateText(_ask(beam_size=4, alternative_count=3)))
    texts = [answer.text, *(each.text for each in answer.alternatives)]
    assert (answer.text, len(set(texts)), engine.widest) == (TEXT, 4, 8)
    means = [each.mean_logprob for each in answer.alternatives]
    assert means == sorted(means, reverse=True)
    assert not _one(server.TranslateText(_ask(beam_size=4))).alternatives


def test_the_beam_of_the_bundle_is_taken_unless_the_request_says_otherwise(telling: Any) -> None:
    """A request's beam wins, and so does its wish to sample."""
    for decoding, rows in (({}, 3), ({"beam_size": 2}, 2), ({"temperature": 0.01}, 1)):
        server, engine = telling(beam_size=3)
        assert _one(server.TranslateText(_ask("Rain falls", **decoding))).text == "Rain falls"
        assert engine.widest == rows


def test_alternatives_may_be_asked_of_the_beam_of_the_bundle(telling: Any, refusal: Any) -> None:
    """Their number is bounded by the beam that is really used."""
    server, _ = telling(beam_size=3)
    assert len(_one(server.TranslateText(_ask(alternative_count=2))).alternatives) == 2
    error = refusal(server.TranslateText, _ask(alternative_count=3))
    assert "must be below beam_size, 3" in error.fields["decoding.alternative_count"]


def test_every_word_has_a_score(telling: Any) -> None:
    """Spans are those of the whole translation; a score is the mean of the word's pieces."""
    server, _ = telling()
    answer = _one(server.TranslateText(_ask(wanted={"word_scores": True})))
    words = [word for sentence in answer.sentences for word in sentence.words]
    assert _parts(answer.text, [word.target_span for word in words]) == TEXT.split()
    first, second = answer.sentences
    scores = [word.mean_logprob for word in first.words]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] <= -1 / 8
    assert max(scores) > first.mean_logprob > min(scores)
    assert second.words[0].mean_logprob > second.words[1].mean_logprob


def test_every_word_is_linked_to_the_word_it_comes_from(telling: Any) -> None:
    """Spans are those of the texts; the shares of a word sum to 1; tag and end have none."""
    server, _ = telling()
    answer = _one(server.TranslateText(_ask(wanted={"alignment": True})))
    found = [link for sentence in answer.sentences for link in sentence.alignment]
    assert _parts(answer.text, [link.target_span for link in found]) == TEXT.split()
    assert _parts(TEXT, [link.source_span for link in found]) == TEXT.split()
    assert {link.weight for link in found} == {1.0}


def test_an_alignment_that_the_graphs_do_not_tell_is_refused(
    served: Any, echo_model: Any, unpack: Any
) -> None:
    """By name, for the text concerned."""
    model, _ = echo_model()
    response = served(model).translation.TranslateText(_ask(wanted={"alignment": True}))
    error = unpack(response.results[0].error)
    assert error.reason == "OPTION_UNSUPPORTED"
    assert list(error.fields) == ["response_options.alignment"]


def test_a_translation_begins_with_its_prefix(telling: Any) -> None:
    """In the first sentence; what was given has no part in the mean."""
    server, _ = telling()
    request = _ask(wanted={"sentences": True}, target_prefix="The rain", beam_size=2)
    answer = _one(server.TranslateText(request))
    assert answer.text.startswith("The rain")
    assert answer.text.endswith("Rain falls")
    assert answer.sentences[0].mean_logprob < -2 / 8


def test_bounds_on_the_length_hold(telling: Any) -> None:
    """At least, and at most, so many pieces; the end counts as one of the latter."""
    server, _ = telling()
    short = server.TranslateText(_ask("Rain falls")).usage.output_tokens
    longer = server.TranslateText(_ask("Rain falls", min_output_tokens=short + 3))
    assert longer.usage.output_tokens == short + 4
    cut = server.TranslateText(_ask("Rain falls", max_output_tokens=short - 1))
    assert cut.usage.output_tokens == short - 1


def test_repetition_is_forbidden_or_made_dear(telling: Any) -> None:
    """A bigram that has been there, or a piece that became dear, gives way to another one."""
    server, _ = telling()
    text = "rain rain rain rain rain rain"
    assert _one(server.TranslateText(_ask(text))).text == text
    options: list[dict[str, Any]] = [{"no_repeat_ngram_size": 2}, {"repetition_penalty": 10}]
    for option in options:
        assert _one(server.TranslateText(_ask(text, **option))).text.count("rain") < 6


def test_a_seed_says_what_is_drawn(golden_server: Any) -> None:
    """The same seed, the same answer, in any company; other seeds, other answers."""
    ask = golden_server.translation.TranslateText

    def text(seed: int, **more: Any) -> str:
        return str(_one(ask(_ask(temperature=5, top_k=50, seed=seed, **more))).text)

    assert text(7) == text(7)
    assert len({text(seed) for seed in range(4)}) > 1
    assert text(3, beam_size=1) == text(3)


def test_all_options_go_together(golden_server: Any) -> None:
    """A real engine with beams, penalties and bounds answers with all that was asked for."""
    options: dict[str, Any] = {
        "beam_size": 4,
        "alternative_count": 2,
        "length_penalty": 0.6,
        "repetition_penalty": 1.2,
        "no_repeat_ngram_size": 3,
        "min_output_tokens": 2,
        "max_output_tokens": 20,
        "max_length_ratio": 3.0,
    }
    request = _ask(wanted={"word_scores": True, "timings": True}, **options)
    answer = _one(golden_server.translation.TranslateText(request))
    assert answer.alternatives
    for sentence in answer.sentences:
        parts = _parts(answer.text, [word.target_span for word in sentence.words])
        begin, end = sentence.target_span.begin, sentence.target_span.end
        assert parts == answer.text[begin:end].split()
        assert sentence.mean_logprob < 0
