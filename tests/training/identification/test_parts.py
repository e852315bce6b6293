"""Alphabet, n-grams, made texts, and where "und" begins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lingraft.training.export.graph import serialise
from lingraft.training.export.hashing import HashedTable
from lingraft.training.export.identifier import identifier_graph
from lingraft.training.export.runtime import classify
from lingraft.training.identification.alphabet import (
    DIGIT,
    OTHER,
    SIGN,
    STOP,
    STRANGE,
    Alphabet,
    alphabet_of,
)
from lingraft.training.identification.model import Identifier, settle
from lingraft.training.identification.outliers import Outliers
from lingraft.training.vocabulary.ngrams import NGrams

ALPHABET = Alphabet("abcdeñṣ")


def made(seed: int = 1, longest: int = 40) -> Identifier:
    """An identifier of random weights."""
    random = np.random.default_rng(seed)
    table = random.normal(size=(1 << 9, 3)).astype(np.float32)
    bias = random.normal(size=3).astype(np.float32)
    return Identifier(("xx", "yy", "und"), ALPHABET, NGrams(4, 9), longest, table, bias)


def test_case_does_not_matter_and_unknown_letters_are_all_the_same() -> None:
    """Greek, Hangul and a Latin letter nobody taught look alike; signs are no letters."""
    assert ALPHABET.symbols("Ñ").tolist() == ALPHABET.symbols("ñ").tolist()
    assert set(ALPHABET.symbols("ω한ø").tolist()[1:-1]) == {STRANGE}
    assert set(ALPHABET.symbols("7٣").tolist()) == {OTHER, DIGIT}
    assert set(ALPHABET.symbols("… 😀").tolist()) == {OTHER}
    assert ALPHABET.symbols("_.").tolist() == [OTHER, SIGN, STOP, OTHER]


def test_letters_that_hardly_occur_are_not_of_the_language() -> None:
    """A name from elsewhere must not make its script known."""
    found = alphabet_of({"en": ["a plain line"] * 50 + ["Łódź"], "yo": ["ọjà ṣé"] * 9})
    assert set("plainọàṣé") <= set(found.letters)
    assert not set("łźω") & set(found.letters)


def test_every_ngram_has_a_row() -> None:
    """Of 6 symbols, 6 + 5 + 4 + 3; a text shorter than an n-gram has none of it."""
    ngrams = NGrams(4, 9)
    assert len(ngrams.rows(ALPHABET.symbols("abcd"))) == 18
    assert len(ngrams.rows(ALPHABET.symbols(""))) == 3
    assert ngrams.rows(ALPHABET.symbols("abcd")).max() < ngrams.buckets


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=60), min_size=1, max_size=5))
def test_the_graph_says_what_the_model_says(texts: list[str]) -> None:
    """For any code points, alone or beside longer texts."""
    model = made(longest=100)
    hashed = HashedTable(model.ngrams, model.table)
    graph = identifier_graph(ALPHABET.table, hashed, model.bias)
    rows = [[32, *map(ord, text), 32] for text in texts]
    logits = classify(serialise(graph), rows, 0)
    np.testing.assert_allclose(logits, model.logits(texts), atol=1e-5)


def test_made_texts_are_the_same_under_one_seed_and_say_nothing() -> None:
    """The words of the text that they are made of are gone, its shape is left."""
    texts = ["the farmer sells warm bread"] * 3
    first, second = Outliers(texts, 3), Outliers(texts, 3)
    made_ones = [first.text() for _ in range(200)]
    assert made_ones == [second.text() for _ in range(200)]
    assert all(text.strip() for text in made_ones)
    assert sum("farmer sells" in text for text in made_ones) < 5
    assert sum(list(map(len, text.split())) == [3, 6, 5, 4, 5] for text in made_ones) > 50


def test_texts_with_accents_of_their_own_are_not_made_into_strangers() -> None:
    """They would teach that a language with accents is none."""
    made_ones = Outliers(["ọjà ṣé ẹran", "warm bread"], 1)
    assert not any(set("ọṣẹ") & set(made_ones.text()) for _ in range(300))


def test_the_more_strangers_are_expected_the_more_are_und() -> None:
    """The share decides where a language ends, and probabilities are calibrated for it."""
    model = made()
    known, strange = [("abc", "xx"), ("cab", "yy"), ("ade", "xx")], ["zzz", "b7", "qq"]
    shares = []
    for share in (0.1, 0.5, 0.9):
        logits = settle(model, known, strange, share).logits([text for text, _ in known])
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares.append(float((raised / raised.sum(axis=1, keepdims=True))[:, 2].mean()))
    assert shares == sorted(shares)
    assert shares[0] < shares[2]


def test_only_the_beginning_of_a_long_text_is_read() -> None:
    """Answers take a bounded time."""
    model = made(longest=5)
    assert model.logits(["abcde" + "ñ" * 50]) == pytest.approx(model.logits(["abcde"]))
