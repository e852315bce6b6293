"""Mixing: temperature, the parent's share, and that an epoch takes what it says."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lingraft.training.data.batches import BatchPlan, Corpus, epoch_batches
from lingraft.training.errors import DataError
from lingraft.training.instances.mixing import mix
from lingraft.training.recipe.instances import Mixing


def test_temperature_one_is_proportional() -> None:
    """Every example once, whatever the sizes."""
    mixed = mix([900, 90, 10], [False] * 3, Mixing(temperature=1))
    assert mixed.weights == pytest.approx((1, 1, 1))
    assert mixed.shares == pytest.approx((0.9, 0.09, 0.01))


def test_an_infinite_temperature_gives_equal_shares() -> None:
    """The small source is repeated, the large one thinned out."""
    mixed = mix([900, 90, 10], [False] * 3, Mixing(temperature=float("inf")))
    assert mixed.shares == pytest.approx((1 / 3, 1 / 3, 1 / 3), abs=1e-3)


def test_a_temperature_between_takes_roots() -> None:
    """T = 2: sizes 1 to 100 get shares 1 to 10."""
    mixed = mix([10000, 100], [False, False], Mixing(temperature=2))
    assert mixed.shares[0] / mixed.shares[1] == pytest.approx(10, rel=1e-3)


@given(
    st.lists(st.integers(20, 10**6), min_size=2, max_size=6),
    st.floats(1, 50),
    st.floats(0.05, 0.95),
)
def test_the_parent_has_the_share_that_was_wanted(
    sizes: list[int], temperature: float, share: float
) -> None:
    """And the child's own text is visited once an epoch, all in all."""
    parent = [i % 2 == 0 for i in range(len(sizes))]
    mixed = mix(sizes, parent, Mixing(temperature=temperature, parent_share=share))
    child = sum(w * n for w, n, p in zip(mixed.weights, sizes, parent, strict=True) if not p)
    own = sum(n for n, p in zip(sizes, parent, strict=True) if not p)
    assert sum(mixed.shares) == pytest.approx(1)
    assert mixed.parent_share == pytest.approx(share, abs=len(sizes) / own + 1e-9)
    assert child == pytest.approx(own, rel=0.05)


def test_inside_the_parents_share_the_temperature_decides() -> None:
    """Its sources among themselves, and the child's among themselves."""
    rule = Mixing(temperature=1, parent_share=0.4)
    mixed = mix([3000, 1000, 500, 500], [True, True, False, False], rule)
    assert mixed.shares == pytest.approx((0.3, 0.1, 0.3, 0.3), abs=2e-3)


def test_an_epoch_takes_the_shares_that_are_told() -> None:
    """Counted in the batches themselves."""
    sizes = [700, 50]
    groups = [0] * sizes[0] + [1] * sizes[1]
    mixed = mix(sizes, [True, False], Mixing(temperature=5, parent_share=0.35))
    corpus = Corpus([([1, 2], [3]) for _ in groups], groups)
    visits = Counter(
        int(corpus.group[i])
        for batch in epoch_batches(corpus, BatchPlan(40, mixed.weights, 1), 0)
        for i in batch
    )
    told = np.array([visits[0], visits[1]]) / sum(visits.values())
    assert told == pytest.approx(mixed.shares)
    assert mixed.parent_share == pytest.approx(0.35, abs=0.01)


def test_no_source_is_lost_to_rounding() -> None:
    """A huge one beside a tiny child gives one example at least."""
    mixed = mix([10**6, 2], [True, False], Mixing(temperature=1, parent_share=0.01))
    assert mixed.weights[0] * 10**6 == pytest.approx(1)


def test_what_cannot_be_mixed_is_refused() -> None:
    """With what to do."""
    with pytest.raises(DataError, match="take the empty ones out"):
        mix([5, 0], [True, False], Mixing())
    with pytest.raises(DataError, match="no source of the parent's is given: give one, or take"):
        mix([5, 5], [False, False], Mixing(parent_share=0.4))
    with pytest.raises(DataError, match="no source but the parent's is given"):
        mix([5], [True], Mixing(parent_share=0.4))
    with pytest.raises(ValidationError):
        Mixing(temperature=0.5)
