"""The wide part: which n-grams count, and for how much."""

from __future__ import annotations

import numpy as np
import torch

from lingraft.training.models.classifier import (
    ClassificationLoss,
    SequenceClassifier,
    logits,
    part_logits,
    weigh_parts,
)
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
    wide = WideTable(NGrams(orders, bits), 3, PAD)
    torch.nn.init.normal_(wide.table)
    return wide


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


def test_a_new_table_changes_nothing() -> None:
    """It begins at zero, and leaves the random numbers of the head alone."""

    def made(ngrams: NGrams | None) -> SequenceClassifier:
        encoder = new_model(SHAPE, PAD + 1, seed=1).model.encoder
        torch.manual_seed(2)
        return SequenceClassifier(encoder, 3, PAD, 0.0, ngrams)

    plain, wide = made(None), made(NGrams(2, 10))
    np.testing.assert_array_equal(logits(plain, ROWS), logits(wide, ROWS))
    assert wide.state_dict().keys() - plain.state_dict().keys() == {"wide.table"}


def _made(ngrams: NGrams | None) -> SequenceClassifier:
    encoder = new_model(SHAPE, PAD + 1, seed=1).model.encoder
    torch.manual_seed(2)
    model = SequenceClassifier(encoder, 3, PAD, 0.0, ngrams)
    if model.wide:
        torch.nn.init.normal_(model.wide.table)
    return model


def test_encoder_and_table_learn_each_from_a_loss_of_its_own() -> None:
    """A table that knows the answer leaves the encoder's gradient as it is, to the last bit."""
    batch = {"source": pad_rows(ROWS, PAD), "labels": torch.tensor([[0], [1], [2], [1], [0]])}
    plain, wide = _made(None), _made(NGrams(2, 10))
    sums = []
    for model in (plain, wide):
        torch.manual_seed(3)  # of the encoder's dropout
        smoothed, of_both = ClassificationLoss(model, 0.1)(batch)
        smoothed.backward()
        sums.append(of_both)
    for (name, alone), (_, beside) in zip(
        plain.named_parameters(), wide.named_parameters(), strict=False
    ):
        if alone.grad is None or beside.grad is None:
            assert alone.grad is beside.grad, name
        else:
            assert torch.equal(alone.grad, beside.grad), name
    assert wide.wide is not None
    assert wide.wide.table.grad is not None
    torch.manual_seed(3)
    expected = torch.nn.functional.cross_entropy(
        wide(batch["source"]), batch["labels"][:, 0], reduction="sum"
    )
    torch.testing.assert_close(sums[1], expected)


def test_parts_are_weighed_in_the_model_itself() -> None:
    """So that what is exported is their weighted sum, and needs to know nothing of weights."""
    model = _made(NGrams(2, 10))
    head, table = part_logits(model, ROWS)
    weigh_parts(model, 0.5, 3.0)
    np.testing.assert_allclose(logits(model, ROWS), 0.5 * head + 3 * table, rtol=1e-4, atol=1e-5)
    assert part_logits(_made(None), ROWS).shape == (1, len(ROWS), 3)


def test_no_ngram_of_any_piece_overflows() -> None:
    """Buckets lie in the table for the largest ids of a vocabulary."""
    wide = _table(8)
    ids = torch.full((1, 20), 300_000)
    assert all(
        bool(((rows >= 0) & (rows < wide.ngrams.buckets)).all())
        for rows in wide.ngrams.by_order(ids)
    )
