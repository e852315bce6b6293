"""Sampling draws what it should, and the same again."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest

from lingraft.server.search import SearchOptions, begin
from lingraft.server.search.draws import uniform

# Pieces and log-probabilities as an engine says them, best first.
SHARES = {7: 0.5, 3: 0.25, 9: 0.15, 0: 0.07, 20: 0.03}
DRAWS = 6_000


def _draw(special: Any, **options: Any) -> Counter[int]:
    """First pieces that sampling draws with as many streams of one seed."""
    drawn: Counter[int] = Counter()
    ids = [[*SHARES]]
    values = [[math.log(share) for share in SHARES.values()]]
    for stream in range(DRAWS):
        given = SearchOptions(max_length=1, seed=11, stream=stream, **options)
        search = begin(given, special, 3)
        search.advance(ids, values, None)
        (found,) = search.found()
        drawn[found.ids[0] if found.ids else special.eos] += 1
    return drawn


def _chi_square(drawn: Counter[int], expected: dict[int, float]) -> float:
    return sum(
        (drawn[piece] - DRAWS * share) ** 2 / (DRAWS * share) for piece, share in expected.items()
    )


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_pieces_are_drawn_as_often_as_they_are_probable(special: Any, temperature: float) -> None:
    """p**(1 / temperature), normalised: chi-square with 4 degrees of freedom, 99.9% bound 18.5."""
    powers = {piece: share ** (1 / temperature) for piece, share in SHARES.items()}
    expected = {piece: power / sum(powers.values()) for piece, power in powers.items()}
    drawn = _draw(special, temperature=temperature, top_k=5)
    assert _chi_square(drawn, expected) < 18.5


def test_only_the_best_are_drawn(special: Any) -> None:
    """`top_k` of them, normalised among themselves; bans come before."""
    drawn = _draw(special, temperature=1.0, top_k=2, banned=frozenset({3}))
    assert set(drawn) == {7, 9}
    assert _chi_square(drawn, {7: 50 / 65, 9: 15 / 65}) < 10.8  # 1 degree of freedom, 99.9%


def test_a_very_low_temperature_is_greedy(special: Any) -> None:
    """And overflows nothing."""
    assert set(_draw(special, temperature=1e-30, top_k=5)) == {7}


def test_the_seed_and_the_stream_say_what_is_drawn(models: Any, together: Any) -> None:
    """The same, the same; another of either, something else."""

    def draw(seed: int, stream: int) -> Any:
        options = SearchOptions(20, temperature=2.0, top_k=30, seed=seed, stream=stream)
        return together(models[0], [(0, options)])[0][0].ids

    assert draw(1, 0) == draw(1, 0)
    assert len({draw(seed, stream) for seed in (1, 2, -3) for stream in (0, 1)}) == 6


def test_numbers_are_uniform_and_independent_of_their_neighbours() -> None:
    """Mean, spread and the correlation of one with the next, each within 4 standard errors."""
    drawn = np.array([uniform(3, stream, step) for stream in range(100) for step in range(100)])
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert abs(drawn.mean() - 0.5) < 4 * math.sqrt(1 / 12 / drawn.size)
    counts = np.histogram(drawn, bins=16, range=(0, 1))[0]
    assert ((counts - drawn.size / 16) ** 2 / (drawn.size / 16)).sum() < 37.7  # 15 d. f., 99.9%
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 4 / math.sqrt(drawn.size)
