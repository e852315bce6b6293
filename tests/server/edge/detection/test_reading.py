"""Bundles of language identification, and the ids that are read of a text."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lingraft.server.bundle import Bundle, Task, TokenizerKind, read_bundle
from lingraft.server.errors import BundleError
from lingraft.server.text import IdentificationCodec

SPACE, MOST = 32, 20


@pytest.fixture
def bundle(letters_bundle: Callable[..., Path]) -> Bundle:
    """The bundle as it is."""
    return read_bundle(letters_bundle())


def test_a_bundle_of_language_identification_is_read_whole(bundle: Bundle) -> None:
    """Labels in the order of the logits; code points need no file."""
    assert bundle.task is Task.LANGUAGE_IDENTIFICATION
    assert bundle.labels == ("yo", "haw", "und")
    assert bundle.source_tokenizer.kind is TokenizerKind.CODE_POINTS
    assert bundle.source_tokenizer.model is None


def test_everything_that_a_bundle_lacks_is_named_at_once(
    letters_bundle: Callable[..., Path],
) -> None:
    """Labels and a classifier in every graph set; and what every bundle needs."""

    def edit(manifest: dict[str, Any]) -> None:
        del manifest["labels"]
        del manifest["licence"]
        del manifest["graphs"][0]["classifier"]

    with pytest.raises(BundleError) as caught:
        read_bundle(letters_bundle(edit))
    for path in ("licence", "labels", "graphs[0].classifier"):
        assert path in caught.value.message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels": ["yo", "spam?", "zh-Hans", "und"]}, "label 'spam?' is no language in BCP-47"),
        ({"tokenizer": {"kind": "TOKENIZER_KIND_TOKENIZER_JSON"}}, "tokenizer.source_model"),
        ({"task": "TASK_CLASSIFICATION"}, "CODE_POINTS is for TASK_LANGUAGE_IDENTIFICATION"),
    ],
)
def test_a_bundle_at_odds_with_its_task_is_refused(
    letters_bundle: Callable[..., Path], change: dict[str, Any], words: str
) -> None:
    """Labels that are no languages, a tokenizer without its file, code points elsewhere."""
    with pytest.raises(BundleError) as caught:
        read_bundle(letters_bundle(lambda manifest: manifest.update(change)))
    assert words in caught.value.message
    assert "zh-Hans" not in caught.value.message


def test_nothing_of_a_text_is_dropped_or_added(bundle: Bundle) -> None:
    """Spaces stay though the end is one, and what looks like a tag is not parted."""
    text = " a  b >>yor<< "
    ids = IdentificationCodec(bundle).ids(text)
    assert ids == (SPACE, *map(ord, text), SPACE)


def test_without_a_piece_that_stands_first_the_text_does(
    letters_bundle: Callable[..., Path],
) -> None:
    """`text_start` may be left out."""

    def edit(manifest: dict[str, Any]) -> None:
        del manifest["specialIds"]["textStart"]

    assert IdentificationCodec(read_bundle(letters_bundle(edit))).ids("a") == (97, SPACE)


def test_letters_are_composed_before_they_are_read(bundle: Bundle) -> None:
    """NFC, so that a letter is one code point however it was typed."""
    codec = IdentificationCodec(bundle)
    typed = unicodedata.normalize("NFD", "ọmọ")
    assert codec.ids(typed) == codec.ids("ọmọ") == (SPACE, *map(ord, "ọmọ"), SPACE)


def test_of_a_long_text_the_beginning_is_read(bundle: Bundle) -> None:
    """As many ids as the limit, what stands around the text included."""
    ids = IdentificationCodec(bundle).ids("abcde" * 20)
    assert ids == (SPACE, *map(ord, "abcde" * 3 + "abc"), SPACE)
    assert len(ids) == MOST


@pytest.mark.parametrize("text", ["2026", "3.14 + 2 = ?", "🙂🙂", "—…!", "1" * 50 + " words"])
def test_what_has_no_letter_is_not_read(bundle: Bundle, text: str) -> None:
    """Nor is a text whose letters stand behind the limit."""
    assert IdentificationCodec(bundle).ids(text) is None


def test_letters_of_every_script_are_letters(bundle: Bundle) -> None:
    """Not those of the alphabet alone."""
    for text in ("ٻار", "雨", "ọ", "हिन्दी"):
        assert IdentificationCodec(bundle).ids(text) == (SPACE, *map(ord, text), SPACE)
