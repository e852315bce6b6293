"""CKA: what it must not see, what it must see, and which rows it is asked about."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lingraft.training.errors import DataError
from lingraft.training.explain.parts import layers_of, parts_of
from lingraft.training.explain.similarity import linear_cka, similarities, states_of
from lingraft.training.models.classifier import ClassificationLoss
from lingraft.training.models.marian import TranslationLoss

from .conftest import PAD, Batches

States = NDArray[np.float64]


def _random(seed: int, rows: int = 300, dimensions: int = 20) -> States:
    return np.random.default_rng(seed).normal(size=(rows, dimensions))


def _rotation(seed: int, dimensions: int = 20) -> States:
    return np.asarray(np.linalg.qr(_random(seed, dimensions, dimensions))[0])


@pytest.mark.parametrize("debiased", [True, False])
def test_the_same_states_are_alike_whatever_their_axes_scale_and_place(debiased: bool) -> None:
    """1 to rounding: a rotation, a scale and a shift are no change."""
    states = _random(1)
    for same in (states, states @ _rotation(2), -0.01 * states, states + 5.0):
        assert linear_cka(states, same, debiased=debiased) == pytest.approx(1, abs=1e-9)


def test_similarity_to_others_does_not_depend_on_axes_or_scale() -> None:
    """And a stretch of one axis, which no rotation makes, is seen."""
    states = _random(1)
    noisy = states + 0.7 * _random(2)
    before = linear_cka(states, noisy)
    assert linear_cka(3 * states @ _rotation(3), noisy @ _rotation(4)) == pytest.approx(before)
    assert 0.5 < before < 0.9
    stretched = states * np.array([10.0] + [1.0] * 19)
    assert linear_cka(states, stretched) < 0.5


def test_independent_states_are_unlike_only_when_debiased() -> None:
    """The plain index calls noise alike where there are few rows for each dimension."""
    left, right = _random(1, 300, 100), _random(2, 300, 100)
    assert abs(linear_cka(left, right)) < 0.02
    assert linear_cka(left, right, debiased=False) > 0.2


def test_the_debiased_index_is_that_of_its_definition() -> None:
    """By the unbiased HSIC over whole similarity matrices, diagonals taken out (Song et al.)."""

    def hsic(x: States, y: States) -> float:
        k, l = x @ x.T, y @ y.T  # noqa: E741
        n = len(k)
        np.fill_diagonal(k, 0)
        np.fill_diagonal(l, 0)
        first = np.trace(k @ l) + k.sum() * l.sum() / ((n - 1) * (n - 2))
        return float(first - 2 * (k.sum(0) @ l.sum(0)) / (n - 2)) / (n * (n - 3))

    left = _random(1, 30, 8)
    right = left[:, :5] + _random(2, 30, 5)
    expected = hsic(left, right) / np.sqrt(hsic(left, left) * hsic(right, right))
    assert linear_cka(left, right) == pytest.approx(expected, abs=1e-12)


def test_states_that_do_not_vary_have_no_similarity() -> None:
    """Not a number, rather than a figure that means nothing; and three rows are refused."""
    assert np.isnan(linear_cka(np.ones((10, 3)), _random(1, 10, 3)))
    with pytest.raises(DataError, match="too few to compare"):
        linear_cka(_random(1, 3), _random(2, 3))


def test_a_model_is_like_itself_in_every_part_and_unlike_from_where_it_changed(
    translator: TranslationLoss, batches: Batches
) -> None:
    """A change in encoder layer 1 leaves all below it as it was."""
    parts = (*parts_of(translator), *layers_of(translator))

    def read() -> dict[str, States]:
        return states_of(translator, parts, batches, pad=PAD)

    before = read()
    assert similarities(before, read()) == pytest.approx(dict.fromkeys(before, 1.0), abs=1e-9)
    with torch.no_grad():
        translator.model.model.encoder.layers[1].fc2.weight.normal_()
    after = similarities(before, read())
    same = {name for name, value in after.items() if abs(value - 1) < 1e-9}
    assert same == {
        "embeddings",
        "encoder.0",
        "encoder.0.self_attention",
        "encoder.0.ffn",
        "encoder.1.self_attention",
        "decoder.0.self_attention",
    }


def test_rows_are_tokens_or_sentences_and_padding_is_no_row(
    translator: TranslationLoss, batches: Batches
) -> None:
    """Encoder parts have source tokens, decoder parts target tokens; the limit is kept."""
    layers = layers_of(translator)
    tokens = states_of(translator, layers, batches, pad=PAD)
    real = sum(int((batch["source"] != PAD).sum()) for batch in batches)
    assert {name: len(states) for name, states in tokens.items()} == {
        "encoder.0": real,
        "encoder.1": real,
        "decoder.0": sum(int((batch["labels"] >= 0).sum()) for batch in batches),
    }
    few = states_of(translator, layers, batches, pad=PAD, limit=50)
    assert {len(states) for states in few.values()} == {50}
    sentences = states_of(translator, layers, batches, pad=PAD, rows="sentences")
    assert {states.shape for states in sentences.values()} == {(40, 16)}
    first = int((batches[0]["source"][0] != PAD).sum())
    np.testing.assert_allclose(
        sentences["encoder.1"][0], tokens["encoder.1"][:first].mean(axis=0), atol=1e-6
    )


def test_reading_states_changes_nothing(translator: TranslationLoss, batches: Batches) -> None:
    """No hook stays behind, and dropout is off while reading, on afterwards."""
    layers = layers_of(translator)
    first, second = (states_of(translator, layers, batches, pad=PAD) for _ in range(2))
    for name, states in first.items():
        np.testing.assert_array_equal(states, second[name])
    assert all(module.training for module in translator.modules())
    assert not any(module._forward_hooks for module in translator.modules())
    assert not any(module._forward_pre_hooks for module in translator.modules())


def test_a_classifier_has_its_encoder_layers(
    classifier: ClassificationLoss, labelled: Batches
) -> None:
    """And a head, which has weights but no states by position."""
    assert [part.name for part in layers_of(classifier)] == ["encoder.0", "encoder.1"]
    parts = parts_of(classifier)
    assert [part.name for part in parts if part.watch is None] == ["head"]
    found = states_of(classifier, parts, labelled, pad=PAD)
    assert found.keys() == {part.name for part in parts} - {"head"}
