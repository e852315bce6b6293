"""The arithmetic under every benchmark: turns, ratios, percentiles, the shape of the file."""

from __future__ import annotations

import json
import os
import time
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.common import (
    cpu_seconds,
    interleaved,
    paired_ratio,
    peak_rss_mib,
    percentile,
    report,
    significant,
    spread,
    versions,
    write_json,
)

_seconds = st.floats(0.001, 100)


def test_every_round_has_every_run_once_and_begins_with_another() -> None:
    """Whoever drifts with the machine, drifts for all; nobody always comes first."""
    order: list[str] = []

    def run(name: str) -> float:
        order.append(name)
        return float(len(order))

    results = interleaved({name: partial(run, name) for name in "abc"}, rounds=4)
    assert "".join(order) == "abc" + "bca" + "cab" + "abc"
    assert results == {"a": [1, 6, 8, 10], "b": [2, 4, 9, 11], "c": [3, 5, 7, 12]}


def test_no_rounds_and_no_runs_are_no_fault() -> None:
    """A peer that is timed in some rounds only leaves none over when there are as many rounds."""
    assert interleaved({"a": lambda: 1.0}, rounds=0) == {"a": []}
    assert interleaved({}, rounds=3) == {}


def test_a_ratio_is_the_median_of_the_rounds_and_not_the_ratio_of_medians() -> None:
    """A round in which the machine stood still for both says as much as any other."""
    ours, theirs = [1.0, 10.0, 1.0], [2.0, 30.0, 2.5]
    assert paired_ratio(ours, theirs) == 2.5
    assert spread(ours, theirs) == (2.0, 3.0)


@given(st.lists(st.tuples(_seconds, _seconds), min_size=1, max_size=9))
def test_the_ratio_lies_in_its_range_and_turns_around(pairs: list[tuple[float, float]]) -> None:
    """Whoever is twice as fast leaves the other half as fast."""
    ours, theirs = [a for a, _ in pairs], [b for _, b in pairs]
    low, high = spread(ours, theirs)
    assert low <= paired_ratio(ours, theirs) <= high
    if len(pairs) % 2:
        assert paired_ratio(theirs, ours) == pytest.approx(1 / paired_ratio(ours, theirs))


def test_unequal_numbers_of_rounds_are_no_pairs() -> None:
    """Figures of different rounds are never paired in silence."""
    with pytest.raises(ValueError, match="shorter"):
        paired_ratio([1.0, 2.0], [1.0])


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.95, 95), (0.99, 99), (1.0, 100)])
def test_a_percentile_is_a_value_that_was_measured(share: float, expected: int) -> None:
    """Of 1 to 100, the 95th is 95; nothing is interpolated."""
    assert percentile([float(value) for value in range(100, 0, -1)], share) == expected


def test_percentiles_of_one_value_are_that_value() -> None:
    """No rank falls outside."""
    assert percentile([7.0], 0.5) == percentile([7.0], 0.99) == 7.0


@pytest.mark.parametrize(("value", "expected"), [(1234.56, 1235.0), (0.123456, 0.1235), (0.0, 0.0)])
def test_figures_have_four_digits(value: float, expected: float) -> None:
    """More would be noise."""
    assert significant(value) == expected


def test_a_file_says_what_one_must_know_to_read_it(tmp_path: Path) -> None:
    """Rows come first; machine, versions, settings and limits of the claim stand beside them."""
    rows = {"cases": [{"name": "greedy-b1"}]}
    content = report(
        rows,
        load_before=0.5,
        packages=["numpy"],
        settings={"quick": True},
        does_not_measure=["GPUs"],
    )
    write_json(tmp_path / "new" / "file.json", content)
    written = json.loads((tmp_path / "new" / "file.json").read_text(encoding="utf-8"))
    assert written == content
    assert next(iter(written)) == "cases"
    assert {"machine", "versions", "commit", "load_average", "settings"} < set(written)
    assert written["load_average"]["before"] == 0.5
    assert written["does_not_measure"] == ["GPUs"]
    assert {"cpu", "cores", "cores_usable", "flags", "caches_mib"} < set(written["machine"])


def test_an_absent_package_is_named_as_absent() -> None:
    """A comparison without its peer's version would say nothing."""
    assert versions(["numpy", "no-such-package"])["no-such-package"] == "absent"


def test_the_work_of_a_process_is_that_of_its_cores() -> None:
    """In seconds, near what the process says of itself."""
    assert cpu_seconds(os.getpid()) == pytest.approx(time.process_time(), abs=0.5)


def test_peak_memory_is_this_process_s_own() -> None:
    """A Python process holds megabytes, not kilobytes and not terabytes."""
    assert 5 < peak_rss_mib() < 1_000_000
