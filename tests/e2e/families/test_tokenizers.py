"""The server's codec gives the ids of the stock tokenizer, and no text becomes a special piece."""

from __future__ import annotations

import dataclasses
import functools
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from transformers import AutoTokenizer

from lingraft.server.bundle import read_bundle
from lingraft.server.errors import BundleError
from lingraft.server.text import TextCodec

# Scripts, emoji, white space, decomposed letters, compatibility characters, next to nothing.
TEXTS = (
    "The children wait for the boat.",
    "  two  spaces and\ttab ",
    "line\nbreak",
    "Ìyá mi fẹ́ lọ sí ọjà",
    "I\u0300ya\u0301 decomposed",
    "風が海から吹いています。",
    "الريح تهب",
    "Ветер дует",
    "हिन्दी ไทย",
    "wave \U0001f30a family \U0001f469\u200d\U0001f469\u200d\U0001f467",
    "\ufb01ne \u00bd \uff21",
    "non\u00a0breaking \u200bzero",
    "don't — “quoted”",
    "12345 3.14",
    "▁ underline",
    "x" * 50,
    "a",
    ".",
    "",
)
OWN_CODE = {"nllb": "eng_Latn", "m2m100": "en", "mbart50": "en_XX"}


@pytest.mark.parametrize("name", ["nllb", "m2m100", "marian", "marian_tagged", "mbart50", "t5"])
def test_ids_are_those_of_the_stock_tokenizer(
    name: str, exported: Callable[[str], Any], stock: Callable[[str], Any]
) -> None:
    """Tag, prefix, pieces and end, id for id."""
    bundle = read_bundle(exported(name).folder)
    codec, pair = TextCodec(bundle), bundle.pairs[0]
    written = {"t5": "translate English to French: ", "marian_tagged": ">>fra<< "}.get(name, "")
    tokenizer = stock(name)
    for text in TEXTS:
        encoded = codec.translation(codec.pieces(text, pair.source), pair.source, pair.target)
        assert list(encoded.ids) == tokenizer(written + text).input_ids, text


@pytest.fixture(scope="session")
def stock(exported: Callable[[str], Any]) -> Callable[[str], Any]:
    """The stock tokenizer of a checkpoint, with English as its source."""

    @functools.cache
    def load(name: str) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Marian's recommends a package
            tokenizer = AutoTokenizer.from_pretrained(exported(name).checkpoint)
        if name in OWN_CODE:
            tokenizer.src_lang = OWN_CODE[name]
        return tokenizer

    return load


@pytest.mark.parametrize(
    ("name", "file", "offset"),
    [("mbart50_pieces", "sentencepiece.bpe.model", 1), ("mt5", "spiece.model", 0)],
)
def test_without_a_tokenizer_json_the_sentencepiece_model_decides(
    name: str, file: str, offset: int, exported: Callable[[str], Any]
) -> None:
    """fairseq's ids are SentencePiece's and one, mT5's are SentencePiece's."""
    family = exported(name)
    spm = sentencepiece.SentencePieceProcessor(model_file=str(family.checkpoint / file))
    codec = TextCodec(read_bundle(family.folder))
    unknown = family.bundle.special_ids.unk
    for text in TEXTS:
        expected = [unknown if i == spm.unk_id() else i + offset for i in spm.encode(text)]
        assert codec.pieces(text, "en") == expected


def test_target_ids_become_the_text_again(family: Any) -> None:
    """Tags, ends and ids that the tokenizer does not know leave no mark."""
    bundle = read_bundle(family.folder)
    codec, pair = TextCodec(bundle), bundle.pairs[0]
    text = "The children wait for the boat."
    forced = codec.translation((), pair.source, pair.target).forced
    tag = [] if forced is None else [forced]
    beyond = bundle.dimensions.vocabulary_size - 1
    special = bundle.special
    pieces = codec.pieces(text, pair.source)
    ids = [special.decoder_start, *tag, *pieces, beyond, special.eos, special.pad]
    assert codec.decode(ids) == text


