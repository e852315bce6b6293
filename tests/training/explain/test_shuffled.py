"""Shuffled sources: blocks stay whole, and what survives the shuffling is told."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from lingraft.training.explain.resampling import Statistics
from lingraft.training.explain.shuffled import shuffle_blocks, shuffle_sources, shuffling

TEXT = "one two three four five six seven eight nine ten"


@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_words_of_a_block_stay_together(size: int) -> None:
    """All words are there, each block whole and in its own order; the text is another one."""
    words, mixed = TEXT.split(), shuffle_blocks(TEXT, size, seed=3).split()
    assert sorted(mixed) == sorted(words)
    for start in range(0, len(words), size):
        block = words[start : start + size]
        at = mixed.index(block[0])
        assert mixed[at : at + len(block)] == block


def test_the_seed_decides_the_order() -> None:
    """The same again, and another by another seed; each sentence has its own draw."""
    first = shuffle_blocks(TEXT, 1, seed=1)
    assert first == shuffle_blocks(TEXT, 1, seed=1) != TEXT
    assert first != shuffle_blocks(TEXT, 1, seed=2)
    one, two = shuffle_sources([TEXT, TEXT], 1, seed=1)
    assert one != two


def test_a_text_of_one_block_stays() -> None:
    """So does every text when sources stay intact; the empty text is no fault."""
    assert shuffle_blocks("two words", 2, seed=1) == "two words"
    assert shuffle_blocks("", 2, seed=1) == ""
    assert shuffle_sources([TEXT], 0, seed=1) == (TEXT,)


def _share(sums: Statistics) -> NDArray[np.float64]:
    return np.asarray(sums[:, 0] / sums[:, 1], dtype=np.float64)


def _by_order(sources: Sequence[str]) -> Statistics:
    """An arm that reads order: right about neighbours that still are neighbours."""
    rows = []
    for text, whole in zip(sources, _TEXTS, strict=True):
        pairs = set(zip(whole.split(), whole.split()[1:], strict=False))
        kept = sum(pair in pairs for pair in zip(text.split(), text.split()[1:], strict=False))
        rows.append((kept, len(pairs)))
    return np.array(rows, dtype=np.int64)


def _by_words(sources: Sequence[str]) -> Statistics:
    """An arm that reads words alone: always half right."""
    return np.array([(5, 10) for _ in sources], dtype=np.int64)


_TEXTS = tuple(f"{TEXT} {i} and {i + 1} to {i + 2}" for i in range(30))


def test_a_gain_from_order_goes_with_the_order() -> None:
    """It is lost with single words, and comes back with the blocks; the other arm stays."""
    found = shuffling(_TEXTS, _by_order, _by_words, _share, resamples=200)
    rows = json.loads(json.dumps(found.as_dict()))["blocks"]
    assert [row["words"] for row in rows] == [0, 1, 2, 4, 8]
    assert [row["control_keeps"] for row in rows] == [1.0] * 5
    keeps = [row["graft_keeps"] for row in rows]
    assert keeps[0] == 1.0
    assert keeps[1] < keeps[2] < keeps[3] < keeps[4]
    assert rows[0]["gain"]["low"] > 0 > rows[1]["gain"]["high"]
    assert rows[1]["gain_keeps"] < 0


def test_of_a_gain_that_is_none_no_share_is_told() -> None:
    """Zero survives everything."""
    found = shuffling(_TEXTS, _by_words, _by_words, _share, blocks=(1,), resamples=200)
    assert [row["gain_keeps"] for row in found.as_dict()["blocks"]] == [None, None]
