"""The table that stands beside a classifier's encoder: fitted to the end, and used as fitted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

from lingraft.training.experiment.bayes import complement
from lingraft.training.experiment.counting import Counted, count_letters
from lingraft.training.experiment.labels import Labels, encode_rows, load_labels
from lingraft.training.models.tensors import pad_rows
from lingraft.training.parents.find import find_parent
from lingraft.training.recipe.recipes import ClassifyRecipe
from lingraft.training.recipe.wide import Wide
from lingraft.training.vocabulary.codec import Codec

Fitted = tuple[Counted, Labels, Codec, ClassifyRecipe]


@pytest.fixture(scope="module")
def fitted(toy: Any) -> Fitted:
    """A table of the toy's labels."""
    recipe = toy.recipe("wide")
    labels, codec = load_labels(recipe), find_parent(recipe.parent).codec
    counted = count_letters(recipe, codec, labels)
    assert counted is not None
    return counted, labels, codec, recipe


def test_it_knows_the_word_that_decides(fitted: Fitted) -> None:
    """On texts that it was neither fitted nor chosen on; the choice is the best that was tried."""
    counted, labels, codec, recipe = fitted
    for part in labels.test:
        found = counted.logits(encode_rows(codec, part.rows, recipe.training.max_tokens))
        right = found.argmax(axis=1) == labels.indices(part.rows)
        assert right.mean() > 0.9
    scores = dict(counted.trials)
    assert scores[counted.inverse_penalty] == max(scores.values())


def test_the_model_has_the_logits_that_were_fitted(fitted: Fitted) -> None:
    """Counted with NumPy and with PyTorch alike, a text of one piece and of none too."""
    counted, labels, codec, _ = fitted
    ids = [*encode_rows(codec, labels.select, 40), [0], [5, 0]]
    table = counted.table(codec.pad, 2.0)
    found = table(pad_rows(ids, codec.pad)).numpy()
    np.testing.assert_allclose(found, 2 * counted.logits(ids), rtol=1e-4, atol=1e-5)


def test_what_occurs_nowhere_says_nothing(fitted: Fitted) -> None:
    """Rows of n-grams that no training text has stay zero."""
    counted, labels, codec, recipe = fitted
    ids = encode_rows(codec, labels.train, recipe.training.max_tokens)
    seen = sorted({int(b) for row in ids for b in counted.words.shares(np.asarray(row))[0]})
    unseen = np.setdiff1d(np.arange(counted.words.ngrams.buckets), seen)
    assert not counted.rows[unseen].any()
    assert counted.rows[seen].any()


def test_naive_bayes_weighs_in_as_much_as_it_is_asked_to(toy: Any, fitted: Fitted) -> None:
    """A hundredfold it is all that is heard; it tells the labels apart, and no unseen n-gram."""
    counted, labels, codec, recipe = fitted
    ids = encode_rows(codec, labels.select, recipe.training.max_tokens)
    tables = {}
    for weight in (0.01, 1.0, 100.0):
        made = toy.recipe("wide", wide=Wide(bayes=weight))
        table = count_letters(made, codec, labels)
        assert table is not None
        right = table.logits(ids).argmax(axis=1) == labels.indices(labels.select)
        assert right.mean() > 0.7
        assert not table.rows[~counted.rows.any(axis=1)].any()
        tables[weight] = table.logits(ids).ravel()
    logistic = counted.logits(ids).ravel()
    alike = [np.corrcoef(logistic, found)[0, 1] for found in tables.values()]
    assert alike == sorted(alike, reverse=True)
    assert alike[0] > 0.999


def test_least_squares_find_the_same_words(toy: Any, fitted: Fitted) -> None:
    """They say much the same as logistic regression does, and nothing of unseen n-grams."""
    counted, labels, codec, recipe = fitted
    table = count_letters(toy.recipe("wide", wide=Wide(squares=True)), codec, labels)
    assert table is not None
    assert table.inverse_penalty < 1
    ids = encode_rows(codec, labels.select, recipe.training.max_tokens)
    found, logistic = table.logits(ids), counted.logits(ids)
    assert (found.argmax(axis=1) == labels.indices(labels.select)).mean() > 0.9
    assert np.corrcoef(found.ravel(), logistic.ravel())[0, 1] > 0.8
    assert not table.rows[~counted.rows.any(axis=1)].any()


def test_a_label_with_few_texts_is_heard() -> None:
    """Even, naive Bayes says of every label as much, though one has a sixth of the others' texts.

    Which n-gram tells of which label stays as it is.
    """
    labels = np.repeat([0, 1, 2], [5, 30, 30])
    drawn = np.random.default_rng(1).random((len(labels), 40)) < 0.3
    own = np.arange(40)[None, :] % 3 == labels[:, None]
    counts = csr_array((drawn | (own & (np.arange(40) < 9))).astype(float))
    alone, even = (complement(counts, list(labels), even=each) for each in (False, True))
    spreads = [np.asarray(counts @ rows).std(axis=0) for rows in (alone, even)]
    assert spreads[0].min() == spreads[0][0] < 0.9 * spreads[0].max()
    np.testing.assert_allclose(spreads[1], spreads[0].mean())
    assert (np.sign(alone) == np.sign(even)).all()


def test_a_recipe_without_a_wide_part_has_none(toy: Any) -> None:
    """The encoder stands alone."""
    recipe = toy.recipe("wide", wide=None)
    assert count_letters(recipe, find_parent(recipe.parent).codec, load_labels(recipe)) is None
