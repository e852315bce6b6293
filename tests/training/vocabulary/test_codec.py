"""The tokenizer: text comes back whole, and plain Transformers reads it as we do."""

from __future__ import annotations

import unicodedata
import warnings
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import settings as bounds
from hypothesis import strategies as st
from transformers import MarianMTModel, MarianTokenizer

from lingraft.training.errors import DataError, ParentError
from lingraft.training.models.marian import new_model, save_model
from lingraft.training.recipe.recipes import Shape
from lingraft.training.vocabulary.codec import (
    EOS,
    SPM_FILE,
    UNK,
    Codec,
    load_codec,
    save_tokenizer,
    shorten,
    train_spm,
)

LANGUAGES = ("en", "yo", "haw", "sd")
SENTENCES = (
    "The old boat carries 24 boxes of warm bread.",
    "My sister hears the rain and closes the window.",
    "Ọmọ náà ń ka ìwé ní ilé ẹ̀kọ́.",
    "Ẹ jọ̀ọ́, ṣé ẹ lè fún mi ní omi tútù?",
    "Ua hele ke keiki i kahakai e ʻauʻau.",
    "He nani ka pō, a ua mālie ke kai.",
    "هي ڪتاب منهنجي ڀيڻ جو آهي.",
    "اڄ ڏينهن ٿڌو آهي ۽ ماڻهو گهر ۾ آهن.",
)
HARD = (
    ("en", "Room 1024, floor 7: 3.50 each & a “quote”."),
    ("yo", "Ọ̀rẹ́ mi, ṣé o ti jẹun? Ẹ̀ẹ́ṣe, ńlá."),
    ("yo", "o\u0323\u0300re\u0323\u0301"),
    ("haw", "Hawaiʻi, ʻāina, pōʻakahi, kānaka ʻōiwi"),
    ("sd", "سنڌي ٻولي ۾ ٻاونجاهه اکر آهن: ڄ ڃ ڏ ڊ ڙ ڳ ڱ"),
    ("en", "A grin 😀, a family 👩‍👩‍👧, a flag 🇳🇬."),
    ("en", "汉字 and кириллица were never seen"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder as `pretrain` writes it: four languages, random weights."""
    folder = tmp_path_factory.mktemp("model")
    spm = folder.with_name("trained.spm")
    text = [unicodedata.normalize("NFC", sentence) for sentence in SENTENCES] * 20
    train_spm(text, 360, LANGUAGES, spm)
    shape = Shape(d_model=16, ffn=16, heads=2, encoder_layers=1, decoder_layers=1, max_positions=32)
    save_model(new_model(shape, 360, seed=1), folder)
    save_tokenizer(spm, folder, shape.max_positions)
    return folder


@pytest.fixture(scope="module")
def codec(folder: Path) -> Codec:
    """The folder's codec."""
    return load_codec(folder)


@pytest.fixture(scope="module")
def marian(folder: Path) -> MarianTokenizer:
    """The folder's tokenizer, loaded by plain Transformers."""
    with warnings.catch_warnings():
        # It recommends a package for punctuation that it then uses nowhere.
        warnings.filterwarnings("ignore", message="Recommended: pip install sacremoses")
        return MarianTokenizer.from_pretrained(str(folder))


@pytest.mark.parametrize(("language", "text"), HARD)
def test_marian_tokenizer_gives_the_same_ids(
    codec: Codec, marian: MarianTokenizer, language: str, text: str
) -> None:
    """Marks, ʻokina, Sindhi, digits and emoji: tag first, eos last, on NFC text."""
    composed = unicodedata.normalize("NFC", text)
    for target in LANGUAGES:
        tag = codec.spm.id_to_piece(codec.tag_id(target))
        assert marian(tag + composed).input_ids == codec.encode_source(text, language, target)


@pytest.mark.parametrize(("language", "text"), HARD)
def test_nothing_is_unknown(codec: Codec, language: str, text: str) -> None:
    """Byte fallback writes what no piece has, so every text comes back."""
    ids = codec.encode_target(text, language)
    assert UNK not in ids
    assert codec.decode(ids) == unicodedata.normalize("NFC", text)


@bounds(max_examples=150)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="▁"), max_size=40))
def test_text_survives_ids(codec: Codec, text: str) -> None:
    """Ids give back the NFC of any text, spaces made single."""
    expected = " ".join(part for part in unicodedata.normalize("NFC", text).split(" ") if part)
    ids = codec.encode_target(text, "en")
    assert ids[-1] == EOS
    assert codec.decode(ids) == expected


