"""The wide part: which n-grams count, and for how much."""

from __future__ import annotations

import numpy as np
import torch

from lingraft.training.models.classifier import SequenceClassifier, logits
from lingraft.training.models.marian import new_model
from lingraft.training.models.tensors import pad_rows
from lingraft.training.models.wide import WideTable
from lingraft.training.recipe.settings import Shape
from lingraft.training.vocabulary.ngrams import NGrams

PAD = 40
SHAPE = Shape(d_model=16, ffn=16, heads=2, encoder_layers=1, decoder_layers=1)
ROWS = [[7, 8, 9, 0], [3, 0], [0], [9] * 12 + [0], [8, 7, 9, 11, 0]]


def _table(orders: int = 3, bits: int = 12) -> WideTable:
    torch.manual_seed(5)
    ngrams = NGrams(orders, bits)
    return WideTable(ngrams, torch.randn(ngrams.buckets, 3), PAD)


def test_the_logits_are_the_sum_of_the_rows_over_the_root_of_their_number() -> None:
    """Reckoned text by text; the end counts in no n-gram, and a text of nothing has none."""
    wide = _table()
    table = wide.table.detach().numpy()
    expected = []
    for row in ROWS:
        pieces = np.array(row[:-1], np.int64)
        rows = wide.ngrams.rows(pieces) if len(pieces) else np.zeros(0, np.int64)
        expected.append(table[rows].sum(axis=0) / np.sqrt(max(len(rows), 1)))
    found = wide(pad_rows(ROWS, PAD)).detach().numpy()
    np.testing.assert_allclose(found, np.stack(expected), rtol=1e-5, atol=1e-5)


def test_a_text_has_the_same_logits_in_any_company() -> None:
    """Whatever the padding beside it."""
    wide = _table()
    together = wide(pad_rows([*ROWS, [5] * 30 + [0]], PAD))[: len(ROWS)]
    alone = torch.cat([wide(pad_rows([row], PAD)) for row in ROWS])
    torch.testing.assert_close(together, alone)


def test_the_order_of_pieces_counts_from_pairs_on() -> None:
    """Unigrams alone are a bag."""
    forth, back = pad_rows([[7, 8, 9, 0]], PAD), pad_rows([[9, 8, 7, 0]], PAD)
    torch.testing.assert_close(_table(1)(forth), _table(1)(back))
    assert not torch.allclose(_table(2)(forth), _table(2)(back))


def test_a_table_is_added_and_the_head_weighed_in_the_model_itself() -> None:
    """So that what is exported is their weighted sum, and needs to know nothing of weights."""
    encoder = new_model(SHAPE, PAD + 1, seed=1).model.encoder
    model = SequenceClassifier(encoder, 3, PAD, 0.0)
    torch.nn.init.normal_(model.head.bias)
    head, wide = logits(model, ROWS), _table()
    model.count(wide, 0.5)
    table = wide(pad_rows(ROWS, PAD)).numpy()
    np.testing.assert_allclose(logits(model, ROWS), 0.5 * head + table, rtol=1e-4, atol=1e-5)


def test_no_gradient_step_moves_a_table() -> None:
    """It is fitted, and part of the state that is kept."""
    wide = _table()
    assert not list(wide.parameters())
    assert set(wide.state_dict()) == {"table"}


def test_no_ngram_of_any_piece_overflows() -> None:
    """Buckets lie in the table for the largest ids of a vocabulary."""
    wide = _table(8)
    ids = torch.full((1, 20), 300_000)
    assert all(
        bool(((rows >= 0) & (rows < wide.ngrams.buckets)).all())
        for rows in wide.ngrams.by_order(ids)
    )
