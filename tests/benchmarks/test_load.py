"""Load on a service: arrivals, rates and latencies."""

from __future__ import annotations

import itertools

import pytest

from benchmarks.load import Loaded, arrivals, summary


def test_arrivals_are_those_of_a_poisson_process_and_always_the_same() -> None:
    """Both services get the same moments; the mean gap is that of the rate."""
    times = arrivals(rate=50.0, count=4_000, seed="a")
    assert times == arrivals(rate=50.0, count=4_000, seed="a")
    assert times != arrivals(rate=50.0, count=4_000, seed="b")
    assert times == sorted(times)
    gaps = [b - a for a, b in itertools.pairwise(times)]
    mean = sum(gaps) / len(gaps)
    variance = sum((gap - mean) ** 2 for gap in gaps) / len(gaps)
    assert mean == pytest.approx(1 / 50, rel=0.05)
    assert variance**0.5 == pytest.approx(mean, rel=0.1)  # of an exponential distribution


def test_rates_count_what_arrived() -> None:
    """Tokens and sentences over the time to the last answer."""
    loaded = Loaded(seconds=2.0, latencies=[0.1, 0.3], tokens=50)
    assert (loaded.token_rate, loaded.rate) == (25.0, 1.0)
    assert loaded.p95 == 0.3


def test_a_summary_takes_all_runs_together() -> None:
    """Latencies in milliseconds; rates over the time of all runs."""
    runs = [Loaded(1.0, [0.01] * 90, 900, 0.5, 1.5), Loaded(1.0, [0.2] * 10, 100, 0.3, 1.1)]
    assert summary(runs) == {
        "tok_s": 500.0,
        "sentences_s": 50.0,
        "p50_ms": 10.0,
        "p95_ms": 200.0,
        "p99_ms": 200.0,
        "sentences": 100,
        "cores_of_clients": 0.4,
        "cores_of_server": 1.3,
    }
