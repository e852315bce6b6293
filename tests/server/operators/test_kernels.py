"""The server's own operators compute what their names say, for every row as if it were alone."""

from __future__ import annotations

import numpy as np
import pytest

from lingraft.server.engines import kernels

from .conftest import ACTIVATIONS, Array, dense, offered, only, run, softmax, weights

pytestmark = pytest.mark.skipif(
    kernels.library() is None,
    reason="this processor has no AVX2, or the operators were not compiled",
)


@pytest.mark.parametrize("rows", [1, 5, 16, 17, 32, 33, 70])
@pytest.mark.parametrize(("k", "n"), [(64, 32), (40, 50), (512, 1100)])
def test_a_dense_layer_multiplies_rows_quantised_one_by_one(
    random: np.random.Generator, rows: int, k: int, n: int
) -> None:
    """Any number of rows and columns, whole blocks or not; a row of zeros gives the bias."""
    layer = weights(random, k, n)
    x = random.standard_normal((rows, k)).astype(np.float32)
    x[0] = 0
    (y,) = run("Dense", {"x": x}, layer, "x w s b", activation=0)
    # A value on the border of two integers may round either way: one step of the weights.
    step = (np.abs(x).max(1, keepdims=True) / 127) * layer["s"] * 127 * 2
    assert (np.abs(y - dense(x, layer)) <= step + 1e-3).all()
    assert np.abs(y - dense(x, layer)).mean() < 1e-3
    np.testing.assert_array_equal(y[0], layer["b"])


