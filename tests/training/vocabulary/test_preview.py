"""The preview: shares and fertility, counted by hand on small text."""

from __future__ import annotations

import json

import pytest

from lingraft.training.vocabulary.codec import Codec, codec_of, trained_spm
from lingraft.training.vocabulary.extend import extend_spm
from lingraft.training.vocabulary.matching import NO_ROW, extends, matches, pieces, tags
from lingraft.training.vocabulary.preview import Preview, preview

Rows = list[tuple[str, str]]


@pytest.fixture(scope="module")
def parent(parent_spm: bytes) -> Codec:
    """The English vocabulary."""
    return codec_of(parent_spm)


@pytest.fixture(scope="module")
def extended(parent_spm: bytes, tongues: Rows) -> Codec:
    """With the child's pieces behind it."""
    english, swahili = ([row[i] for row in tongues] for i in (0, 1))
    return codec_of(extend_spm(parent_spm, swahili, 40, ["sw"], english).model)


@pytest.fixture(scope="module")
def replaced(tongues: Rows) -> Codec:
    """A new vocabulary of both languages."""
    texts = [text for row in tongues for text in row]
    return codec_of(trained_spm(texts, 400, ["en", "sw"], at_most=True))


def test_an_extension_keeps_all_old_rows_whatever_new_ones_do(
    parent: Codec, extended: Codec, replaced: Codec
) -> None:
    """Old ids are their own rows; new ones have none."""
    assert extends(parent, extended)
    assert not extends(parent, replaced)
    rows = matches(parent, extended, "random").tolist()
    assert rows[: parent.pad] == list(range(parent.pad))
    assert set(rows[parent.pad :]) == {NO_ROW}


def test_a_match_is_the_same_piece(parent: Codec, replaced: Codec) -> None:
    """Found by its letters, wherever it stands."""
    rows = matches(parent, replaced, "match")
    assert 0 < (rows == NO_ROW).sum() < replaced.pad
    for index, row in enumerate(rows):
        piece = replaced.spm.id_to_piece(index)
        assert (row == NO_ROW) == (parent.spm.piece_to_id(piece) == 1 and piece != "<unk>")
        assert row == NO_ROW or parent.spm.id_to_piece(int(row)) == piece


def test_the_random_control_takes_over_specials_alone(parent: Codec, replaced: Codec) -> None:
    """Eos, unk and the tag that both have; even common letters begin at random."""
    rows = matches(parent, replaced, "random")
    kept = [replaced.spm.id_to_piece(i) for i, row in enumerate(rows) if row != NO_ROW]
    assert kept == ["</s>", "<unk>", ">>eng<<"]
    assert [replaced.spm.id_to_piece(i) for i in tags(replaced)] == [">>eng<<", ">>swa<<"]


def test_shares_are_those_of_a_recount(parent: Codec, replaced: Codec, tongues: Rows) -> None:
    """By type over the vocabulary, by occurrence over the text, fertility over its words."""
    swahili = [row[1] for row in tongues[:20]]
    seen = preview(parent, replaced, {"sw": swahili}, "match")
    known = {piece.text for piece in pieces(parent)}
    used = [piece for text in swahili for piece in replaced.spm.encode(text, out_type=str)]
    old = [piece for text in swahili for piece in parent.spm.encode(text, out_type=str)]
    words = sum(len(text.split()) for text in swahili)
    language = seen.languages["sw"]
    own = [piece.text for piece in pieces(replaced)]
    assert seen.by_type == pytest.approx(sum(p in known for p in own) / len(own))
    assert seen.copied == sum(p in known for p in own)
    assert language.covered == pytest.approx(sum(p in known for p in used) / len(used))
    assert language.before.pieces_per_word == pytest.approx(len(old) / words)
    assert language.after.pieces_per_word == pytest.approx(len(used) / words)
    spelt = sum(piece.startswith("<0x") for piece in old) / len(old)
    assert language.before.spelt_out == pytest.approx(spelt)
    assert spelt > 0 == language.after.spelt_out


def test_aligned_rows_count_as_rows_of_the_parent(
    parent: Codec, replaced: Codec, tongues: Rows
) -> None:
    """With all of them aligned everything is covered; with rows at random nothing is."""
    texts = {"sw": [row[1] for row in tongues[:20]]}
    bare = [i for i, row in enumerate(matches(parent, replaced, "match")) if row == NO_ROW]
    aligned = preview(parent, replaced, texts, "align", bare)
    assert (aligned.by_type, aligned.languages["sw"].covered) == (1, 1)
    assert aligned.aligned == len(bare)
    assert preview(parent, replaced, texts, "random").languages["sw"].covered == 0


def test_sentences_that_are_cut_anew_are_counted(parent: Codec, extended: Codec) -> None:
    """One of four here; a vocabulary against itself changes none."""
    text = {"en": ["the baker", "two lamps", "the long rope", "mtu mrefu"]}
    assert preview(parent, extended, text, "random").languages["en"].changed == 0.25
    assert preview(parent, parent, text, "match").languages["en"].changed == 0


def test_a_person_reads_it_in_a_few_lines(parent: Codec, extended: Codec, tongues: Rows) -> None:
    """Sizes in the first, then a heading and a line for each language with text."""
    texts = {"en": [row[0] for row in tongues], "sw": [row[1] for row in tongues], "fr": []}
    lines = preview(parent, extended, texts, "random").as_lines()
    assert lines[0].startswith(
        f"vocabulary: {parent.pad + 1} pieces -> {extended.pad + 1}; {parent.pad} rows copied"
    )
    assert [line.split()[0] for line in lines[2:]] == ["en", "sw"]
    assert len({len(line) for line in lines[1:]}) == 1


def test_the_report_gets_it_as_json(parent: Codec, extended: Codec, tongues: Rows) -> None:
    """And back."""
    seen = preview(parent, extended, {"sw": [row[1] for row in tongues]}, "random")
    assert Preview.of_dict(json.loads(json.dumps(seen.as_dict()))) == seen


def test_empty_text_is_no_fault(parent: Codec) -> None:
    """A sentence of spaces has no words and no pieces."""
    seen = preview(parent, parent, {"en": [" "]}, "match").languages["en"]
    assert (seen.covered, seen.before.pieces_per_word) == (0, 0)
