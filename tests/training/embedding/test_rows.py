"""Rows: copied exactly, averaged as by hand, drawn at the parent's scale."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse

from lingraft.training.embedding.rows import mixture, new_rows
from lingraft.training.parents.find import ParentModel
from lingraft.training.vocabulary.codec import Codec, codec_of, trained_spm
from lingraft.training.vocabulary.matching import NO_ROW, matches

WIDTH = 8
Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def child(pairs: list[tuple[str, str]]) -> Codec:
    """A new vocabulary of both languages, with a tag that the parent lacks."""
    text = [side for row in pairs for side in row]
    return codec_of(trained_spm(text, 400, ["en", "ee"], at_most=True))


@pytest.fixture(scope="module")
def old(parent: ParentModel) -> Floats:
    """Rows of the parent's pieces, far from zero mean and of different scale by column."""
    draw = np.random.default_rng(1)
    rows = draw.normal(3.0, np.arange(1, WIDTH + 1), (parent.codec.pad + 1, WIDTH))
    rows[-1] = 0
    return rows.astype(np.float32)


def _bare(parent: ParentModel, child: Codec) -> list[int]:
    return [i for i, row in enumerate(matches(parent.codec, child, "match")) if row == NO_ROW]


def _alignment(parent: ParentModel, child: Codec, cells: dict[tuple[int, int], float]) -> object:
    table = sparse.lil_array((child.pad, parent.codec.pad))
    for place, value in cells.items():
        table[place] = value
    return table.tocsr()


def test_matched_rows_are_copied_exactly(parent: ParentModel, child: Codec, old: Floats) -> None:
    """By piece, to the last bit, wherever the piece stands now."""
    mixed = mixture(parent.codec, child, "match")
    made = new_rows(old, mixed, (1,))
    copied = 0
    for index in range(child.pad):
        piece = child.spm.id_to_piece(index)
        theirs = parent.codec.spm.piece_to_id(piece)
        if theirs != 1 or piece == "<unk>":
            assert (made[index] == old[theirs]).all()
            copied += 1
    assert copied == mixed.copied > 250


def test_padding_is_last_and_zero(parent: ParentModel, child: Codec, old: Floats) -> None:
    """Whatever the parent's padding row holds."""
    made = new_rows(old + 1, mixture(parent.codec, child, "match"), (1,))
    assert made.shape == (child.pad + 1, WIDTH)
    assert not made[-1].any()


def test_an_aligned_row_is_the_weighted_mean(
    parent: ParentModel, child: Codec, old: Floats
) -> None:
    """A quarter of one row and three quarters of another."""
    piece = _bare(parent, child)[-1]
    table = _alignment(parent, child, {(piece, 270): 0.25, (piece, 280): 0.75})
    mixed = mixture(parent.codec, child, "align", table)
    assert mixed.aligned == (piece,)
    expected = 0.25 * old[270] + 0.75 * old[280]
    np.testing.assert_allclose(new_rows(old, mixed, (1,))[piece], expected, rtol=1e-6)


def test_temperature_sharpens_and_flattens(parent: ParentModel, child: Codec) -> None:
    """Weights to the power of 1/temperature: 1:3 becomes 1:9 at one half, 1:sqrt 3 at two."""
    piece = _bare(parent, child)[-1]
    table = _alignment(parent, child, {(piece, 270): 0.25, (piece, 280): 0.75})
    for temperature, ratio in ((1.0, 3), (0.5, 9), (2.0, 3**0.5)):
        row = mixture(parent.codec, child, "align", table, temperature).weights[[piece]].toarray()
        assert row[0, 280] / row[0, 270] == pytest.approx(ratio)
        assert row.sum() == pytest.approx(1)


def test_a_match_comes_before_an_alignment(parent: ParentModel, child: Codec, old: Floats) -> None:
    """What the parent knows by name needs no average."""
    known = int(np.flatnonzero(matches(parent.codec, child, "match") != NO_ROW)[-1])
    table = _alignment(parent, child, {(known, 270): 1.0})
    mixed = mixture(parent.codec, child, "align", table)
    assert known not in mixed.aligned
    theirs = parent.codec.spm.piece_to_id(child.spm.id_to_piece(known))
    assert (new_rows(old, mixed, (1,))[known] == old[theirs]).all()


def test_a_new_tag_is_the_mean_of_the_parents_tags(
    parent: ParentModel, child: Codec, old: Floats
) -> None:
    """In the random control too: a tag is no piece of the text."""
    tags = [parent.codec.tag_id(code) for code in ("en", "fr")]
    for rows in ("match", "random"):
        mixed = mixture(parent.codec, child, rows)
        assert mixed.tags == 1
        made = new_rows(old, mixed, (1,))[child.tag_id("ee")]
        np.testing.assert_allclose(made, old[tags].mean(axis=0), rtol=1e-6)


def test_the_random_control_draws_all_but_specials(
    parent: ParentModel, child: Codec, old: Floats
) -> None:
    """Those that match as well; it copies eos, unk and the common tag."""
    mixed = mixture(parent.codec, child, "random")
    assert mixed.counts() == {
        "copied": 3,
        "aligned": 0,
        "mean_of_tags": 1,
        "random": child.pad - 4,
    }
    made = new_rows(old, mixed, (1,))
    letter = child.spm.piece_to_id("<0x41>")
    assert (made[letter] != old[parent.codec.spm.piece_to_id("<0x41>")]).all()


def test_counts_add_up_to_the_vocabulary(parent: ParentModel, child: Codec) -> None:
    """Every row begins in exactly one way."""
    table = _alignment(parent, child, {(_bare(parent, child)[-1], 270): 1.0})
    for mixed in (
        mixture(parent.codec, child, "match"),
        mixture(parent.codec, child, "align", table),
    ):
        assert sum(mixed.counts().values()) == child.pad


def test_drawn_rows_have_the_parents_mean_and_covariance(parent: ParentModel) -> None:
    """On a parent whose columns depend on each other, and on more draws than a test has pieces."""
    draw = np.random.default_rng(4)
    mixing = draw.normal(size=(3, 3))
    old = np.vstack([draw.normal(size=(500, 3)) @ mixing + [1, -2, 5], np.zeros((1, 3))])

    class _AllRandom:
        weights = sparse.csr_array((20000, 500))

    made = new_rows(old, _AllRandom(), (9,))[:-1]  # type: ignore[arg-type]
    np.testing.assert_allclose(made.mean(axis=0), old[:-1].mean(axis=0), atol=0.1)
    expected = np.cov(old[:-1], rowvar=False)
    np.testing.assert_allclose(np.cov(made, rowvar=False), expected, atol=0.05 * expected.max())


def test_the_seed_decides_the_draws(parent: ParentModel, child: Codec, old: Floats) -> None:
    """The same one gives the same rows, another one others."""
    mixed = mixture(parent.codec, child, "random")
    assert (new_rows(old, mixed, (1, 2)) == new_rows(old, mixed, (1, 2))).all()
    assert (new_rows(old, mixed, (1, 2)) != new_rows(old, mixed, (2, 2))).any()
