"""The wide part: which n-grams of letters count, and for how much."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from lingraft.training.models.classifier import SequenceClassifier, logits
from lingraft.training.models.marian import new_model
from lingraft.training.models.tensors import pad_rows
from lingraft.training.models.wide import WideTable
from lingraft.training.recipe.settings import Shape
from lingraft.training.vocabulary.codec import Codec, codec_of, trained_spm
from lingraft.training.vocabulary.ngrams import NGrams
from lingraft.training.vocabulary.spelling import spelling_of
from lingraft.training.vocabulary.words import WordNGrams

SHAPE = Shape(d_model=16, ffn=16, heads=2, encoder_layers=1, decoder_layers=1)
TEXTS = ["the kettle sings, the kettle sings", "Ọmọ náà", "", "a", "हाय", "win win win 100 £"]


@pytest.fixture(scope="module")
def codec() -> Codec:
    """A small vocabulary of English with byte fallback."""
    sentences = ["The kettle sings.", "A lamp in the house.", "She sings, and the house is empty."]
    return codec_of(trained_spm(sentences, 320, ("en",), at_most=True))


def _rows(codec: Codec, texts: list[str]) -> list[list[int]]:
    return [codec.encode_target(text, "en") for text in texts]


def _table(codec: Codec, orders: int = 3, bits: int = 12) -> WideTable:
    torch.manual_seed(5)
    words = WordNGrams(NGrams(orders, bits), spelling_of(codec))
    return WideTable(words, torch.randn(words.ngrams.buckets, 3), codec.pad)


def _ngrams(text: str, orders: int) -> Counter[str]:
    """Those of a text that have no space but at their ends, from its letters as they are read."""
    letters = "".join([" ", *(" ".join(text.split()).lower()), " "]) if text else " "
    places = ((at, n) for n in range(1, orders + 1) for at in range(len(letters) - n + 1))
    found = (letters[at : at + n] for at, n in places)
    return Counter(each for each in found if " " not in each[1:-1])


def test_ngrams_inside_words_count_as_tfidf_counts_them(codec: Codec) -> None:
    """Reckoned letter by letter: 1 + ln n each, over the root of the sum."""
    wide = _table(codec, orders=4, bits=20)  # so many buckets that these few share none
    for text, row in zip(TEXTS, _rows(codec, TEXTS), strict=True):
        buckets, shares = wide.words.shares(np.array(row))
        counted = _ngrams(text, 4)
        assert len(buckets) == len(counted), text
        weights = [1 + np.log(n) for n in counted.values()]
        expected = sorted(np.array(weights) / np.sqrt(sum(weights)))
        np.testing.assert_allclose(np.sort(shares), expected, rtol=1e-12)


def test_the_logits_are_the_sum_of_the_rows_times_their_shares(codec: Codec) -> None:
    """Over a padded batch as text by text."""
    wide, rows = _table(codec), _rows(codec, TEXTS)
    table, expected = wide.table.numpy(), []
    for row in rows:
        buckets, shares = wide.words.shares(np.array(row))
        expected.append(shares @ table[buckets])
    found = wide(pad_rows(rows, codec.pad)).numpy()
    np.testing.assert_allclose(found, np.stack(expected), rtol=1e-4, atol=1e-5)


def test_a_text_has_the_same_logits_in_any_company(codec: Codec) -> None:
    """Whatever the padding beside it."""
    wide, rows = _table(codec), _rows(codec, TEXTS)
    together = wide(pad_rows([*rows, rows[0] * 5], codec.pad))[: len(rows)]
    alone = torch.cat([wide(pad_rows([row], codec.pad)) for row in rows])
    torch.testing.assert_close(together, alone)


def test_what_stands_beside_a_word_changes_nothing_that_is_counted_of_it(codec: Codec) -> None:
    """Words in another order are the same n-grams, of any order."""
    wide = _table(codec, orders=5)
    forth, back = _rows(codec, ["the kettle sings", "sings the kettle"])
    torch.testing.assert_close(
        wide(pad_rows([forth], codec.pad)), wide(pad_rows([back], codec.pad))
    )


def test_a_table_is_added_and_the_head_weighed_in_the_model_itself(codec: Codec) -> None:
    """So that what is exported is their weighted sum, and needs to know nothing of weights."""
    encoder = new_model(SHAPE, codec.pad + 1, seed=1).model.encoder
    model = SequenceClassifier(encoder, 3, codec.pad, 0.0)
    torch.nn.init.normal_(model.head.bias)
    rows = _rows(codec, TEXTS)
    head, wide = logits(model, rows), _table(codec)
    model.count(wide, 0.5)
    table = wide(pad_rows(rows, codec.pad)).numpy()
    known = np.array([[wide.words.spelling.known(np.array(row))] for row in rows])
    np.testing.assert_allclose(
        logits(model, rows), 0.5 * known * head + table, rtol=1e-4, atol=1e-5
    )


def test_the_less_of_a_text_has_pieces_the_less_the_encoder_has_to_say(codec: Codec) -> None:
    """Whole words of the vocabulary's language: all of it; another script, spelt by bytes: only
    what its spaces and its end are."""
    spelling = spelling_of(codec)
    shares = [spelling.known(np.array(row)) for row in _rows(codec, ["the kettle", "हाय", ""])]
    assert shares == [1.0, pytest.approx(2 / 11), 1.0]  # three letters of three bytes each


def test_no_gradient_step_moves_a_table(codec: Codec) -> None:
    """It is fitted, and part of the state that is kept."""
    wide = _table(codec)
    assert not list(wide.parameters())
    assert set(wide.state_dict()) == {"table"}


def test_no_ngram_of_any_letter_overflows() -> None:
    """Buckets lie in the table for the largest code points that there are."""
    ngrams = NGrams(8, 12)
    for rows in ngrams.by_order(np.full(20, 0x10FFFF)):
        assert ((rows >= 0) & (rows < ngrams.buckets)).all()
