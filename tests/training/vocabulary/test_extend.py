"""Extending a SentencePiece model: old ids and old cuts stay, new pieces are used."""

from __future__ import annotations

from lingraft.training.vocabulary.codec import Codec, codec_of, trained_spm
from lingraft.training.vocabulary.extend import Extension, extend_spm
from lingraft.training.vocabulary.proto import (
    NORMAL,
    USER_DEFINED,
    Piece,
    pieces_of,
    with_pieces,
)

Rows = list[tuple[str, str]]


def _extended(parent: bytes, rows: Rows, limit: int = 40, *, guarded: bool = True) -> Extension:
    english, swahili = ([row[i] for row in rows] for i in (0, 1))
    return extend_spm(parent, swahili, limit, ["en", "sw"], english if guarded else ())


def _cut(codec: Codec, texts: list[str]) -> list[list[str]]:
    return [codec.spm.encode(text, out_type=str) for text in texts]


def test_a_model_without_additions_is_the_same_bytes(tongues: Rows) -> None:
    """What the small schema does not know comes through as it was."""
    model = trained_spm([english for english, _ in tongues], 300, ["en"])
    assert with_pieces(model, []) == model


def test_kinds_are_read_as_sentencepiece_has_them(parent_spm: bytes) -> None:
    """Of specials, tags, bytes and common pieces."""
    spm = codec_of(parent_spm).spm
    for index, piece in enumerate(pieces_of(parent_spm)):
        assert piece.text == spm.id_to_piece(index)
        assert piece.score == spm.get_score(index)
        assert (piece.kind == 6) == spm.is_byte(index)
        assert (piece.kind == 3) == spm.is_control(index)
        assert (piece.kind == 2) == spm.is_unknown(index)
        assert (piece.kind == USER_DEFINED) == piece.text.startswith(">>")


def test_old_pieces_keep_their_ids_and_scores(parent_spm: bytes, tongues: Rows) -> None:
    """New ones stand behind them, tags first, and padding is behind all."""
    extension = _extended(parent_spm, tongues)
    old, new = pieces_of(parent_spm), pieces_of(extension.model)
    assert new[: len(old)] == old
    assert [piece.text for piece in new[len(old) :]] == [*extension.tags, *extension.pieces]
    assert codec_of(extension.model).pad == len(new)
    assert len({piece.text for piece in new}) == len(new)


def test_only_missing_tags_are_added(parent_spm: bytes, tongues: Rows) -> None:
    """As pieces that stay whole wherever they stand."""
    extension = _extended(parent_spm, tongues)
    assert extension.tags == (">>swa<<",)
    codec = codec_of(extension.model)
    assert codec.has_language("sw")
    assert codec.encode_source("two lamps", "en", "sw")[0] == codec_of(parent_spm).pad
    assert codec.spm.encode(">>swa<<two lamps", out_type=str)[1] == ">>swa<<"


def test_every_new_piece_is_used_in_the_childs_text(parent_spm: bytes, tongues: Rows) -> None:
    """A row that no text reaches would never be trained."""
    extension = _extended(parent_spm, tongues)
    cut = _cut(codec_of(extension.model), [swahili for _, swahili in tongues])
    assert 0 < len(extension.pieces) <= 40
    assert set(extension.pieces) <= {piece for pieces in cut for piece in pieces}


def test_the_childs_words_get_fewer_pieces(parent_spm: bytes, tongues: Rows) -> None:
    """And its letters are no longer spelt out in bytes."""
    swahili = [swahili for _, swahili in tongues]
    before = sum(map(len, _cut(codec_of(parent_spm), swahili)))
    cut = _cut(codec_of(_extended(parent_spm, tongues).model), swahili)
    assert sum(map(len, cut)) < 0.67 * before
    assert not any(piece.startswith("<0x") for pieces in cut for piece in pieces)


def test_the_parents_text_is_cut_as_before(parent_spm: bytes, tongues: Rows) -> None:
    """Because pieces that would be used in it are refused; without a guard some are."""
    english = [english for english, _ in tongues]
    before = _cut(codec_of(parent_spm), english)
    guarded = _extended(parent_spm, tongues)
    assert _cut(codec_of(guarded.model), english) == before
    assert guarded.refused > 0
    free = _extended(parent_spm, tongues, guarded=False)
    assert free.refused == 0
    assert _cut(codec_of(free.model), english) != before


def test_the_limit_keeps_what_saves_most(parent_spm: bytes, tongues: Rows) -> None:
    """Few pieces save more each than many do."""
    child = [swahili for _, swahili in tongues]
    before = sum(map(len, _cut(codec_of(parent_spm), child)))
    saved = {}
    for limit in (6, 12, 24):
        extension = extend_spm(parent_spm, child, limit)
        assert len(extension.pieces) <= limit
        after = sum(map(len, _cut(codec_of(extension.model), child)))
        saved[limit] = (before - after) / len(extension.pieces)
    assert saved[6] > saved[12] > saved[24] > 0


def test_missing_letters_come_before_words(parent_spm: bytes) -> None:
    """With room for no more than the alphabet nothing is spelt out in bytes."""
    child = ["سنڌي ٻولي", "ٻولي سنڌي آهي", "هي سنڌي آهي"] * 10
    letters = {letter for text in child for letter in text} - {" "}
    extension = extend_spm(parent_spm, child, len(letters))
    assert {piece.lstrip("▁") for piece in extension.pieces} == letters
    cut = _cut(codec_of(extension.model), child)
    assert not any(piece.startswith("<0x") for pieces in cut for piece in pieces)


def test_a_letter_that_stays_unknown_costs_what_it_did(parent_spm: bytes) -> None:
    """Its price follows the lowest score of all pieces, and that of tags the highest.

    The child's own model gives a word of every second place a higher score than any old piece has.
    """
    old = [piece.score for piece in pieces_of(parent_spm) if piece.kind == NORMAL]
    child = ["ŋaŋa ŋaŋa ŋaŋa ŋaŋa jambo"] * 30
    extension = extend_spm(parent_spm, child, 10)
    new = [piece.score for piece in pieces_of(extension.model) if piece.kind == NORMAL]
    assert (min(new), max(new)) == (min(old), max(old))
    assert new.count(max(old)) > 1


def test_the_same_text_gives_the_same_model(parent_spm: bytes, tongues: Rows) -> None:
    """Bit for bit: a resumed run must find its pieces again."""
    assert _extended(parent_spm, tongues) == _extended(parent_spm, tongues)


def test_little_text_gives_fewer_pieces_than_asked(parent_spm: bytes) -> None:
    """The limit is one; it is no promise."""
    extension = extend_spm(parent_spm, ["habari za asubuhi", "habari za jioni"] * 5, 500)
    assert 0 < len(extension.pieces) < 50
    assert len(trained_spm(["ab ba"] * 5, 5000, [], at_most=True)) > 0


def test_an_added_piece_says_what_it_is(parent_spm: bytes) -> None:
    """Its kind survives writing and reading."""
    added = [Piece(">>swa<<", 0.0, USER_DEFINED), Piece("▁jambo", -3.5, NORMAL)]
    assert pieces_of(with_pieces(parent_spm, added))[-2:] == added
