"""Alignment: a planted dictionary is found, and EM is EM."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from lingraft.training.vocabulary.align import align, normalised

WORDS = 30
Pairs = list[tuple[list[int], list[int]]]


@pytest.fixture(scope="module")
def dictionary() -> np.ndarray:
    """The parent's word for each of the child's."""
    return np.random.default_rng(5).permutation(WORDS)


@pytest.fixture(scope="module")
def planted(dictionary: np.ndarray) -> Pairs:
    """300 sentences translated word by word, in another order, with noise on the parent's side."""
    draw = np.random.default_rng(6)
    pairs = []
    for _ in range(300):
        child = draw.integers(WORDS, size=draw.integers(3, 9))
        parent = [*draw.permutation(dictionary[child]), draw.integers(WORDS)]
        pairs.append(([int(i) for i in child], [int(i) for i in parent]))
    return pairs


def test_a_planted_dictionary_is_recovered(planted: Pairs, dictionary: np.ndarray) -> None:
    """Every word, and most of its weight is on the right one."""
    weights = align(planted, WORDS, WORDS).weights.toarray()
    assert (weights.argmax(axis=1) == dictionary).all()
    assert weights[np.arange(WORDS), dictionary].min() > 0.8


def test_a_word_of_two_pieces_gets_both(planted: Pairs, dictionary: np.ndarray) -> None:
    """An average over what the word is written with."""
    split = [(child, [p for w in parent for p in (w, w + WORDS)]) for child, parent in planted]
    weights = align(split, WORDS, 2 * WORDS).weights.toarray()
    halves = weights[np.arange(WORDS), dictionary], weights[np.arange(WORDS), dictionary + WORDS]
    np.testing.assert_allclose(halves[0], halves[1], atol=1e-9)
    assert (halves[0] + halves[1]).min() > 0.8


def test_the_likelihood_never_falls(planted: Pairs) -> None:
    """In both directions: what EM guarantees (Dempster et al. 1977)."""
    found = align(planted, WORDS, WORDS, rounds=12)
    for likelihoods in (found.child_given_parent, found.parent_given_child):
        assert len(likelihoods) == 12
        assert all(after > before for before, after in pairwise(likelihoods))


def test_the_first_likelihood_is_that_of_uniform_words(planted: Pairs) -> None:
    """Every child word then has probability 1 / vocabulary."""
    words = sum(len(child) for child, _ in planted)
    first = align(planted, WORDS, WORDS, rounds=1).child_given_parent[0]
    assert first == pytest.approx(words * np.log(1 / WORDS))


def test_two_rounds_are_as_by_hand() -> None:
    """The textbook's blue house, with a null word: pieces 0 and 1 here are 0 and 1 there.

    Round 1: t = 1/2 everywhere. Sentence one (child 0 1, parent 0 1) gives each of the six cells of
    a child word and {0, 1, null} 1/3; sentence two (child 0, parent 0) gives (0, 0) and (0, null)
    1/2. Counts: (0,0) 5/6, (1,0) 1/3, (0,1) 1/3, (1,1) 1/3, (0,null) 5/6, (1,null) 1/3. So
    t(0|0) = t(0|null) = 5/7, t(1|0) = t(1|null) = 2/7, t(0|1) = t(1|1) = 1/2. Round 2, child 0 in
    sentence one: 5/7 + 1/2 + 5/7 = 27/14; child 1: 2/7 + 1/2 + 2/7 = 15/14.
    """
    found = align([([0, 1], [0, 1]), ([0], [0])], 2, 2, rounds=2)
    counts = np.array([[10 / 27 + 1 / 2, 7 / 27], [4 / 15, 7 / 15]])
    agreed = np.sqrt(counts * counts.T)  # the text is symmetric, so the other way is its mirror
    expected = agreed / agreed.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.weights.toarray(), expected, rtol=1e-12)


def test_repeated_words_count_as_often_as_they_stand() -> None:
    """A sentence's words are a bag, not a set."""
    pairs: Pairs = [([0, 0, 1], [0, 1, 1]), ([1], [1]), ([0, 1], [0, 1])]
    found = align(pairs, 2, 2, rounds=1)
    # Uniform t, null counted: 2 x (1/4, 2/4) and 1 x (1/4, 2/4), then 1/2, then 1/3 each.
    up = np.array([[2 / 4 + 1 / 3, 4 / 4 + 1 / 3], [1 / 4 + 1 / 3, 2 / 4 + 1 / 2 + 1 / 3]])
    down = np.array([[2 / 4 + 1 / 3, 1 / 4 + 1 / 3], [4 / 4 + 1 / 3, 2 / 4 + 1 / 2 + 1 / 3]])
    np.testing.assert_allclose(found.weights.toarray(), _rows_to_one(np.sqrt(up * down.T)))


def _rows_to_one(table: np.ndarray) -> np.ndarray:
    return np.asarray(table / table.sum(axis=1, keepdims=True))


def test_weights_of_a_piece_sum_to_one_or_it_has_none(planted: Pairs) -> None:
    """A piece that no pair holds has no weights; neither has one whose partner is empty."""
    found = align([*planted, ([WORDS], [])], WORDS + 2, WORDS)
    sums = found.weights.sum(axis=1)
    np.testing.assert_allclose(sums[:WORDS], 1)
    assert sums[WORDS:].tolist() == [0, 0]
    assert found.sentences == len(planted)


def test_too_much_text_is_thinned_evenly(planted: Pairs, dictionary: np.ndarray) -> None:
    """Every n-th pair, and not the first ones: files stand one behind the other."""
    found = align([*planted[:150], *planted[150:]], WORDS, WORDS, most_links=4000)
    assert 60 <= found.sentences <= 150
    late_only = align([([0], [0])] * 300 + planted, WORDS, WORDS, most_links=4000)
    right = late_only.weights.toarray().argmax(axis=1) == dictionary
    assert right[1:].mean() > 0.9


def test_normalised_drops_what_is_zero() -> None:
    """An explicit zero is no link."""
    from scipy import sparse

    made = normalised(sparse.csr_array(np.array([[1.0, 3.0], [0.0, 0.0]])))
    assert made.toarray().tolist() == [[0.25, 0.75], [0, 0]]
    assert made.nnz == 2
