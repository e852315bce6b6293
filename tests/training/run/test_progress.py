"""What people and TensorBoard see of a run."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lingraft.training.run.progress import Tracker
from lingraft.training.run.tracking import open_events


def _every(seconds: float) -> Iterator[float]:
    return (seconds * i for i in count())


def test_without_a_terminal_a_plain_line_comes_now_and_then(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Speed, loss and time left every half minute, each dev score once, nothing on stdout."""
    ticks = _every(8.0)
    with Tracker("toy", 40, [], clock=lambda: next(ticks)) as tracker:
        for step in range(1, 5):
            tracker.step(step, loss=2.5, rate=1e-3, tokens=160)
        tracker.score(4, "chrF++", 31.4)
    captured = capsys.readouterr()
    *lines, last = captured.err.splitlines()
    assert last == "toy: step 4: dev chrF++ 31.40"
    assert lines
    assert all(line.startswith("toy: step ") and "loss 2.500" in line for line in lines)
    assert all("tok/s" in line and "min left" in line for line in lines)
    assert captured.out == ""


def test_tensorboard_gets_loss_rate_speed_and_score(tmp_path: Path) -> None:
    """Every tenth step, and each dev score at its step."""
    ticks = _every(1.0)
    with Tracker(
        "toy", 20, open_events(["tensorboard"], "toy", tmp_path), clock=lambda: next(ticks)
    ) as tracker:
        for step in range(1, 21):
            tracker.step(step, loss=3.0, rate=0.5, tokens=10)
        tracker.score(20, "chrF++", 12.5)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert set(events.Tags()["scalars"]) == {
        "train/loss",
        "train/learning_rate",
        "train/tokens_per_second",
        "dev/chrF++",
    }
    assert [(e.step, e.value) for e in events.Scalars("train/loss")] == [(10, 3.0), (20, 3.0)]
    assert [(e.step, e.value) for e in events.Scalars("dev/chrF++")] == [(20, 12.5)]
