"""Operators of encoders: attention of whole texts, and feed-forward layers."""

from __future__ import annotations

import numpy as np
import pytest

from lingraft.server.engines import kernels

from .conftest import ACTIVATIONS, Array, run, softmax, weights

pytestmark = pytest.mark.skipif(
    kernels.library() is None,
    reason="this processor has no AVX2, or the operators were not compiled",
)

K, HEADS = 48, 3
LAYERS = "wq sq bq wk sk bk wv sv bv"


def three_layers(random: np.random.Generator, n: int) -> dict[str, Array]:
    """Constants of the layers of queries, keys and values."""
    parts = {part: weights(random, K, n) for part in "qkv"}
    return {f"{name}{part}": parts[part][name] for part in "qkv" for name in "wsb"}


def attention(x: Array, layers: dict[str, Array], lengths: list[int], first: int = 0) -> Array:
    """What `DenseAttention` gives."""
    feeds = {"x": x, "l": np.array(lengths, np.int64)}
    order = f"x {LAYERS} l"
    return run("DenseAttention", feeds, layers, order, heads=HEADS, first=first)[0]


def expected_contexts(x: Array, layers: dict[str, Array], size: int) -> Array:
    """Contexts of all positions of one text, of products that `Dense` makes."""
    query, key, value = (
        run("Dense", {"x": x}, {n: layers[n + part] for n in "wsb"}, "x w s b", activation=0)[0]
        for part in "qkv"
    )
    heads = [np.s_[:, head * size : (head + 1) * size] for head in range(HEADS)]
    shares = [softmax(query[head] @ key[head].T / np.sqrt(size)) for head in heads]
    return np.hstack([share @ value[head] for share, head in zip(shares, heads, strict=True)])


@pytest.mark.parametrize("size", [64, 32, 24])
def test_dense_attention_is_that_of_each_text_without_its_padding(
    random: np.random.Generator, instructions: str, size: int
) -> None:
    """Products and attention in one; with AMX and heads of 32 or 64, as near as bfloat16 is."""
    lengths = [1, 40, 16, 33, 70]
    layers = three_layers(random, HEADS * size)
    # Of a size that leaves shares between 0 and 1, as trained models have them.
    texts = [random.standard_normal((length, K)).astype(np.float32) / 3 for length in lengths]
    contexts = attention(np.concatenate(texts), layers, lengths)
    near = 0.01 if instructions == "amx" and size % 32 == 0 else 1e-4
    for text, context in zip(texts, np.split(contexts, np.cumsum(lengths)[:-1]), strict=True):
        expected = expected_contexts(text, layers, size)
        assert np.abs(context - expected).max() < near * np.abs(expected).max()


@pytest.mark.parametrize("size", [64, 24])
def test_dense_attention_gives_a_text_the_same_bits_alone_padded_and_packed(
    random: np.random.Generator, size: int
) -> None:
    """Neither company nor what stands in padding matters; the context of padding is zero."""
    lengths, width = [3, 18, 37], 40
    layers = three_layers(random, HEADS * size)
    padded = random.standard_normal((len(lengths), width, K)).astype(np.float32)
    texts = [row[:length] for row, length in zip(padded, lengths, strict=True)]
    packed = attention(np.concatenate(texts), layers, lengths)
    contexts = attention(padded.reshape(-1, K), layers, lengths).reshape(3, width, -1)
    firsts = attention(np.concatenate(texts), layers, lengths, first=1)
    for index, text in enumerate(texts):
        alone = attention(text, layers, [len(text)])
        begin = sum(lengths[:index])
        np.testing.assert_array_equal(alone, packed[begin : begin + len(text)])
        np.testing.assert_array_equal(alone, contexts[index, : len(text)])
        np.testing.assert_array_equal(alone[0], firsts[index])
        assert (contexts[index, len(text) :] == 0).all()


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("size", [64, 24])
def test_packed_attention_is_dense_attention_with_its_layers_in_one(
    random: np.random.Generator, size: int, first: int
) -> None:
    """The same bits, from weights, scales and biases side by side."""
    lengths = [3, 18, 37]
    layers = three_layers(random, HEADS * size)
    x = random.standard_normal((sum(lengths), K)).astype(np.float32)
    packed = {n: np.concatenate([layers[n + part] for part in "qkv"], axis=-1) for n in "wsb"}
    feeds: dict[str, Array] = {"x": x, "l": np.array(lengths, np.int64)}
    order = "x w s b l"
    (contexts,) = run("PackedAttention", feeds, packed, order, heads=HEADS, first=first)
    np.testing.assert_array_equal(contexts, attention(x, layers, lengths, first))


def test_dense_attention_refuses_rows_that_are_no_texts(random: np.random.Generator) -> None:
    """Neither as many as the lengths say, nor as many for each text."""
    x = np.zeros((7, K), np.float32)
    with pytest.raises(Exception, match="neither"):
        attention(x, three_layers(random, HEADS * 32), [2, 3])


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("rows", [1, 33, 400])
def test_a_feed_forward_layer_is_two_dense_layers_with_residual_and_norm(
    random: np.random.Generator, rows: int, activation: int
) -> None:
    """The same bits, in however many parts the rows are taken."""
    up, down = weights(random, K, 80), weights(random, 80, K)
    x = random.standard_normal((rows, K)).astype(np.float32)
    norm = {name: random.standard_normal(K).astype(np.float32) for name in "ge"}
    (hidden,) = run("Dense", {"x": x}, up, "x w s b", activation=activation)
    feeds = {"h": hidden, "r": x}
    (expected,) = run("DenseNorm", feeds, down | norm, "h w s b r g e", epsilon=1e-5)
    both = {f"{name}2": array for name, array in down.items()} | up | norm
    order = "x w s b w2 s2 b2 g e"
    (y,) = run("FeedForward", {"x": x}, both, order, activation=activation, epsilon=1e-5)
    np.testing.assert_array_equal(y, expected)
