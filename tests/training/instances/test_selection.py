"""Selection: text like the sample comes first, shares and sums are right, the same seed chooses
the same."""

from __future__ import annotations

import random
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingraft.training.errors import DataError
from lingraft.training.instances.influences import influences
from lingraft.training.instances.selection import Selected, resample, select, visits
from lingraft.training.recipe.instances import Method, Selection

Row = tuple[str, ...]
METHODS: tuple[Method, ...] = ("cross-entropy-difference", "ngram-importance")

_FARM = [
    f"{who} {does} {what}"
    for who, does, what in product(
        ("the farmer", "my sister", "our neighbour", "a boy"),
        ("waters", "sells", "plants", "weighs", "carries"),
        ("ripe tomatoes", "a sack of maize", "the young trees", "sweet onions", "fresh eggs"),
    )
]
_SCREEN = [
    f"{act} {thing} {where}"
    for act, thing, where in product(
        ("click to open", "save", "cannot delete", "please rename"),
        ("this file", "the selected folder", "your password", "an image", "the page"),
        ("in the menu", "on the server", "from the list", "before closing", "again"),
    )
]
_DRAW = random.Random(11)
_DRAW.shuffle(_FARM)
SAMPLE: list[Row] = [(text, "x") for text in _FARM[:50]]
IN_DOMAIN = [(text, text[::-1]) for text in _FARM[50:]]  # 50 of 150 rows
ROWS: list[Row] = [*((text, text[::-1]) for text in _SCREEN), *IN_DOMAIN]
_DRAW.shuffle(ROWS)
PLANTED = np.array([row in IN_DOMAIN for row in ROWS])


def _select(method: Method, seed: int = 1, **settings: object) -> Selected:
    rule = Selection.model_validate({"method": method, "keep": 1 / 3, **settings})
    return select(ROWS, SAMPLE, rule, seed)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("unit", ["word", "character"])
def test_planted_sentences_come_before_the_others(method: Method, unit: str) -> None:
    """Each scores above nearly all others, and nearly all that is kept is theirs."""
    chosen = _select(method, unit=unit)
    above = chosen.scores[PLANTED][:, None] > chosen.scores[~PLANTED][None, :]
    assert above.mean() > 0.99
    assert PLANTED[chosen.indices].mean() > 0.9


@pytest.mark.parametrize("method", METHODS)
def test_the_kept_share_is_right(method: Method) -> None:
    """Rows in order, none twice, with weights that say so."""
    chosen = _select(method, keep=0.2)
    assert len(chosen.indices) == 30
    assert (np.diff(chosen.indices) > 0).all()
    assert chosen.weights.sum() == 30
    assert (chosen.weights[chosen.indices] == 1).all()
    assert chosen.effective == pytest.approx(30)
    assert len(_select(method, keep=1.0).indices) == len(ROWS)


@pytest.mark.parametrize("method", METHODS)
def test_weights_sum_to_the_kept_share_and_favour_what_is_alike(method: Method) -> None:
    """Every row keeps some; the rows to train on follow the weights."""
    chosen = _select(method, weight=True, keep=0.5)
    assert chosen.weights.sum() == pytest.approx(75)
    assert (chosen.weights > 0).all()
    assert chosen.weights[PLANTED].mean() > 3 * chosen.weights[~PLANTED].mean()
    counts = np.bincount(chosen.indices, minlength=len(ROWS))
    assert len(chosen.indices) == 75
    assert (np.abs(counts - chosen.weights) < 1).all()
    assert chosen.effective < len(ROWS)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("weight", [False, True])
def test_the_same_seed_chooses_the_same(method: Method, weight: bool) -> None:
    """To the last bit."""
    first, again = (_select(method, seed=7, weight=weight) for _ in range(2))
    assert first.scores.tolist() == again.scores.tolist()
    assert first.indices.tolist() == again.indices.tolist()


def test_importance_draws_where_the_difference_sorts() -> None:
    """Another seed draws other rows of like weight; Gumbel's noise is what does it."""
    one, other = (_select("ngram-importance", seed=seed, keep=0.1) for seed in (1, 2))
    assert one.scores.tolist() == other.scores.tolist()
    assert one.indices.tolist() != other.indices.tolist()
    best = _select("cross-entropy-difference", keep=0.1)
    assert set(best.indices) == set(np.argsort(-best.scores, kind="stable")[:15])


@pytest.mark.parametrize("method", METHODS)
def test_the_side_decides_what_is_compared(method: Method) -> None:
    """Target sides that all look alike tell nothing; both sides add up."""
    sample = [("x", row[0]) for row in SAMPLE]
    turned = [(row[1], row[0]) for row in ROWS]
    rule = Selection(method=method, keep=1 / 3, side="target")
    assert PLANTED[select(turned, sample, rule, 1).indices].mean() > 0.9
    pairs = [(row[0], row[0]) for row in ROWS]
    twice = [(row[0], row[0]) for row in SAMPLE]
    both = select(pairs, twice, Selection(method=method, side="both"), 1)
    one = select(pairs, twice, Selection(method=method, side="source"), 1)
    assert both.scores == pytest.approx(2 * one.scores)


def test_helpful_and_harmful_examples_are_listed() -> None:
    """By number, with their cells or without, equal rows once."""
    rows = [("good", "1"), ("bad", "2"), ("good", "1"), ("fair", "3")]
    told = influences(np.array([0.9, -1.0, 0.9, 0.1]), rows, 2)
    assert [(e.index, e.cells) for e in told.helpful] == [(2, rows[2]), (3, rows[3])]
    assert [(e.index, e.score) for e in told.harmful] == [(1, -1.0), (3, 0.1)]
    silent = influences(np.array([0.9, -1.0, 0.9, 0.1]), rows, 2, sentences=False)
    assert [e.cells for e in silent.helpful] == [None, None]
    chosen = _select("cross-entropy-difference", list_examples=5, show_sentences=False)
    assert all(PLANTED[e.index] for e in chosen.influences.helpful)
    assert not any(PLANTED[e.index] or e.cells for e in chosen.influences.harmful)


@given(st.lists(st.floats(-30, 30), min_size=1, max_size=40), st.integers(1, 200))
def test_visits_sum_and_rows_follow_them(scores: list[float], total: int) -> None:
    """As many rows as the weights sum to, each its weight rounded up or down."""
    weights = visits(np.array(scores), total)
    assert weights.sum() == pytest.approx(total)
    rows = resample(weights, np.random.default_rng(3))
    assert len(rows) == total
    assert (np.abs(np.bincount(rows, minlength=len(scores)) - weights) < 1 + 1e-6).all()


def test_what_cannot_be_compared_is_refused() -> None:
    """With what is lacking."""
    rule = Selection()
    with pytest.raises(DataError, match="no parent text to choose from, or no target sample"):
        select([], SAMPLE, rule, 1)
    with pytest.raises(DataError, match="has no words"):
        select(ROWS, [("...", "x")], rule, 1)
    with pytest.raises(DataError, match="no word stands in the target sample twice"):
        select(ROWS, [("each word once", "x")], rule, 1)


@pytest.mark.parametrize("method", METHODS)
def test_few_rows_and_empty_texts_have_scores(method: Method) -> None:
    """One row; a row of punctuation beside others."""
    rule = Selection(method=method, keep=0.1)
    assert select(ROWS[:1], SAMPLE, rule, 1).indices.tolist() == [0]
    assert np.isfinite(select([*ROWS[:5], ("?!", "x")], SAMPLE, rule, 1).scores).all()