def test_a_row_gives_the_same_bits_in_any_company_and_by_any_instructions(
    random: np.random.Generator,
) -> None:
    """Sums of integers are exact, so neither the batch nor the processor shows in the answer."""
    layer = weights(random, 200, 300)
    x = random.standard_normal((40, 200)).astype(np.float32)
    (together,) = run("Dense", {"x": x}, layer, "x w s b", activation=2)
    (alone,) = run("Dense", {"x": x[7:8]}, layer, "x w s b", activation=2)
    (threaded,) = run("Dense", {"x": x}, layer, "x w s b", activation=2, threads=2)
    np.testing.assert_array_equal(together[7:8], alone)
    np.testing.assert_array_equal(together, threaded)
    for name in offered():
        with only(name):
            (other,) = run("Dense", {"x": x}, layer, "x w s b", activation=2)
        np.testing.assert_array_equal(together, other)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_an_activation_is_applied_to_the_result(
    random: np.random.Generator, activation: int
) -> None:
    """ReLU, swish, GELU and GELU by tanh agree with their formulas to rounding."""
    layer = weights(random, 64, 48)
    x = random.standard_normal((3, 64)).astype(np.float32) * 4
    (plain,) = run("Dense", {"x": x}, layer, "x w s b", activation=0)
    (y,) = run("Dense", {"x": x}, layer, "x w s b", activation=activation)
    expected = ACTIVATIONS[activation](plain.astype(np.float64))
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("n", [16, 50, 512])
def test_a_dense_layer_can_end_in_residual_and_norm(random: np.random.Generator, n: int) -> None:
    """DenseNorm is LayerNorm(residual + Dense(x))."""
    layer = weights(random, 96, n)
    x = random.standard_normal((9, 96)).astype(np.float32)
    more = {
        "r": random.standard_normal((9, n)).astype(np.float32),
        "g": random.standard_normal(n).astype(np.float32),
        "e": random.standard_normal(n).astype(np.float32),
    }
    (plain,) = run("Dense", {"x": x}, layer, "x w s b", activation=0)
    (y,) = run("DenseNorm", {"x": x, **more}, layer, "x w s b r g e", epsilon=1e-5)
    total = (plain + more["r"]).astype(np.float64)
    off = total - total.mean(1, keepdims=True)
    expected = off / np.sqrt((off**2).mean(1, keepdims=True) + 1e-5) * more["g"] + more["e"]
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("sources", [6, 2])
@pytest.mark.parametrize(("heads", "size", "width"), [(5, 64, 25), (3, 8, 70), (3, 100, 3)])
def test_cross_attention_looks_at_the_real_positions_of_its_source(
    random: np.random.Generator, sources: int, heads: int, size: int, width: int
) -> None:
    """Rows of one source may share its keys; what stands beyond a source's end does not matter."""
    rows = 6
    query = random.standard_normal((rows, heads * size)).astype(np.float32)
    key, value = (
        random.standard_normal((sources, width, heads * size)).astype(np.float16) for _ in range(2)
    )
    lengths = np.repeat(random.integers(1, width + 1, sources), rows // sources)
    for row, length in enumerate(lengths):
        key[row * sources // rows, length:] = value[row * sources // rows, length:] = np.nan
    feeds: dict[str, Array] = {"q": query, "k": key, "v": value, "l": lengths}
    context, shares = run("CrossAttention", feeds, {}, "q k v l", outputs=2, heads=heads)
    for row, length in enumerate(lengths):
        source = row * sources // rows
        expected, alone = attend(query[row], key[source, :length], value[source, :length], heads)
        np.testing.assert_allclose(context[row], expected, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(shares[row, :length], alone.mean(0), rtol=1e-4, atol=1e-5)
        assert (shares[row, length:] == 0).all()


def attend(query: Array, key: Array, value: Array, heads: int) -> tuple[Array, Array]:
    """Context [H*D] and shares [H,S] of one query [H*D] over keys and values [S,H*D]."""
    q, k, v = (
        x.astype(np.float64).reshape(-1, heads, x.shape[-1] // heads)
        for x in (query[None], key, value)
    )
    shares = softmax(np.einsum("hd,shd->hs", q[0], k))
    return np.einsum("hs,shd->hd", shares, v).reshape(-1), shares


def test_self_attention_writes_at_each_rows_own_position(random: np.random.Generator) -> None:
    """New keys and values stand at the row's position; what is behind may be NaN."""
    rows, heads, room, size = 5, 2, 9, 24
    width = heads * size
    packed = random.standard_normal((rows, 3 * width)).astype(np.float32)
    past = np.array([0, 3, 8, 1, 5], np.int32)
    caches = [np.full((rows, room, width), np.nan, np.float16) for _ in range(2)]
    for cache in caches:
        for row, length in enumerate(past):
            cache[row, :length] = random.standard_normal((length, width))
    feeds: dict[str, Array] = {"p": packed, "k": caches[0], "v": caches[1], "l": past}
    context, keys, values = run("SelfAttention", feeds, {}, "p k v l", outputs=3, heads=heads)
    query, key, value = np.split(packed, 3, axis=1)
    for row, length in enumerate(past):
        np.testing.assert_array_equal(keys[row, :length], caches[0][row, :length])
        np.testing.assert_array_equal(keys[row, length], key[row].astype(np.float16))
        np.testing.assert_array_equal(values[row, length], value[row].astype(np.float16))
        known = np.s_[row, : length + 1]
        expected, _ = attend(query[row] / np.sqrt(size), keys[known], values[known], heads)
        np.testing.assert_allclose(context[row], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("lengths", [[1, 1, 1], [7, 2, 4]])
@pytest.mark.parametrize("padded", [True, False])
def test_keys_and_values_of_a_source_are_the_halves_of_one_dense_layer(
    random: np.random.Generator, lengths: list[int], padded: bool
) -> None:
    """In float16, by sources; what is too large is the largest there is; no number stays none."""
    sources, width, k, n = len(lengths), max(lengths), 40, 100
    layer = weights(random, k, n)
    layer["b"][[3, 60, 70]] = 1e6, -1e6, np.nan
    real = np.arange(width) < np.array(lengths)[:, None]
    x = random.standard_normal((sources, width, k)).astype(np.float32)
    rows = x.reshape(-1, k) if padded else x[real]
    ids = np.zeros((sources, width), np.int64)
    feeds: dict[str, Array] = {"x": rows, "i": ids, "l": np.array(lengths, np.int64)}
    halves = run("DenseHalves", feeds, layer, "x w s b i l", outputs=2)
    expected = np.clip(dense(x[real], layer), -65504, 65504)
    for half, columns in zip(halves, np.split(expected, 2, axis=1), strict=True):
        assert half.dtype == np.float16
        assert half.shape == (sources, width, n // 2)
        np.testing.assert_allclose(half[real], columns, rtol=1e-3, atol=1e-3)
        assert padded or not half[~real].any()


@pytest.mark.parametrize("lengths", [[3, 1], [3, 2, 1], [4, 1]])
def test_keys_and_values_of_rows_that_are_no_sources_are_an_error(
    random: np.random.Generator, lengths: list[int]
) -> None:
    """Not as many as the lengths say, or longer than the ids: nothing is written beyond the end."""
    feeds: dict[str, Array] = {
        "x": np.zeros((5, 8), np.float32),
        "i": np.zeros((2, 3), np.int64),
        "l": np.array(lengths, np.int64),
    }
    with pytest.raises(Exception, match=r"x has neither|one length|longer than"):
        run("DenseHalves", feeds, weights(random, 8, 4), "x w s b i l", outputs=2)


def test_a_width_that_is_not_that_of_the_heads_is_an_error() -> None:
    """The step fails and says why."""
    cache, packed = np.zeros((1, 2, 64), np.float16), np.zeros((1, 3 * 64), np.float32)
    feeds: dict[str, Array] = {"p": packed, "k": cache, "v": cache, "l": np.zeros(1, np.int32)}
    with pytest.raises(Exception, match="not that of heads"):
        run("SelfAttention", feeds, {}, "p k v l", outputs=3, heads=3)
