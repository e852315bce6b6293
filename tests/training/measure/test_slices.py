"""Faults and slices on planted outputs."""

from __future__ import annotations

from itertools import product

import pytest

from lingraft.training.measure.languages import Languages
from lingraft.training.measure.slices import (
    by_length,
    by_source,
    is_copy,
    is_empty,
    is_looping,
    rates,
    worst_and_best,
)

_WHO = ("the farmer", "my sister", "our teacher", "a small dog")
_DOES = ("sees", "carries", "sells", "finds")
_WHAT = ("a green stone", "two eggs", "warm bread", "three boxes")
_ENGLISH = [" ".join(parts) for parts in product(_WHO, _DOES, _WHAT)]
_GERMAN = [
    " ".join(parts)
    for parts in product(
        ("der Bauer", "meine Schwester", "unser Lehrer", "ein kleiner Hund"),
        ("sieht", "trägt", "verkauft", "findet"),
        ("einen grünen Stein", "zwei Eier", "warmes Brot", "drei Schachteln"),
    )
]


@pytest.fixture(scope="module")
def languages() -> Languages:
    return Languages({"en": _ENGLISH, "de": _GERMAN, "haw": ["aloha"] * 30})


def test_a_copy_repeats_the_source_where_the_reference_does_not() -> None:
    """In other case and punctuation too; names and numbers that stay are no fault."""
    source, reference = "The farmer sees two eggs.", "Der Bauer sieht zwei Eier."
    assert is_copy(source, source, reference)
    assert is_copy(source, "the farmer sees two Eggs", reference)
    assert is_copy(source, "The farmer sees two eggs gut", reference)
    assert not is_copy(source, reference, reference)
    assert not is_copy(source, "The Bauer sees zwei eggs", reference)
    assert not is_copy("Ada Obi 2024", "Ada Obi 2024", "Ada Obi 2024")
    assert is_copy("Good morning", "good morning", "Guten Morgen")


@pytest.mark.parametrize(
    "output",
    [
        "der Hund der Hund der Hund",
        "ja ja ja ja",
        "er sieht einen Stein und er sieht einen Stein und er sieht einen Stein und",
        "Schachschachschachschachschachschach",
    ],
)
def test_an_output_that_gets_stuck_is_looping(output: str) -> None:
    """In a word, a phrase or a syllable."""
    assert is_looping("A dog.", output, "Ein Hund.")


@pytest.mark.parametrize(
    ("source", "output", "reference"),
    [
        ("quickly", "wiki wiki", "wikiwiki"),
        ("no no no", "nein nein nein", "nein nein nein"),
        ("Then ........", "Dann ........", "Dann ..."),
        ("It costs 1000000000.", "Es kostet 1000000000.", "Es kostet 1000000000."),
        ("hahahahahahaha", "hahahahahahaha", "ha"),
    ],
)
def test_what_the_text_itself_repeats_is_no_loop(source: str, output: str, reference: str) -> None:
    """Doubled words, dots, zeros, laughter."""
    assert not is_looping(source, output, reference)


def test_an_output_without_letters_or_digits_is_empty() -> None:
    """Unless nothing else was asked for."""
    assert is_empty(" .", "Ein Hund.")
    assert is_empty("", "7")
    assert not is_empty("7", "sieben")
    assert not is_empty("…", "…")


def test_text_in_another_known_language_is_told(languages: Languages) -> None:
    """Both ways; numbers are in no language; genuine text is hardly ever accused."""
    assert languages.known == ("de", "en")
    assert languages.is_wrong("our teacher sells warm bread", "de")
    assert languages.is_wrong("unser Lehrer verkauft warmes Brot", "en")
    assert not languages.is_wrong("12 345", "en")
    assert languages.nearest("zwei kleine Eier") == "de"
    accused = [text for text in _GERMAN if languages.is_wrong(text, "de")]
    assert len(accused) <= 0.01 * len(_GERMAN)


def test_one_language_alone_cannot_be_told_from_another() -> None:
    """Then the rate is missing, and no figure is made up."""
    alone = Languages({"en": _ENGLISH})
    assert alone.known == ()
    found = rates(["ja"], ["yes"], ["yes"], "en", alone)
    assert found.wrong_language is None
    assert found.false_alarms is None


def test_rates_count_what_was_planted(languages: Languages) -> None:
    """Of ten outputs one copied, two looping, one empty, and the copy is in the wrong language."""
    sources, references = _ENGLISH[:10], _GERMAN[:10]
    outputs = list(references)
    outputs[0] = sources[0]
    outputs[3] = "der Bauer der Bauer der Bauer"
    outputs[4] = "ein Stein ein Stein ein Stein ein Stein"
    outputs[7] = ""
    found = rates(sources, outputs, references, "de", languages)
    assert (found.copied, found.looping, found.empty) == (0.1, 0.2, 0.1)
    assert found.wrong_language == 0.1
    assert found.false_alarms == 0.0
    assert found.sentences == 10
    words = [sum(len(text.split()) for text in texts) for texts in (outputs, references)]
    assert found.length_ratio == pytest.approx(words[0] / words[1])
    assert found.as_dict()["copied"] == 0.1


def test_slices_by_length_hold_each_sentence_once() -> None:
    """A bin's upper bound belongs to it; bins without sentences are left out."""
    references = [" ".join("abcdefghijkl"[:n]) for n in (1, 5, 6, 12)]
    outputs = {"graft": references, "scratch": ["x"] * 4}
    found = by_length(outputs, references, bounds=(5, 10, 11))
    assert [(each.label, each.sentences) for each in found] == [
        ("1 to 5 words", 2),
        ("6 to 10 words", 1),
        ("over 11 words", 1),
    ]
    assert all(each.scores["graft"] == 100 > each.scores["scratch"] for each in found)


def test_slices_by_source_are_scored_apart() -> None:
    """Each arm on the sentences of each source alone, in the order of the text."""
    references = ["one two", "three four", "five six"]
    outputs = {"graft": ["one two", "x", "x"]}
    found = by_source(outputs, references, ["story", "news", "news"])
    assert [(each.label, each.sentences) for each in found] == [("story", 1), ("news", 2)]
    assert found[0].scores["graft"] == 100
    assert found[1].scores["graft"] < 10


def test_worst_and_best_share_no_sentence() -> None:
    """Worst first and best first, however few sentences there are."""
    references = ["a warm bread", "two green eggs", "the old boat"]
    worst, best = worst_and_best(["x", "two green eggs", "the old goat"], references, 5)
    assert worst == [(0, 0.0)]
    assert best == [(1, 100.0)]
