"""Searches find what `generate` of Transformers finds, piece by piece, with the same scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from lingraft.server.search import EarlyStopping, Found

EOS = 0
NOTHING: dict[str, Any] = {}
STOPPING = {
    False: EarlyStopping.WHEN_UNLIKELY,
    True: EarlyStopping.AT_ONCE,
    "never": EarlyStopping.NEVER_EARLY,
}

# What a search is told, and the same for Transformers.
CONSTRAINTS = [
    pytest.param({"no_repeat_ngram_size": 2}, {"no_repeat_ngram_size": 2}, id="no-bigram-twice"),
    pytest.param({"no_repeat_ngram_size": 1}, {"no_repeat_ngram_size": 1}, id="no-piece-twice"),
    pytest.param({"min_length": 9}, {"min_new_tokens": 9}, id="min-length"),
    pytest.param({"max_length": 4}, {"max_length": 5}, id="max-length"),
    pytest.param(
        {"max_length": 6, "end_at_limit": True},
        {"max_length": 7, "forced_eos_token_id": 0},
        id="end-at-limit",
    ),
    pytest.param({"forced": 17}, {"forced_bos_token_id": 17}, id="forced-tag"),
    pytest.param(
        {"banned": frozenset({3, 9, 21})}, {"bad_words_ids": [[47], [3], [9], [21]]}, id="banned"
    ),
    pytest.param({"prefix": (17, 4)}, {"prefix": [17, 4]}, id="prefix"),
    pytest.param({"forced": 17, "prefix": (4,)}, {"prefix": [17, 4]}, id="tag-and-prefix"),
    pytest.param(
        {"no_repeat_ngram_size": 3, "min_length": 6, "forced": 30, "max_length": 15},
        {"no_repeat_ngram_size": 3, "min_new_tokens": 6, "forced_bos_token_id": 30}
        | {"max_length": 16},
        id="many",
    ),
]
TIE = 1e-5  # closer scores are a numerical tie: fp32 sums come in another order


def pieces(found: Found) -> list[int]:
    """With the end."""
    return [*found.ids, *([] if found.truncated else [EOS])]


def check(ours: Sequence[Sequence[Found]], theirs: Sequence[Sequence[Any]]) -> None:
    """The same hypotheses in the same order, but for numerical ties; scores within 1e-3."""
    for mine, yours in zip(ours, theirs, strict=True):
        assert len(mine) == len(yours)
        for found, (sequence, score) in zip(mine, yours, strict=True):
            tied = score is not None and abs(found.score - score) < TIE
            same = sequence in (pieces(found), [*found.ids, EOS])
            assert same or (tied and len(mine) > 1)
            assert score is None or found.score == pytest.approx(score, abs=1e-3)


def test_the_models_of_these_tests_tell_searches_apart(
    models: Any, search: Callable[..., Any]
) -> None:
    """Outputs differ in length, some reach the limit, beams find what greedy search does not."""
    greedy = [each for model in models for each in search(model)]
    beams = [each for model in models for each in search(model, beam_size=4)]
    assert len({len(found.ids) for (found,) in beams}) > 3
    assert {found.truncated for (found,) in greedy} == {True, False}
    assert sum(one.ids != four.ids for (one,), (four,) in zip(greedy, beams, strict=True)) > 3


@pytest.mark.parametrize(("told", "same"), [pytest.param({}, {}, id="plain"), *CONSTRAINTS])
def test_greedy_search_equals_transformers(
    models: Any, search: Any, generate: Any, told: dict[str, Any], same: dict[str, Any]
) -> None:
    """Under every constraint."""
    for model in models:
        check(search(model, **told), generate(model, num_beams=1, **same))


def test_the_start_counts_as_produced(models: Any, search: Any, generate: Any) -> None:
    """As in families whose decoder starts with the end: it is penalised, and no unigram again."""
    for options in ({"repetition_penalty": 2.0}, {"no_repeat_ngram_size": 1}):
        for model in models:
            ours = search(model, start=EOS, beam_size=4, **options)
            check(ours, generate(model, num_beams=4, decoder_start_token_id=EOS, **options))


@pytest.mark.parametrize("penalty", [0.6, 1.0, 2.0])
@pytest.mark.parametrize("stopping", list(STOPPING))
@pytest.mark.parametrize("beams", [2, 4, 5])
def test_beam_search_equals_transformers(
    models: Any, search: Any, generate: Any, beams: int, stopping: Any, penalty: float
) -> None:
    """For each width, length penalty and way to stop, all hypotheses in their order."""
    model = models[(2, 4, 5).index(beams)]
    given = {"length_penalty": penalty, "wanted": beams}
    ours = search(model, early_stopping=STOPPING[stopping], beam_size=beams, **given)
    check(ours, generate(model, early_stopping=stopping, num_beams=beams, **given))


@pytest.mark.parametrize(
    ("told", "same"),
    [
        *CONSTRAINTS,
        pytest.param({"repetition_penalty": 1.4}, {"repetition_penalty": 1.4}, id="repetition"),
    ],
)
def test_beam_search_equals_transformers_under_constraints(
    models: Any, search: Any, generate: Any, told: dict[str, Any], same: dict[str, Any]
) -> None:
    """The two best of four beams."""
    for model in models:
        ours = search(model, beam_size=4, wanted=2, **told)
        check(ours, generate(model, num_beams=4, wanted=2, **same))
