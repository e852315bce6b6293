"""Noise is as strong as its settings say, and keeps what it is to keep."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from lingraft.training.recipe.synthesis import Denoising, MaskedLm
from lingraft.training.synthesis.noise import infilled, local_shuffle, masked, noised, thinned

MASK = 1
UNITS = [[100 + i, 200 + i] for i in range(40)]
OTHERS = np.arange(1000, 1100, dtype=np.int32)


@pytest.mark.parametrize("distance", [0, 1, 3])
def test_nothing_moves_further_than_it_may(distance: int) -> None:
    """And some units do go all the way."""
    furthest = []
    for seed in range(50):
        order = local_shuffle(30, distance, np.random.default_rng(seed))
        assert sorted(order.tolist()) == list(range(30))
        furthest.append(int(np.abs(order - np.arange(30)).max()))
    assert max(furthest) == distance


def test_as_many_are_dropped_as_set_and_never_all() -> None:
    """Over many sentences; a single unit stays."""
    left = [len(thinned(40, 0.25, np.random.default_rng(seed))) for seed in range(300)]
    assert np.mean(left) == pytest.approx(30, rel=0.02)
    assert all(len(thinned(1, 0.9, np.random.default_rng(seed))) == 1 for seed in range(50))
    assert not len(thinned(0, 0.5, np.random.default_rng(0)))


def test_infilling_hides_the_share_and_keeps_the_rest_whole_and_in_order() -> None:
    """Units are hidden whole; what is left of them stands as it stood."""
    hidden = []
    for seed in range(200):
        row = infilled(UNITS, 0.3, 3.0, MASK, np.random.default_rng(seed))
        left = [piece for piece in row if piece != MASK]
        kept = [unit for unit in UNITS if unit[0] in left]
        assert left == [piece for unit in kept for piece in unit]
        hidden.append(40 - len(kept))
    assert set(hidden) == {12}


def test_the_hidden_share_is_exact_in_the_mean() -> None:
    """A share that is no whole number of units is rounded by chance."""
    rows = [infilled(UNITS[:9], 0.3, 3.0, MASK, np.random.default_rng(s)) for s in range(400)]
    hidden = [9 - sum(piece != MASK for piece in row) / 2 for row in rows]
    assert set(hidden) == {2, 3}
    assert np.mean(hidden) == pytest.approx(2.7, abs=0.08)


def test_spans_have_the_length_that_is_set() -> None:
    """A long text, so that the last span, which is cut, counts little."""
    units = [[7]] * 2000
    for mean in (1.5, 3.0):
        row = infilled(units, 0.5, mean, MASK, np.random.default_rng(3))
        assert 1000 / row.count(MASK) == pytest.approx(mean, rel=0.1)


def test_everything_may_be_hidden() -> None:
    """More spans than gaps between them grow together rather than fail."""
    for seed in range(20):
        row = infilled(UNITS[:6], 0.99, 0.5, MASK, np.random.default_rng(seed))
        assert MASK in row
    assert infilled([], 0.5, 3.0, MASK, np.random.default_rng(0)) == []


def test_all_noise_together_keeps_units_whole() -> None:
    """Shuffled, thinned and masked."""
    for seed in range(50):
        row = noised(UNITS, Denoising(), MASK, np.random.default_rng(seed))
        left = [piece for piece in row if piece != MASK]
        assert [[a, a + 100] for a in left[::2]] == [
            [a, b] for a, b in zip(left[::2], left[1::2], strict=True)
        ]
        places = [piece - 100 for piece in left[::2]]
        # Two units that both moved by at most three can stand at most six out of order.
        assert all(b - a > -7 for a, b in pairwise(places))


def test_masking_hides_the_shares_that_are_set() -> None:
    """15% are to be predicted: 80% of them masked, 10% shown as another, 10% as they are."""
    pieces = np.arange(100, 140, dtype=np.int32)
    wanted_all, fates = 0, {"mask": 0, "random": 0, "keep": 0}
    for seed in range(1000):
        shown, wanted = masked(pieces, MaskedLm(), MASK, OTHERS, np.random.default_rng(seed))
        assert (shown[~wanted] == pieces[~wanted]).all()
        wanted_all += int(wanted.sum())
        fates["mask"] += int((shown[wanted] == MASK).sum())
        fates["random"] += int((shown[wanted] >= 1000).sum())
        fates["keep"] += int((shown[wanted] == pieces[wanted]).sum())
    assert wanted_all == 6000
    shares = {name: count / wanted_all for name, count in fates.items()}
    assert shares == pytest.approx({"mask": 0.8, "random": 0.1, "keep": 0.1}, abs=0.02)


def test_the_shortest_text_has_something_to_predict() -> None:
    """Else a batch could be without a target."""
    for seed in range(20):
        one = np.array([9], dtype=np.int32)
        _, wanted = masked(one, MaskedLm(share=0.01), MASK, OTHERS, np.random.default_rng(seed))
        assert wanted.tolist() == [True]
