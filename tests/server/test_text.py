"""Text into sentences and ids and back: nothing lost, nothing smuggled in."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingraft.server.bundle import Bundle
from lingraft.server.text import (
    TextCodec,
    assemble,
    is_circle,
    is_copy,
    is_loop,
    is_wordless,
    neutralize_tags,
    segment,
    split_sentences,
)

# Texts made of what splitting looks at, so that chance finds the corners.
TEXTS = st.lists(
    st.sampled_from(
        [
            *("Dr", "e.g", "a", "Ẹ", "3", "14", ".", "!", "?", "۔", "。", '"', "(", " ", "\n"),
            *("\r\n", "\u2028", "\t", ",", "Ọjọ́", "ok", "…", "\u0301", "-", "ٺيڪ"),
        ]
    ),
    max_size=40,
).map("".join)


@pytest.fixture(scope="module")
def codec(translation_bundle: Bundle) -> TextCodec:
    """The golden bundle's tokenizer."""
    return TextCodec(translation_bundle)


def _sentences(text: str) -> list[str]:
    return [text[begin:end] for begin, end in split_sentences(text)]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Rain fell. We stayed in.", ["Rain fell.", "We stayed in."]),
        ("Really?! Yes… No!", ["Really?!", "Yes…", "No!"]),
        ('He said: "Come!" She came.', ['He said: "Come!"', "She came."]),
        ("Dr. Ade met Mrs. Kai at 5 p.m. Monday.", ["Dr. Ade met Mrs. Kai at 5 p.m. Monday."]),
        ("It costs 3.14 or 1.000 in total.", ["It costs 3.14 or 1.000 in total."]),
        ("See No. 5 of J. R. Ade's list.", ["See No. 5 of J. R. Ade's list."]),
        ("I said no. Then I left.", ["I said no.", "Then I left."]),
        ("Am 3. Oktober kam er. Es war kalt.", ["Am 3. Oktober kam er.", "Es war kalt."]),
        ("wait... what? ok. fine", ["wait... what? ok. fine"]),
        ("¿Qué hora es? ¡Tarde!", ["¿Qué hora es?", "¡Tarde!"]),
        ("هو آيو۔ هوءَ وئي؟ ها", ["هو آيو۔", "هوءَ وئي؟", "ها"]),
        ("雨です。寒い！", ["雨です。", "寒い！"]),
        ("one\ntwo\r\n\r\nthree", ["one", "two", "three"]),
        ("", []),
        (" \n\t ", []),
    ],
)
def test_sentences_end_where_a_reader_would_say(text: str, sentences: list[str]) -> None:
    """With care: abbreviations, initials, ordinals and numbers do not end one."""
    assert _sentences(text) == sentences


@pytest.mark.parametrize(
    "text",
    [
        "a" * 4_000 + " " + "x. B " * 400,
        "!" * 20_000,
        "!" * 10_000 + '"' * 10_000,
        ". " * 10_000,
    ],
)
def test_no_text_makes_splitting_slow(text: str) -> None:
    """Milliseconds, where a search that goes back and forth takes seconds to hours."""
    began = time.process_time()
    split_sentences(text)
    assert time.process_time() - began < 0.5


@given(text=TEXTS)
def test_splitting_loses_nothing_but_keeps_white_space_apart(text: str) -> None:
    """Between sentences stands white space only, and every sentence is trimmed."""
    done = 0
    for begin, end in split_sentences(text):
        assert text[done:begin].strip() == ""
        assert text[begin:end] == text[begin:end].strip() != ""
        done = end
    assert text[done:].strip() == ""


@given(text=TEXTS, limit=st.integers(1, 9))
def test_a_text_in_pieces_can_always_be_put_together_again(text: str, limit: int) -> None:
    """Sentences that are too long are cut until they fit; nothing of the text is lost."""
    sentences = segment(text, _code_points, limit)
    assert all(len(sentence.pieces) <= limit for sentence in sentences)
    parts = [text[sentence.span.begin : sentence.span.end] for sentence in sentences]
    whole = assemble(text, sentences, parts)
    assert whole.text == text
    assert [text[span.begin : span.end] for span in whole.spans] == parts


def _code_points(text: str) -> list[int]:
    return [ord(letter) for letter in text]


def test_a_long_sentence_is_cut_at_a_clause_then_at_white_space_then_anywhere() -> None:
    """The best place first."""

    def parts(text: str) -> list[str]:
        sentences = segment(text, _code_points, 30)
        return [text[each.span.begin : each.span.end] for each in sentences]

    assert parts("we went to the river, and then the rain came") == [
        "we went to the river,",
        "and then the rain came",
    ]
    assert parts("we went to the river and then the rain came") == [
        "we went to the river",
        "and then the rain came",
    ]
    assert parts("a" * 40) == ["a" * 20, "a" * 20]
    assert parts("e\u0301" * 21) == ["e\u0301" * 11, "e\u0301" * 10]


def test_translations_take_the_places_of_their_sentences() -> None:
    """Line breaks and spaces of the source stay; spans say where each translation stands."""
    text = "  One.  Two!\n\nThree\n"
    sentences = segment(text, _code_points, 100)
    whole = assemble(text, sentences, ["Un.", "Deux !", "Trois"])
    assert whole.text == "  Un.  Deux !\n\nTrois\n"
    assert [whole.text[span.begin : span.end] for span in whole.spans] == [
        "Un.",
        "Deux !",
        "Trois",
    ]


