"""The data-economy curve: planted curves give their factor, and no claim exceeds what was tried."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from lingraft.training.explain.economy import Economy, Outcome, economy, kwh, subset
from lingraft.training.explain.resampling import Statistics

ITEMS = 600
Curve = Callable[[float], float]  # share in per cent -> per cent right


def _points(sums: Statistics) -> NDArray[np.float64]:
    return np.asarray(100 * sums[:, 0] / sums[:, 1], dtype=np.float64)


def _learnt(share: float) -> float:
    """A saturating curve of the data's size: 12 at 1%, 49 at 8%, 86 at 64%."""
    return 12 + 42.6 * math.log10(max(share, 0.01)) if share < 100 else 92


def _measure(graft: Curve, control: Curve, noise: float = 0.0, **more: object) -> Economy:
    def train(share: float, arm: str, seed: int) -> Outcome:
        random = np.random.default_rng([int(share * 10), arm == "graft", seed])
        score = (graft if arm == "graft" else control)(share) + noise * random.normal()
        # What one arm finds hard is not what the other does.
        order = np.random.default_rng(4 + (arm == "graft")).permutation(ITEMS)
        right = order < np.clip(score, 0, 100) / 100 * ITEMS
        return Outcome(np.stack([right, np.ones(ITEMS)], axis=1).astype(np.int64), 2 * share)

    return economy(train, 5000, _points, resamples=300, **more)  # type: ignore[arg-type]


def test_a_control_that_lags_by_eight_times_the_data_gives_eight() -> None:
    """Within the interval, which is not a wide one; and the sentence says so."""
    found = _measure(_learnt, lambda share: _learnt(share / 8)).factor
    assert found is not None
    assert found.value == pytest.approx(8, rel=0.1)
    assert found.low < 8 < found.high
    assert found.low > 5
    assert found.high < 13
    assert found.saves
    assert found.sentence.startswith("from scratch needs ")
    assert "times the data (95% interval" in found.sentence


def test_noisy_curves_give_a_wider_interval_that_still_holds_the_truth() -> None:
    """The luck of training is resampled too, so three noisy seeds show in the interval."""
    quiet = _measure(_learnt, lambda share: _learnt(share / 8)).factor
    noisy = _measure(_learnt, lambda share: _learnt(share / 8), noise=4, seeds=(1, 2, 3)).factor
    assert quiet is not None
    assert noisy is not None
    assert noisy.low < 8 < noisy.high
    assert noisy.high / noisy.low > quiet.high / quiet.low


def test_a_control_that_never_reaches_the_graft_is_said_to_need_more_than_was_tried() -> None:
    """No number is made up beyond it."""
    found = _measure(lambda share: 60 + 5 * math.log10(share), lambda share: 5 + share / 10).factor
    assert found is not None
    assert math.isinf(found.value)
    assert found.sentence == (
        "from scratch needs more than 100 times the data, the most that was tried"
    )
    content = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert (content["value"], content["reached"], content["tried"]) == (None, False, 100.0)


def test_the_interval_has_no_end_where_resamples_do_not_reach_the_graft() -> None:
    """The control only just reaches the graft's smallest score."""
    found = _measure(lambda share: 60 + 10 * math.log10(share), lambda share: 0.6 * share).factor
    assert found is not None
    assert math.isfinite(found.low)
    assert found.low > 50
    assert "more than 100" in found.sentence


def test_no_saving_is_claimed_when_the_interval_holds_one() -> None:
    """Two equal arms: about 1, and the sentence says that nothing is shown."""
    same = _measure(_learnt, _learnt).factor
    assert same is not None
    assert same.value == pytest.approx(1)
    assert not same.saves
    assert same.sentence.startswith("a saving of data is not shown: ")


def test_a_control_that_needs_less_data_is_said_to() -> None:
    """Negative transfer has its own words; one that is never reached has a bound."""
    lags = _measure(lambda share: _learnt(share / 8), _learnt).factor
    assert lags is not None
    assert lags.value == pytest.approx(1 / 8, rel=0.15)
    assert lags.sentence.startswith("the graft saves no data: from scratch needs 0.1")
    never = _measure(lambda share: 5.0, lambda share: 50 + share / 10).factor
    assert never is not None
    assert never.value == 0
    assert "less than 0.01 times the data" in never.sentence


def test_a_curve_that_dips_is_made_monotone_first() -> None:
    """An unlucky middle share moves the factor a little and breaks nothing."""
    dipped = _measure(
        lambda share: _learnt(share) - (8 if share == 10 else 0), lambda share: _learnt(share / 8)
    ).factor
    assert dipped is not None
    assert 5 < dipped.value < 9


def test_each_point_has_its_interval_seconds_and_energy() -> None:
    """Seconds are of all seeds; energy is seconds times the watts that were stated."""
    found = _measure(_learnt, lambda share: _learnt(share / 8), seeds=(1, 2), watts=180.0)
    content = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert len(content["points"]) == 14
    last = content["points"][-1]
    assert (last["share"], last["arm"], last["examples"]) == (100, "control", 5000)
    assert last["seconds"] == 400.0
    assert last["kwh"] == pytest.approx(400 * 180 / 3.6e6)
    assert content["kwh"] == pytest.approx(found.seconds * 180 / 3.6e6, abs=1e-6)
    assert all(point["low"] <= point["score"] <= point["high"] for point in content["points"])
    assert kwh(3600, 1000) == 1


def test_shares_beyond_the_budget_are_skipped_and_named() -> None:
    """A share is trained for both arms or for none, the small ones first."""
    found = _measure(_learnt, lambda share: _learnt(share / 8), budget_seconds=40.0)
    assert found.skipped == (25, 50, 100)
    assert {point.share for point in found.points} == {1, 2, 5, 10}
    assert found.factor is not None
    assert found.factor.tried == pytest.approx(10)
    one = _measure(_learnt, _learnt, budget_seconds=1.0)
    assert one.factor is None
    assert one.as_dict()["factor"] is None


def test_smaller_shares_are_inside_larger_ones_and_every_source_has_its_share() -> None:
    """Nested, by seed, in the order of the data; of a tiny source one row is left."""
    sources = [list(range(1000)), list(range(2000, 2200)), [9999]]
    shares = [subset(sources, share, seed=1) for share in (1, 5, 50, 100)]
    assert [[len(rows) for rows in share] for share in shares] == [
        [10, 2, 1],
        [50, 10, 1],
        [500, 100, 1],
        [1000, 200, 1],
    ]
    for small, large in pairwise(shares):
        for few, many in zip(small, large, strict=True):
            assert set(few) <= set(many)
    assert shares[-1] == sources
    assert shares[1] == subset(sources, 5, seed=1) != subset(sources, 5, seed=2)
    assert shares[1][0] == sorted(shares[1][0])
