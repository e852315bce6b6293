"""The grafted translator that ships in the repository, on sentences of ours.

It is weak, and its card says so: what is promised here is that it writes the language it was asked
for, that every direction stands with its proof, and that nothing odd goes by in silence.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.odd import faults_of, told
from benchmarks.oddities import odd_texts
from lingraft.client import Client, Details, LanguageDetection, ServiceError, Translation

_FOLDER = Path(__file__).resolve().parents[2] / "models" / "translate"
MODEL = "models/translate"
CHILDREN = ("yo", "sd", "haw", "sw")
ENGLISH = (
    "The people of the city were gathered in front of the house.",
    "The king gave his son the land on the other side of the river.",
    "When the morning came, they went up to the mountain to pray.",
    "He told the women that the water of the well was good.",
    "Save the changes to this page before you leave.",
    "You do not have permission to delete this file.",
    "Search for articles in your language.",
    "Your password must be changed within three days.",
)


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    """bundle.json."""
    content: dict[str, Any] = json.loads((_FOLDER / "bundle.json").read_text("utf-8"))
    return content


def _translated(
    server: Client, texts: tuple[str, ...], target: str, source: str, **options: Any
) -> list[Translation]:
    found = server.translate(texts, target, source, **options)
    answers = [each for each in found if isinstance(each, Translation)]
    assert len(answers) == len(texts), found
    return answers


@pytest.mark.parametrize("target", CHILDREN)
def test_it_writes_the_language_that_was_asked_for(server: Client, target: str) -> None:
    """As the language identifier beside it says of three answers in four."""
    answers = _translated(server, ENGLISH, target, "en", model=MODEL)
    assert {answer.pair_status for answer in answers} == {"TRANSFER"}
    found = server.detect([answer.text for answer in answers])
    languages = [each.language for each in found if isinstance(each, LanguageDetection)]
    assert languages.count(target) >= 6, languages


def test_it_offers_what_it_was_grafted_for_and_nothing_else(manifest: dict[str, Any]) -> None:
    """Both ways with English; the parent's own directions have a bundle of their own."""
    pairs = {(pair["sourceLanguage"], pair["targetLanguage"]) for pair in manifest["pairs"]}
    assert pairs == {("en", code) for code in CHILDREN} | {(code, "en") for code in CHILDREN}


def test_every_direction_stands_with_its_control_and_a_gain_clear_of_zero(
    manifest: dict[str, Any],
) -> None:
    """And with an interval of its own; int8 costs no more than half a point."""
    for pair in manifest["pairs"]:
        report, first = pair["transfer"], pair["metrics"][0]
        assert first["ciLow"] < first["value"] < first["ciHigh"]
        assert first["value"] > report["scratch"]["value"]
        assert report["gain"]["ciLow"] > 0
    (graphs,) = manifest["graphs"]
    assert len(graphs["pairLosses"]) == len(manifest["pairs"])
    assert all(pair["loss"].get("value", 0.0) <= 0.5 for pair in graphs["pairLosses"])


def test_a_way_between_two_children_leads_through_english(server: Client) -> None:
    """And from a child to a language of the parent, from one bundle to the other."""
    yoruba = _translated(server, ENGLISH[:2], "yo", "en", model=MODEL)
    texts = tuple(answer.text for answer in yoruba)
    for target in ("sw", "fr"):
        answers = _translated(server, texts, target, "yo", allow_pivot=True)
        assert {(a.pair_status, a.pivot_language) for a in answers} == {("PIVOT", "en")}


def test_quality_is_told_where_there_was_enough_to_calibrate_on(
    server: Client, manifest: dict[str, Any]
) -> None:
    """A hundred sentences of dev or more; elsewhere it says that nothing is known."""
    sizes = {
        (each.get("sourceLanguage", ""), each["language"]): int(each.get("size", 0))
        for each in manifest["calibration"]
    }
    for target in CHILDREN:
        (answer,) = _translated(
            server, ENGLISH[:1], target, "en", model=MODEL, details=Details(quality=True)
        )
        assert answer.quality is not None
        assert answer.quality.calibrated == (sizes.get(("en", target), 0) >= 100)


@pytest.mark.parametrize("target", CHILDREN)
def test_next_to_nothing_odd_goes_by_in_silence(server: Client, target: str) -> None:
    """Of 100 odd texts at most one answer has a fault that no warning told."""
    texts = [text for _, text in odd_texts(100, seed=3)]
    found = server.translate(texts, target, "en", model=MODEL, timeout=300.0)
    silent = [
        (text, answer.text)
        for text, answer in zip(texts, found, strict=True)
        if not isinstance(answer, ServiceError)
        for fault in faults_of(text, answer.text)
        if not told(fault, answer.warnings)
    ]
    assert len(silent) <= 1, silent


def test_it_is_as_small_as_was_asked() -> None:
    """14 MB, its report and card among them."""
    assert sum(path.stat().st_size for path in _FOLDER.iterdir()) <= 14_000_000
