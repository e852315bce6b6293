"""Letters, languages and licences: the small tables that everything leans on."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import settings as bounds
from hypothesis import strategies as st

from lingraft.training.data.licences import strictest
from lingraft.training.errors import RecipeError
from lingraft.training.recipe.languages import ISO_639_3, tag
from lingraft.training.vocabulary.normalise import LETTER_MAPPINGS, normalise


def test_yoruba_is_composed_as_far_as_unicode_can() -> None:
    """Dot below and tone, typed in any order, become one spelling."""
    spellings = ("ọ̀", "o\u0323\u0300", "o\u0300\u0323", "\u00f2\u0323", "\u1ecd\u0300")
    assert {normalise(spelling, "yo") for spelling in spellings} == {"\u1ecd\u0300"}


def test_the_okina_has_one_spelling() -> None:
    """Six ways to type it, one letter; Hawaiian has no apostrophe else."""
    assert {normalise(f"Hawai{c}i", "haw") for c in "'`´‘’ʼʻ"} == {"Hawaiʻi"}
    assert normalise("it's", "en") == "it's"
    assert normalise("po\u0304'ele", "haw") == "p\u014dʻele"


def test_sindhi_look_alikes_become_sindhi_letters() -> None:
    """Arabic kaf and Persian yeh; tatweel and direction marks vanish."""
    assert normalise("كتاب\u200f", "sd") == "ڪتاب"
    assert normalise("سنڌی", "sd") == "سنڌي"
    assert normalise("سنــڌي", "sd") == "سنڌي"
    assert normalise("كتاب", "ar") == "كتاب"


def test_every_mapping_is_of_one_code_point() -> None:
    """The manifest and the server promise as much."""
    for mapping in LETTER_MAPPINGS.values():
        assert all(len(source) == 1 and len(target) <= 1 for source, target in mapping.items())


@bounds(max_examples=100)
@given(st.text(max_size=30), st.sampled_from(["en", "yo", "haw", "sd"]))
def test_normalising_twice_changes_nothing(text: str, language: str) -> None:
    """Training and server may both do it."""
    once = normalise(text, language)
    assert normalise(once, language) == once
    assert unicodedata.is_normalized("NFC", once)


def test_a_language_is_named_by_bcp_47_and_tagged_by_iso_639_3() -> None:
    """The opus-mt convention; any three letters are taken at their word."""
    assert [tag(code) for code in ("en", "yo", "haw", "sd")] == [
        ">>eng<<",
        ">>yor<<",
        ">>haw<<",
        ">>snd<<",
    ]
    assert tag("ace") == ">>ace<<"
    assert len({tag(code) for code in ISO_639_3}) == len(ISO_639_3)


@pytest.mark.parametrize("code", ["xx", "yoruba", "YO", "e1g", ""])
def test_an_unknown_language_is_told_the_known_ones(code: str) -> None:
    """One sentence that lists them."""
    with pytest.raises(RecipeError, match=r"is unknown: use BCP-47 \(de, ee, en"):
        tag(code)


def test_the_strictest_licence_follows() -> None:
    """From public domain to non-commercial; what nobody stated counts as strict."""
    ladder = [
        "public domain",
        "MIT",
        "CC-BY-4.0",
        "CC-BY-SA-4.0",
        "GPL-2.0-or-later",
        "not stated",
        "CC-BY-NC-4.0",
    ]
    for i in range(1, len(ladder)):
        assert strictest(ladder[: i + 1]) == ladder[i]
        assert strictest(ladder[i::-1]) == ladder[i]


def test_a_licence_of_an_unknown_kind_counts_as_strict() -> None:
    """A name that only contains a free one's letters is not that one."""
    assert strictest(["CC-BY-4.0", "permitted for members"]) == "permitted for members"
    assert strictest(["LGPL-3.0", "Apache-2.0"]) == "LGPL-3.0"