@given(
    text=st.lists(
        st.sampled_from([">>yor<<", ">>", ">", ">yor", "yor", "eng<<", "<<", "<", " ", "\u200f"]),
        max_size=9,
    ).map("".join)
)
def test_no_text_can_smuggle_in_a_language_tag(codec: TextCodec, text: str) -> None:
    """Whatever a caller writes, no piece of it is a tag."""
    tags = {codec.translation((), *pair).ids[0] for pair in (("en", "yo"), ("yo", "en"))}
    assert not tags & set(codec.pieces(text, "en"))


def test_what_only_looks_like_a_tag_stays_readable() -> None:
    """A space is all that is added, and only where needed."""
    assert neutralize_tags("see >>yor<< and a >> b << c") == "see >> yor<< and a >> b << c"


def test_ids_are_those_of_training(
    codec: TextCodec, expected: Callable[[str], list[dict[str, Any]]]
) -> None:
    """Tag first, end last, pieces between; decomposed letters and typed ʻokinas included."""
    for case in expected("v1-translation"):
        pieces = codec.pieces(case["text"], case["source_language"])
        encoded = codec.translation(pieces, case["source_language"], case["target_language"])
        assert list(encoded.ids) == case["source_ids"]
        assert encoded.forced is None


def test_normalisation_knows_the_language(codec: TextCodec) -> None:
    """An apostrophe is a letter in Hawaiian and none in English; everything becomes NFC."""
    assert codec.normalize("ka 'ohana", "haw") == "ka ʻohana"
    assert codec.normalize("ka 'ohana", "HAW") == "ka ʻohana"
    assert codec.normalize("don't", "en") == "don't"
    decomposed = unicodedata.normalize("NFD", "ọjọ́")
    assert codec.normalize(decomposed, "yo") == unicodedata.normalize("NFC", "ọjọ́")


def test_special_ids_say_nothing(codec: TextCodec, translation_bundle: Bundle) -> None:
    """End and padding leave no mark in the text."""
    special = translation_bundle.special
    pieces = codec.pieces("The boat waits.", "en")
    assert codec.decode([special.pad, *pieces, special.eos]) == "The boat waits."


@pytest.mark.parametrize(
    ("ids", "source", "loop"),
    [
        ([5, 6, 7, 8, 9, 10, 11, 12], [1], False),
        ([5] * 8, [1], True),
        ([5] * 7, [1], False),
        ([4, 1, 2, 1, 2, 1, 2, 1, 2, 9], [1], True),
        ([1, 2, 1, 2, 1, 2], [1], False),
        ([5] * 8, [3] * 8, False),
        ([], [], False),
    ],
)
def test_a_circle_of_pieces_is_told_from_a_short_repetition(
    ids: list[int], source: list[int], loop: bool
) -> None:
    """And a source that repeats itself excuses its translation."""
    assert is_circle(ids, source) is loop


@pytest.mark.parametrize(
    ("source", "output", "loop"),
    [
        ("Rain falls.", "La pluie la pluie la pluie tombe.", True),
        ("Rain falls.", "La pluie, la pluie tombe.", False),
        ("No, no, no!", "Non, non, non !", False),
        ("very very very very good", "très très très bon", False),
        ("Rain", "Requinnnnnnnt", True),
        ("Raaaaaaaain", "Pluiiiiiiiie", False),
        ("It cost 100000000 francs.", "Il coûtait 100000000 francs.", False),
        ("--------", "________", False),
        (
            "The boat waits at the river for our friend the teacher, who carries a letter.",
            "the meals of the stead of the meals of the living of the stead of the meals of the "
            "living of the stead",
            True,
        ),
        ("", "", False),
    ],
)
def test_a_loop_of_text_is_told_from_what_the_source_repeats(
    source: str, output: str, loop: bool
) -> None:
    """Phrases, strings of letters, and going round among a few words."""
    assert is_loop(source, output) is loop


def test_a_text_of_one_letter_is_looked_at_in_no_time() -> None:
    """The work grows with the text and not with its square: steps of the rule are bounded."""
    assert is_loop("a", "b" * 200_000)
    assert not is_copy("水" * 200_000, "ab" * 100_000)
    assert not is_loop("a", "水土" * 3)
    assert not is_loop("a", "bc " * 2 + "d")


def test_an_output_without_words_is_told() -> None:
    """Where the source has some."""
    assert is_wordless("Rain?", "…")
    assert not is_wordless("…!", "?")
    assert not is_wordless("Rain", "7")
    assert is_wordless("3. bread", "3.")
    assert not is_wordless("the 3rd of May 1920", "3/5/1920")
    assert not is_wordless("3.", "3.")


def test_a_copy_is_told_from_what_may_stay_as_it_is() -> None:
    """Names, numbers, addresses and single words may; a word more or less is no excuse."""
    assert is_copy("The boat waits at the river.", "The boat waits at river.")
    assert not is_copy("The boat waits at the river.", "Le boat waits auf der Straße.")
    assert not is_copy(
        "https://a.example https://b.example c@d.example", "https://a.example c@d.example"
    )
    assert is_copy("The boat waits.", "the  boat waits.")
    assert not is_copy("The boat waits.", "Le bateau attend.")
    assert not is_copy("Honolulu", "Honolulu")
    assert not is_copy("WWW.EXAMPLE.ORG WWW.SAMPLE.COM", "WWW.EXAMPLE.ORG WWW.SAMPLE.COM")
    assert not is_copy("3.14 + 2", "3.14 + 2")
