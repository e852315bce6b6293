"""The parent as a translator, served in 8 bits, on sentences of ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sacrebleu.metrics import CHRF

from lingraft.client import Client, Details, Translation

_FOLDER = Path(__file__).resolve().parents[2] / "models" / "translate-parent"
MODEL = "models/translate-parent"
PAIRS = [("en", "fr"), ("en", "de"), ("en", "es"), ("fr", "en"), ("de", "en"), ("es", "en")]
Sentences = dict[str, tuple[str, ...]]


def _translated(
    server: Client, texts: tuple[str, ...], source: str, target: str, **options: Any
) -> list[Translation]:
    found = server.translate(texts, target, source, **options)
    answers = [each for each in found if isinstance(each, Translation)]
    assert len(answers) == len(texts), found
    return answers


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    """bundle.json."""
    content: dict[str, Any] = json.loads((_FOLDER / "bundle.json").read_text("utf-8"))
    return content


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_simple_sentences_come_out_nearly_right(
    server: Client, sentences: Sentences, source: str, target: str
) -> None:
    """In each direction that it was trained in, and says so."""
    answers = _translated(server, sentences[source], source, target, model=MODEL)
    made = [answer.text for answer in answers]
    assert CHRF(word_order=2).corpus_score(made, [[*sentences[target]]]).score > 45
    assert {answer.pair_status for answer in answers} == {"TRAINED"}
    assert not any(answer.warnings for answer in answers)


def test_french_to_german_goes_through_english_where_that_is_allowed(
    server: Client, sentences: Sentences
) -> None:
    """One model twice, one direction after the other."""
    answers = _translated(server, sentences["fr"], "fr", "de", allow_pivot=True)
    assert {(a.pair_status, a.pivot_language) for a in answers} == {("PIVOT", "en")}
    made = [answer.text for answer in answers]
    assert CHRF(word_order=2).corpus_score(made, [[*sentences["de"]]]).score > 35


def test_quality_is_calibrated_in_every_direction(server: Client, sentences: Sentences) -> None:
    """And a sentence it can translate is likelier right than words in a heap."""
    heap = "colourless the quarterly of regardless soup, notwithstanding marmalade vote"
    asked = Details(quality=True)
    for source, target in PAIRS:
        texts = sentences[source][:2]
        for answer in _translated(server, texts, source, target, model=MODEL, details=asked):
            assert answer.quality is not None
            assert answer.quality.calibrated
            assert answer.quality.size >= 100
    plain, odd = _translated(
        server, (sentences["en"][1], heap), "en", "de", model=MODEL, details=asked
    )
    assert plain.quality
    assert odd.quality
    assert (plain.quality.p_acceptable or 0) > (odd.quality.p_acceptable or 0)


def test_its_figures_are_those_that_were_asked_of_it(manifest: dict[str, Any]) -> None:
    """50 chrF++ into English and 45 out of it on Tatoeba's test, and int8 costs half a point."""
    for pair in manifest["pairs"]:
        first = pair["metrics"][0]
        least = 50 if pair["targetLanguage"] == "en" else 45
        assert first["testSet"].startswith("tatoeba test")
        assert first["value"] > least
        assert first["ciLow"] < first["value"] < first["ciHigh"]
    (graphs,) = manifest["graphs"]
    assert len(graphs["pairLosses"]) == len(PAIRS)
    assert all(pair["loss"].get("value", 0.0) <= 0.5 for pair in graphs["pairLosses"])


def test_it_is_as_small_as_was_asked() -> None:
    """14 MB, its report and card among them."""
    assert sum(path.stat().st_size for path in _FOLDER.iterdir()) <= 14_000_000
