"""What pieces spell is the text again, in lower case, however it was cut."""

from __future__ import annotations

import numpy as np
import pytest

from lingraft.training.vocabulary.codec import EOS, Codec, codec_of, trained_spm
from lingraft.training.vocabulary.spelling import PLANE, SPACE, spelling_of

TEXTS = [
    "The kettle sings",
    "THE KETTLE, again; and AGAIN!",
    "Ọmọ náà ń kọrin",  # letters and marks that no training text has: bytes of two and three
    "हाय, पानी लाओ",
    "سنڌي ۾ لکيل",
    "a\u00a0b",  # a space that is none of SentencePiece's
    "",
]


@pytest.fixture(scope="module")
def codec() -> Codec:
    """A vocabulary of plain English, so that all else is spelt by bytes."""
    sentences = [
        "The kettle sings again.",
        "A lamp in the house.",
        "She sings, the house is empty.",
    ]
    return codec_of(trained_spm(sentences, 320, ("en", "yo"), at_most=True))


def _spelled(codec: Codec, ids: list[int]) -> str:
    return "".join(map(chr, spelling_of(codec).letters(np.array(ids, dtype=np.int64))))


@pytest.mark.parametrize("text", TEXTS)
def test_ids_spell_their_text_in_lower_case_between_spaces(codec: Codec, text: str) -> None:
    """Of whole pieces and of bytes alike."""
    expected = f" {text.lower()} ".replace("\u00a0", " ") if text else " "
    assert _spelled(codec, codec.encode_target(text, "en")) == expected


def test_all_letters_beyond_the_first_plane_are_one(codec: Codec) -> None:
    """Emoji by their kind: the last code point of the plane, which is no letter."""
    for text in ("😀", "🎉"):
        assert _spelled(codec, codec.encode_target(text, "en")) == f" {chr(PLANE - 1)} "


def test_a_text_of_nothing_is_known(codec: Codec) -> None:
    """No byte is in it, and nothing is divided by none."""
    assert spelling_of(codec).known(np.array([], dtype=np.int64)) == 1.0


def test_tags_and_padding_spell_nothing(codec: Codec) -> None:
    """Nor does the unknown piece."""
    ids = [codec.tag_id("yo"), codec.spm.unk_id(), codec.pad]
    assert _spelled(codec, ids) == ""
    assert _spelled(codec, [EOS]) == chr(SPACE)


def test_a_letter_that_is_cut_in_two_does_no_harm(codec: Codec) -> None:
    """A text that is too long may end, or begin, inside a letter's bytes."""
    whole = codec.encode_target("ab हा", "en")
    for ids in ([*whole[:-2], EOS], whole[3:], whole[4:]):
        letters = spelling_of(codec).letters(np.array(ids, dtype=np.int64))
        assert letters[-1] == SPACE
        assert ((letters >= 0) & (letters < PLANE)).all()