def test_transformers_loads_the_model_as_it_was_saved(folder: Path, codec: Codec) -> None:
    """Plain MarianMTModel: same weights, same answer, padding never produced."""
    loaded = MarianMTModel.from_pretrained(str(folder)).eval()
    shape = Shape(d_model=16, ffn=16, heads=2, encoder_layers=1, decoder_layers=1, max_positions=32)
    made = new_model(shape, 360, seed=1).eval()
    ids = torch.tensor([codec.encode_source(SENTENCES[0], "en", "yo")[:30]])
    produced = loaded.generate(ids, max_new_tokens=8)
    assert torch.equal(produced, made.generate(ids, max_new_tokens=8))
    assert codec.pad not in produced[0, 1:].tolist()


def test_marian_tokenizer_decodes_what_the_model_makes(
    codec: Codec, marian: MarianTokenizer
) -> None:
    """Specials are left out by both."""
    ids = [codec.pad, *codec.encode_target(SENTENCES[3], "yo"), codec.pad]
    assert marian.decode(ids, skip_special_tokens=True) == codec.decode(ids)


def test_padding_is_the_last_id_and_not_in_the_sentencepiece_model(
    folder: Path, codec: Codec, marian: MarianTokenizer
) -> None:
    """eos 0, unk 1, pad last, as the bundle promises the server."""
    assert (codec.spm.eos_id(), codec.spm.unk_id(), codec.spm.pad_id()) == (EOS, UNK, -1)
    assert codec.pad == codec.spm.get_piece_size() == 359
    assert (marian.eos_token_id, marian.unk_token_id, marian.pad_token_id) == (EOS, UNK, 359)
    assert (folder / "source.spm").read_bytes() == (folder / "target.spm").read_bytes()


def test_language_tags_are_single_pieces(codec: Codec) -> None:
    """One piece each, first in the source."""
    tags = [codec.tag_id(language) for language in LANGUAGES]
    assert len(set(tags)) == len(LANGUAGES)
    assert [codec.spm.id_to_piece(i) for i in tags] == [">>eng<<", ">>yor<<", ">>haw<<", ">>snd<<"]
    assert codec.encode_source("water", "en", "yo")[0] == tags[1]


def test_a_tag_inside_text_is_only_text(codec: Codec) -> None:
    """Nobody chooses the language from inside a sentence."""
    tags = {codec.tag_id(language) for language in LANGUAGES}
    assert not tags & set(codec.encode_target("say >>haw<< or >>yor<<", "en"))
    assert codec.decode(codec.encode_target("a >>b c<< d", "en")) == "a >>b c<< d"


def test_a_language_without_a_tag_is_refused(codec: Codec) -> None:
    """The message shows the piece that is missing."""
    assert codec.has_language("yo")
    assert not codec.has_language("ig")
    with pytest.raises(ParentError, match="no tag >>ibo<< for language 'ig'"):
        codec.tag_id("ig")


def test_every_digit_is_a_piece_of_its_own(codec: Codec) -> None:
    """Numbers are copied digit by digit."""
    pieces = [codec.spm.id_to_piece(i) for i in codec.encode_target("24 2424", "en")]
    assert [piece for piece in pieces if any(c.isdigit() for c in piece)] == list("242424")


def test_shortened_ids_end_with_eos() -> None:
    """What is over the limit goes from the end, and the tag in front stays."""
    assert shorten([5, 6, 7, EOS], 4) == [5, 6, 7, EOS]
    assert shorten([5, 6, 7, 8, EOS], 4) == [5, 6, 7, EOS]


def test_the_same_text_gives_the_same_vocabulary(tmp_path: Path) -> None:
    """Byte for byte, or a resumed run would read other ids."""
    for name in ("a.spm", "b.spm"):
        train_spm(iter(SENTENCES * 5), 350, LANGUAGES, tmp_path / name)
    assert (tmp_path / "a.spm").read_bytes() == (tmp_path / "b.spm").read_bytes()


def test_too_little_text_for_a_vocabulary_is_told(tmp_path: Path) -> None:
    """SentencePiece's own words say how many pieces there can be."""
    with pytest.raises(DataError, match=r"vocabulary of 9000 pieces cannot be trained: .*too high"):
        train_spm(["water and bread"], 9000, ["en"], tmp_path / "a.spm")


def test_a_folder_without_a_readable_vocabulary_is_refused(tmp_path: Path) -> None:
    """Missing or torn, it is named."""
    with pytest.raises(ParentError, match=r"no source\.spm; it is not a Marian model folder"):
        load_codec(tmp_path)
    (tmp_path / SPM_FILE).write_bytes(b"\x0atorn")
    with pytest.raises(ParentError, match=r"source\.spm: not a SentencePiece model"):
        load_codec(tmp_path)