def test_forced_pieces_are_the_tags_of_targets(exported: Callable[[str], Any]) -> None:
    """The source's tag opens the source, the target's tag is forced."""
    bundle = exported("nllb").bundle
    codec = TextCodec(read_bundle(exported("nllb").folder))
    tags = {tag.language: tag.id for tag in bundle.language_tags}
    encoded = codec.translation([7], "en", "zh-Hant")
    assert encoded.ids == (tags["en"], 7, bundle.special_ids.eos)
    assert encoded.forced == tags["zh-Hant"]
    assert codec.framing("en", "zh-Hant") == 2


@pytest.mark.parametrize(
    "text",
    [
        "yor_Latn</s><pad> x",
        "go </s> __yo__ <s>",
        "de_DE en_XXde_DE",
        "a<extra_id_0>b</s>",
        "＜/s＞ ｄe_DE",
        ">>yor<< >>fra<<tea",
    ],
)
def test_no_text_becomes_a_piece_with_a_meaning_of_its_own(family: Any, text: str) -> None:
    """Neither spelled out nor in characters that normalisation makes the same."""
    codec = TextCodec(read_bundle(family.folder))
    bundle = family.bundle
    special = {bundle.special_ids.eos, bundle.special_ids.pad, bundle.special_ids.decoder_start}
    special |= {tag.id for tag in bundle.language_tags}
    assert not special & set(codec.pieces(text, "en"))
    assert codec.pieces(text, "en")


@pytest.mark.parametrize(
    ("name", "file", "content", "fault"),
    [
        ("nllb", "tokenizer.json", "{}", "is no tokenizer.json"),
        ("m2m100", "vocab.json", "[1]", "must be an object from piece to id"),
        ("marian", "vocab.json", '{"a": -1}', "must be an object from piece to id"),
        ("marian", "target.spm", "x", "is no SentencePiece model"),
        ("m2m100", "vocab.json", '{"a": 99999}', "they are not of one bundle"),
    ],
)
def test_a_file_that_is_no_tokenizer_is_refused(
    name: str, file: str, content: str, fault: str, exported: Callable[[str], Any], tmp_path: Path
) -> None:
    """The message names the file."""
    bundle = read_bundle(exported(name).folder)
    bad = tmp_path / file
    bad.write_text(content)
    changed = _replace(bundle, file, bad)
    with pytest.raises(BundleError, match=fault):
        TextCodec(changed)


def _replace(bundle: Any, file: str, path: Path) -> Any:
    """The bundle with another file in place of one of its tokenizers'."""

    def changed(files: Any) -> Any:
        model = path if files.model.name == file else files.model
        vocabulary = files.vocabulary
        if vocabulary is not None and vocabulary.name == file:
            vocabulary = path
        return dataclasses.replace(files, model=model, vocabulary=vocabulary)

    return dataclasses.replace(
        bundle,
        source_tokenizer=changed(bundle.source_tokenizer),
        target_tokenizer=changed(bundle.target_tokenizer),
    )


@pytest.mark.parametrize(
    ("name", "change", "fault"),
    [
        ("m2m100", {"tokenizer": {"sourceVocabulary": ""}}, "tokenizer.source_vocabulary"),
        ("nllb", {"languageTags": []}, "language_tags"),
        ("nllb", {"tagPlacement": 77}, "tag_placement has no value 77"),
        ("nllb", {"normalization": {"unicodeForm": "NFKD"}}, "knows NFC and NONE"),
    ],
)
def test_a_manifest_that_says_too_little_is_refused(
    name: str,
    change: dict[str, Any],
    fault: str,
    exported: Callable[[str], Any],
    tmp_path: Path,
) -> None:
    """The reader names the field."""
    for path in exported(name).folder.iterdir():
        (tmp_path / path.name).symlink_to(path)
    manifest = json.loads((tmp_path / "bundle.json").read_text(encoding="utf-8"))
    for key, value in change.items():
        manifest[key] = manifest[key] | value if isinstance(value, dict) else value
    (tmp_path / "bundle.json").unlink()
    (tmp_path / "bundle.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(BundleError, match=fault):
        read_bundle(tmp_path)
