"""Both directions learn from each other's text, and unpaired languages are tested as such."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lingraft.training.data import testsets
from lingraft.training.errors import SynthesisError
from lingraft.training.recipe.synthesis import Iterative
from lingraft.training.synthesis.generate import Translator
from lingraft.training.synthesis.rounds import Round
from lingraft.training.synthesis.unsupervised import iterative, zero_shot_tests

Made = Callable[..., Any]
Maker = Callable[..., Translator]
Backwards = Callable[[str], str]


def test_each_direction_learns_from_what_the_other_makes(
    english: tuple[str, ...], to_french: Backwards, make_translator: Maker, make_decoder: Made
) -> None:
    """No marker; sentences drawn anew; models asked for again after each training."""
    texts = {"en": english[:30], "fr": [to_french(text) for text in english[30:60]]}
    translator = make_translator(make_decoder(to_french))
    log: list[object] = []

    def models(number: int, source: str, target: str) -> Translator:
        log.append((number, source, target))
        return translator

    def train(made: Round) -> None:
        log.append(made.number)

    first, second = iterative(Iterative(rounds=2, sentences=12), texts, 1, models, train)
    assert log == [
        *[(1, "fr", "en"), (1, "en", "fr"), 1],
        *[(2, "fr", "en"), (2, "en", "fr"), 2],
    ]
    for made in (first, second):
        assert [(s.source, s.target) for s in made.sources] == [("en", "fr"), ("fr", "en")]
        for rows, found in zip(made.rows, (texts["fr"], texts["en"]), strict=True):
            assert len(rows) == 12
            assert all(target in found for _, target in rows)
            assert all(source == to_french(target) for source, target in rows)
    assert first.rows != second.rows


def test_other_than_two_languages_are_refused(make_translator: Maker, make_decoder: Made) -> None:
    """And a language without text."""
    translator = make_translator(make_decoder(str))

    def start(texts: dict[str, list[str]]) -> None:
        iterative(Iterative(), texts, 1, lambda *_: translator, lambda _: None)

    with pytest.raises(SynthesisError, match="takes two languages' text, not: en"):
        start({"en": ["two eggs"]})
    with pytest.raises(SynthesisError, match="no monolingual text of fr"):
        start({"en": ["two eggs"], "fr": []})


def _tests() -> list[testsets.TestSet]:
    return [
        testsets.TestSet("toy", "en", "fr", ("one", "two", "three"), ("eno", "owt", "eerht")),
        testsets.TestSet("toy", "en", "yo", ("three", "one", "four"), ("ẹẹrht", "ọnẹ", "fọur")),
        testsets.TestSet("toy", "sd", "haw", ("a", "b"), ("c", "d")),
        testsets.TestSet("else", "en", "yo", ("five",), ("fivẹ",)),
    ]


def test_test_sets_between_languages_never_paired_are_built_and_say_so() -> None:
    """Through the English sentences that both have, and those that are unpaired as they are."""
    found = zero_shot_tests(_tests(), [("en", "fr"), ("yo", "en")])
    name = "toy (zero-shot, never paired in training)"
    assert found == [
        testsets.TestSet(name, "sd", "haw", ("a", "b"), ("c", "d")),
        testsets.TestSet(name, "fr", "yo", ("eno", "eerht"), ("ọnẹ", "ẹẹrht")),
        testsets.TestSet(name, "yo", "fr", ("ẹẹrht", "ọnẹ"), ("eerht", "eno")),
    ]


def test_what_training_pairs_is_never_called_zero_shot() -> None:
    """Neither way round; where nothing is left, the message says what training pairs."""
    trained = [("fr", "yo"), ("en", "fr"), ("en", "yo"), ("haw", "sd")]
    with pytest.raises(SynthesisError, match="training pairs en-fr, en-yo, fr-yo, haw-sd; add"):
        zero_shot_tests(_tests(), trained)
