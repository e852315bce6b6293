"""Batches: a pure function of corpus, seed and epoch, within their budget, fair to all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as bounds
from hypothesis import strategies as st

from lingraft.training.data.batches import BatchPlan, Corpus, epoch_batches
from lingraft.training.errors import DataError
from lingraft.training.models.tensors import IGNORED, collate, pad_rows

PAD = 99


def _corpus(lengths: Sequence[tuple[int, int]], groups: Sequence[int]) -> Corpus:
    return Corpus([([1] * s, [2] * t) for s, t in lengths], groups)


def _random(size: int, groups: int = 1) -> Corpus:
    random = np.random.default_rng(5)
    lengths = [(int(s), int(t)) for s, t in random.integers(3, 60, (size, 2))]
    return _corpus(lengths, [i % groups for i in range(size)])


def _visits(corpus: Corpus, plan: BatchPlan, epoch: int) -> Counter[int]:
    return Counter(int(i) for batch in epoch_batches(corpus, plan, epoch) for i in batch)


def test_batches_are_a_pure_function_of_seed_and_epoch() -> None:
    """The same again, other ones in the next epoch and under another seed."""
    corpus = _random(300)

    def cut(seed: int, epoch: int) -> list[list[int]]:
        batches = epoch_batches(corpus, BatchPlan(400, (1.0,), seed), epoch)
        return [batch.tolist() for batch in batches]

    assert cut(1, 0) == cut(1, 0)
    assert cut(1, 0) != cut(1, 1)
    assert cut(1, 0) != cut(2, 0)


@bounds(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=60),
    st.integers(10, 200),
)
def test_no_batch_is_over_its_budget(lengths: list[tuple[int, int]], budget: int) -> None:
    """Longer sides, and twice that padded; only an example longer by itself may be, and alone."""
    corpus = _corpus(lengths, [0] * len(lengths))
    for batch in epoch_batches(corpus, BatchPlan(budget, (1.0,), 3), 0):
        padded = len(batch) * int(corpus.lengths[batch].max())
        real = int(corpus.lengths[batch].sum())
        assert (real <= budget and padded <= 2 * budget) or len(batch) == 1


def test_every_example_is_visited_as_often_as_its_weight_says() -> None:
    """Whole weights are exact for each example; a fraction takes that share of them."""
    corpus = _random(90, groups=3)
    visits = _visits(corpus, BatchPlan(300, (1.0, 2.0, 0.5), 7), 0)
    by_group = [[visits[i] for i in range(90) if corpus.group[i] == g] for g in range(3)]
    assert by_group[0] == [1] * 30
    assert by_group[1] == [2] * 30
    assert sorted(by_group[2]) == [0] * 15 + [1] * 15


def test_a_fraction_takes_other_examples_in_the_next_epoch() -> None:
    """Nothing is left out for good."""
    corpus = _random(40)
    plan = BatchPlan(300, (0.5,), 7)
    seen = set().union(*(_visits(corpus, plan, epoch) for epoch in range(8)))
    assert seen == set(range(40))


def test_padding_is_a_small_share() -> None:
    """Examples of like length go together: under 12% where both sides are equally long."""
    random = np.random.default_rng(5)
    corpus = _corpus([(int(n), int(n)) for n in random.integers(3, 60, 2000)], [0] * 2000)
    batches = epoch_batches(corpus, BatchPlan(1000, (1.0,), 1), 0)
    padded = sum(len(batch) * int(corpus.lengths[batch].max()) for batch in batches)
    assert 1 - corpus.lengths.sum() / padded < 0.12


def test_targets_of_one_batch_end_at_many_places() -> None:
    """Where they all end at one, a model learns every batch's end anew: reports/training.md."""
    random = np.random.default_rng(5)
    sources = random.integers(3, 60, 2000)
    targets = np.maximum(1, sources + random.integers(-8, 9, 2000))
    lengths = [(int(s), int(t)) for s, t in zip(sources, targets, strict=True)]
    corpus = _corpus(lengths, [0] * 2000)
    ends = [
        len({len(corpus.target(int(i))) for i in batch})
        for batch in epoch_batches(corpus, BatchPlan(1000, (1.0,), 1), 0)
        if len(batch) >= 20
    ]
    assert min(ends) >= 8


def test_short_and_long_batches_come_mixed() -> None:
    """Training must not go from short to long sentences."""
    corpus = _random(2000)
    batches = epoch_batches(corpus, BatchPlan(1000, (1.0,), 1), 0)
    means = [float(corpus.lengths[batch].mean()) for batch in batches]
    assert abs(float(np.corrcoef(range(len(means)), means)[0, 1])) < 0.3


def test_weights_that_leave_nothing_are_refused() -> None:
    """Rather than an epoch that never ends."""
    with pytest.raises(DataError, match="leave no example: raise one"):
        epoch_batches(_random(3), BatchPlan(300, (0.1,), 1), 0)


def test_a_batch_holds_what_the_model_needs() -> None:
    """The decoder reads padding, then the target without its last piece; labels skip padding."""
    corpus = Corpus([([7, 5, 0], [8, 0]), ([7, 0], [9, 6, 0])], [0, 0])
    batch = collate(corpus, np.array([1, 0]), PAD)
    assert batch["source"].tolist() == [[7, 0, PAD], [7, 5, 0]]
    assert batch["decoder_input"].tolist() == [[PAD, 9, 6], [PAD, 8, PAD]]
    assert batch["labels"].tolist() == [[9, 6, 0], [8, 0, IGNORED]]


def test_rows_of_different_length_become_one_table() -> None:
    """Filled up at the end."""
    assert pad_rows([[1], [2, 3]], -5).tolist() == [[1, -5], [2, 3]]
