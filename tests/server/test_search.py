"""Greedy selection on arrays."""

from __future__ import annotations

import numpy as np

from lingraft.server.search import finished, greedy


def test_greedy_takes_the_best_candidate_that_is_allowed() -> None:
    """Forbidden pieces (padding) are passed over, row by row."""
    top_ids = np.array([[5, 9], [9, 6], [7, 8]], dtype=np.int64)
    top_logprobs = np.array([[-0.1, -2.0], [-0.2, -1.5], [-0.3, -1.0]], dtype=np.float32)
    ids, logprobs = greedy(top_ids, top_logprobs, np.array([9]))
    assert ids.tolist() == [5, 6, 7]
    np.testing.assert_allclose(logprobs, [-0.1, -1.5, -0.3], rtol=1e-6)


def test_greedy_with_nothing_forbidden_takes_the_best() -> None:
    """One candidate is then enough."""
    ids, _ = greedy(
        np.array([[5], [6]]), np.zeros((2, 1), dtype=np.float32), np.array([], dtype=np.int64)
    )
    assert ids.tolist() == [5, 6]


def test_a_row_is_finished_by_its_end_or_by_its_limit() -> None:
    """Whichever comes first."""
    done = finished(np.array([0, 5, 5]), 0, np.array([2, 3, 4]), np.array([9, 9, 4]))
    assert done.tolist() == [True, False, True]
