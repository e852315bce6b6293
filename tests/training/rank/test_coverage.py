"""Coverage and fertility, counted by hand on a vocabulary of six words; scripts."""

from __future__ import annotations

from itertools import permutations

import pytest

from lingraft.training.rank.child import Child
from lingraft.training.rank.coverage import coverage_of, measure
from lingraft.training.rank.scripts import known_scripts, script_match, script_of, scripts_of
from lingraft.training.vocabulary.codec import SPM_FILE, Codec, load_codec, train_spm

_KNOWN = "mother gives water brother wants bread"


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> Codec:
    """Six words, their letters, bytes: no piece besides."""
    folder = tmp_path_factory.mktemp("six-words")
    sentences = [" ".join(words) for words in permutations(_KNOWN.split(), 3)] * 3
    train_spm(sentences, 283, ["en", "yo"], folder / SPM_FILE)
    return load_codec(folder)


def test_known_words_are_one_piece_each(codec: Codec) -> None:
    """The best that there is."""
    found = measure(codec, {"yo": ["mother wants bread"]}, {})
    assert (found.known, found.whole_words, found.fertility, found.words) == (1.0, 1.0, 1.0, 3)
    assert found.english_fertility is None


def test_coverage_and_fertility_by_hand(codec: Codec) -> None:
    """A comma and an Arabic letter are bytes; a word in pieces is known all the same."""
    # _bread <2C> | _mother | _ g w | _ <D8> <A8>: nine pieces of four words, three of them bytes.
    found = measure(codec, {"yo": ["bread, mother", "gw ب"]}, {})
    assert found.known == pytest.approx(6 / 9)
    assert found.fertility == pytest.approx(9 / 4)
    assert found.whole_words == pytest.approx(2 / 4)  # the comma is no part of the word


def test_repeated_words_count_as_often_as_they_stand(codec: Codec) -> None:
    """Text, not a list of words."""
    # Three times one piece, once three.
    found = measure(codec, {"yo": ["bread bread", "bread gw"]}, {})
    assert found.fertility == pytest.approx(6 / 4)
    assert found.whole_words == pytest.approx(3 / 4)


def test_english_stands_beside_and_does_not_count(codec: Codec) -> None:
    """Its own fertility, none of the child's shares."""
    found = measure(codec, {"yo": ["gw"]}, {"en": ["mother wants gw"]})
    assert found.fertility == 3.0
    assert found.english_fertility == pytest.approx(5 / 3)
    assert found.words == 1


def test_marks_alone_are_no_words(codec: Codec) -> None:
    """They count as pieces, and there is nothing to keep whole."""
    found = measure(codec, {"yo": ["…"]}, {})
    assert found.whole_words == 0.0
    assert found.known == pytest.approx(1 / 4)


def test_a_childs_own_language_is_what_is_not_english(child: Child, codec: Codec) -> None:
    """And only the wanted number of sentences is counted, evenly spread."""
    assert child.languages == ("yo",)
    texts = child.texts["yo"]
    assert len(texts) == 120
    found = coverage_of(codec, child, sentences=3)
    assert found.words == sum(len(texts[i].split()) for i in (0, 40, 80))
    assert found.english_fertility is not None


@pytest.mark.parametrize(
    ("letter", "script"),
    [("a", "LATIN"), ("ẹ", "LATIN"), ("ڪ", "ARABIC"), ("ж", "CYRILLIC"), ("अ", "DEVANAGARI")],
)
def test_a_letter_has_a_script(letter: str, script: str) -> None:
    """By Unicode's name of it."""
    assert script_of(letter) == script


@pytest.mark.parametrize("other", ["1", ",", " ", "\u0301", "ʻ", "\u0007"])
def test_what_all_scripts_share_has_none(other: str) -> None:
    """Digits, marks, the ʻokina."""
    assert script_of(other) is None


def test_shares_are_of_letters(codec: Codec) -> None:
    """Three Latin letters, one Arabic; digits and spaces do not count."""
    assert scripts_of(["ab 12", "cب!"]) == {"LATIN": 0.75, "ARABIC": 0.25}
    assert scripts_of(["12 !"]) == {}


def test_a_latin_parent_matches_latin_and_not_arabic(codec: Codec) -> None:
    """Yoruba is written like French, Sindhi like Urdu."""
    latin, arabic = scripts_of(["Ọlọ́run"]), scripts_of(["ڪتاب"])
    french, urdu = known_scripts(["fr", "en"], codec), known_scripts(["ur"], codec)
    assert script_match(latin, french) == script_match(arabic, urdu) == 1.0
    assert script_match(arabic, french) == script_match(latin, urdu) == 0.0
    assert script_match(arabic, french | urdu) == 1.0


def test_a_parent_that_states_no_language_has_its_vocabularys_scripts(codec: Codec) -> None:
    """Models from elsewhere do not say; neither does an unknown code."""
    assert known_scripts([], codec) == known_scripts(["en", "qqq"], codec) == {"LATIN"}
