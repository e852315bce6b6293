"""The output layer: the best pieces, at once with their probabilities or these later."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from lingraft.server.engines import kernels

from .conftest import Array, run, weights

pytestmark = pytest.mark.skipif(
    kernels.library() is None,
    reason="this processor has no AVX2, or the operators were not compiled",
)

Draw = Callable[[np.random.Generator], Array]
K, PIECES = 64, 70_000  # 4 MiB of weights and more are screened


def best_pieces(
    layer: dict[str, Array], x: Array, best: int, unscored: Array | None = None
) -> list[Array]:
    """Ids, logarithms of probability or logits, normalisers of `unscored`, owing."""
    late = np.zeros((0, x.shape[1]), np.float32) if unscored is None else unscored
    feeds: dict[str, Array] = {"x": x, "k": np.array([best], np.int64), "u": late}
    return run("BestPieces", feeds, layer, "x w s b k u", outputs=4)


@pytest.mark.parametrize("rows", [1, 3, 40])
@pytest.mark.parametrize("pieces", [37, 9000])
@pytest.mark.parametrize("best", [1, 4, 30])
def test_the_best_pieces_are_those_of_the_whole_vocabulary(
    random: np.random.Generator, rows: int, pieces: int, best: int
) -> None:
    """Ids best first, with logarithms normalised over all pieces; -inf in the bias is no fault."""
    layer = weights(random, 64, pieces)
    layer["b"] *= 3
    layer["b"][5] = -np.inf
    x = random.standard_normal((rows, 64)).astype(np.float32)
    (logits,) = run("Dense", {"x": x}, layer, "x w s b", activation=0)
    ids, logprobs, _, owing = best_pieces(layer, x, best)
    assert not owing
    order = np.argsort(-logits, axis=1, kind="stable")[:, :best]
    assert ids.tolist() == order.tolist()
    wide = logits.astype(np.float64)
    normaliser = np.log(np.exp(wide - wide.max(1, keepdims=True)).sum(1, keepdims=True))
    expected = np.take_along_axis(wide - wide.max(1, keepdims=True) - normaliser, order, 1)
    np.testing.assert_allclose(logprobs, expected, rtol=1e-5, atol=1e-5)


def test_equal_pieces_come_by_id(random: np.random.Generator) -> None:
    """Of pieces with the same logit the lower id is better, as in NumPy and PyTorch."""
    layer = weights(random, 32, 100)
    layer["w"][:, 40:] = layer["w"][:, :60]
    layer["s"][40:], layer["b"][40:] = layer["s"][:60], layer["b"][:60]
    x = random.standard_normal((4, 32)).astype(np.float32)
    (logits,) = run("Dense", {"x": x}, layer, "x w s b", activation=0)
    ids = best_pieces(layer, x, 50)[0]
    assert ids.tolist() == np.argsort(-logits, axis=1, kind="stable")[:, :50].tolist()


def test_logits_that_are_no_numbers_are_an_error(random: np.random.Generator) -> None:
    """The step fails, the process does not."""
    layer = weights(random, 32, 100)
    layer["b"][:] = np.nan
    with pytest.raises(Exception, match="not numbers"):
        best_pieces(layer, np.ones((1, 32), np.float32), 2)


def plain(random: np.random.Generator) -> Array:
    """Values of one size."""
    return random.standard_normal(K)


def uneven(random: np.random.Generator) -> Array:
    """A few values outweigh all others, as hidden states of trained models have them."""
    values = random.standard_normal(K)
    values[[3, 40]] *= 200
    return values


def single(random: np.random.Generator) -> Array:
    """One value alone."""
    values = np.zeros(K)
    values[random.integers(K)] = random.choice([-1, 1])
    return values


@pytest.mark.parametrize("best", [1, 3, 8])
@pytest.mark.parametrize("draw", [plain, uneven, single])
@pytest.mark.parametrize("spread", ["flat", "peaked"])
def test_one_rows_best_pieces_are_the_same_when_their_probabilities_may_come_later(
    random: np.random.Generator, instructions: str, best: int, draw: Draw, spread: str
) -> None:
    """To the bit, equals and their order included; AVX2, which gains nothing, owes nothing."""
    layer = weights(random, K, PIECES)
    if spread == "peaked":  # nearly all weights are small, and a few are not
        kept = random.random((K, PIECES)) < 0.02
        layer["w"] = np.where(kept, layer["w"], layer["w"] // 40).astype(np.int8)
    layer["w"][:, 60_000:] = layer["w"][:, :10_000]
    layer["s"][60_000:], layer["b"][60_000:] = layer["s"][:10_000], layer["b"][:10_000]
    for _ in range(4):
        x = draw(random)[None].astype(np.float32)
        ids, logprobs, _, owing = best_pieces(layer, x, best)
        late_ids, logits, none, owes = best_pieces(layer, x, -best)
        assert owing.item() == 0
        assert owes.item() == (0 if instructions == "avx2" else 1)
        assert none.shape == (0,)
        assert late_ids.tolist() == ids.tolist()
        normaliser = best_pieces(layer, x, 1, unscored=x)[2] if owes else np.zeros(1, np.float32)
        np.testing.assert_array_equal(logits - normaliser, logprobs)


def test_normalisers_of_many_rows_come_in_one_call_beside_no_row(
    random: np.random.Generator,
) -> None:
    """As when a sentence has ended, and nothing else runs."""
    layer = weights(random, K, 500)
    x = random.standard_normal((5, K)).astype(np.float32)
    (logits,) = run("Dense", {"x": x}, layer, "x w s b", activation=0)
    ids, logprobs, normalisers, owing = best_pieces(layer, x[:0], -1, unscored=x)
    assert ids.shape == logprobs.shape == (0, 1)
    assert owing == 0
    expected = np.log(np.exp(logits.astype(np.float64)).sum(1))
    np.testing.assert_allclose(normalisers, expected, rtol=1e-5)


def test_a_small_layer_or_several_rows_owe_nothing(random: np.random.Generator) -> None:
    """All their columns are multiplied as fast."""
    one = random.standard_normal((1, K)).astype(np.float32)
    assert best_pieces(weights(random, K, 500), one, -1)[3] == 0
    assert best_pieces(weights(random, K, PIECES), np.repeat(one, 2, axis=0), -1)[3] == 0
