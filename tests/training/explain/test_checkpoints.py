"""The earliest checkpoint: planted scores, and what counts as not worse."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lingraft.training.errors import CheckpointError, DataError
from lingraft.training.explain.checkpoints import Milestone, Scan, chosen, milestones, scan
from lingraft.training.explain.resampling import Statistics

PER_CENTS = (3.0, 6.0, 12.0, 25.0, 50.0, 100.0)
ITEMS = 400


def _points(sums: Statistics) -> NDArray[np.float64]:
    return np.asarray(100 * sums[:, 0] / sums[:, 1], dtype=np.float64)


def _right(per_cent: float) -> Statistics:
    """Items of which this many per cent are right, the same ones first."""
    return np.array([[i < per_cent / 100 * ITEMS, 1] for i in range(ITEMS)], dtype=np.int64)


def _scan(scores: tuple[float, ...], margin: float) -> Scan:
    candidates = [Milestone(p, int(p * 10), p * 72, Path(f"{p}")) for p in PER_CENTS]
    planted = dict(zip(PER_CENTS, scores, strict=True))
    return scan(
        candidates, lambda m: _right(planted[m.per_cent]), _points, margin=margin, resamples=500
    )


def test_the_earliest_of_the_plateau_is_named_with_the_hours_saved() -> None:
    """A quarter of the parent was enough: three quarters of two hours are saved."""
    found = _scan((10, 20, 40, 59.5, 60, 60), margin=2.0)
    assert found.earliest.per_cent == 25
    assert found.hours_saved == pytest.approx(1.5)
    assert "after 250 of 1,000 steps" in found.sentence
    assert "saved 1.50 hours" in found.sentence
    content = json.loads(json.dumps(found.as_dict()))
    flags = [row["not_worse"] for row in content["checkpoints"]]
    assert flags == [False] * 3 + [True] * 3


def test_a_difference_within_the_noise_is_no_proof_of_equality() -> None:
    """The same scores under a margin that so few sentences cannot show: nothing is claimed."""
    found = _scan((10, 20, 40, 59.5, 59.5, 60), margin=0.6)
    assert found.earliest.per_cent == 100
    assert found.hours_saved == 0
    assert found.sentence.startswith("no parent before the last")
    assert all(row.gain.value > -0.6 for row in found.rows[3:])


def test_a_lucky_early_checkpoint_before_a_worse_one_is_not_named() -> None:
    """It is listed as it scored, but the plateau begins after the last that was worse."""
    found = _scan((60, 20, 40, 60, 60, 60), margin=2.0)
    assert found.rows[0].not_worse
    assert found.earliest.per_cent == 25


def test_milestones_are_read_from_a_parents_run(tmp_path: Path) -> None:
    """With steps and seconds; too few are refused with the mend."""
    folder = tmp_path / "milestones"
    folder.mkdir()
    (folder / "100.0.safetensors").touch()
    with pytest.raises(CheckpointError, match=r"1 milestones.*training\.milestones"):
        milestones(tmp_path, 2000, 0.5)
    for name in ("003.0", "012.5"):
        (folder / f"{name}.safetensors").touch()
    found = milestones(tmp_path, 2000, 0.5)
    assert [(m.per_cent, m.steps, m.seconds) for m in found] == [
        (3.0, 60, 30.0),
        (12.5, 250, 125.0),
        (100.0, 2000, 1000.0),
    ]


def test_a_scan_of_few_has_first_and_last() -> None:
    """Evenly spread between; all where there are no more."""
    candidates = [Milestone(float(i), i, 1.0, Path("x")) for i in range(1, 11)]
    assert [m.steps for m in chosen(candidates, 4)] == [1, 4, 7, 10]
    assert chosen(candidates, 20) == tuple(candidates)


def test_children_scored_on_different_sentences_are_refused() -> None:
    """A paired test needs pairs."""
    candidates = [Milestone(p, 1, 1.0, Path("x")) for p in (1.0, 2.0)]
    with pytest.raises(DataError, match="the same dev sentences"):
        scan(candidates, lambda m: _right(50)[: int(m.per_cent) * 100], _points, margin=1.0)
