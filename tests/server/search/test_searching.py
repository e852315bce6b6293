"""What each search does beside the others: company, limits, scores, attention."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lingraft.server.search import EarlyStopping, Found, SearchOptions, begin
from lingraft.server.search.constraints import Constraints

EOS, PIECES = 0, 48
KINDS = [
    SearchOptions(20),
    SearchOptions(20, beam_size=4, wanted=3),
    SearchOptions(9, beam_size=2, length_penalty=2.0, forced=17),
    SearchOptions(20, temperature=1.5, top_k=10, seed=5),
    SearchOptions(20, beam_size=3, repetition_penalty=1.5, no_repeat_ngram_size=2),
    SearchOptions(15, min_length=8, banned=frozenset({3, 9}), prefix=(4, 30)),
    SearchOptions(20, beam_size=5, early_stopping=EarlyStopping.AT_ONCE, alignment=True),
    SearchOptions(12, temperature=0.7, top_k=40, seed=6, no_repeat_ngram_size=1),
]


def _drive(search: Any, steps: list[Any]) -> list[Any]:
    """Answers [(ids, logprobs), ...] of all rows, one after another; what `advance` returned."""
    return [search.advance([ids], [values], None) for ids, values in steps]


@pytest.mark.parametrize("late", [0, 1, 3])
def test_a_search_finds_the_same_in_any_company(
    models: Any, together: Callable[..., Any], late: int
) -> None:
    """Rows of all kinds in one batch, joining at once or by and by, give what each gives alone."""
    model = models[0]
    asked = [(number % 4, options) for number, options in enumerate(KINDS)]
    alone = [together(model, [each])[0] for each in asked]
    for one, other in zip(alone, together(model, asked, late), strict=True):
        assert [found.ids for found in one] == [found.ids for found in other]
        assert [found.truncated for found in one] == [found.truncated for found in other]
        for mine, yours in zip(one, other, strict=True):
            assert mine.score == pytest.approx(yours.score, abs=1e-4)


@pytest.mark.parametrize("options", [each for each in KINDS if not each.repetition_penalty > 1])
def test_a_score_is_the_sum_of_its_logprobs_over_the_length(
    models: Any, together: Any, options: SearchOptions
) -> None:
    """One log-probability for each piece, and one for the end unless the limit came first."""
    for found, *_ in together(models[1], [(number, options) for number in range(4)]):
        assert len(found.logprobs) == len(found.ids) + (not found.truncated)
        scored = len(found.logprobs) - options.unscored
        expected = sum(found.logprobs) / scored**options.length_penalty
        assert found.score == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("options", "needed"),
    [
        (SearchOptions(9), 2),
        (SearchOptions(9, min_length=2), 3),
        (SearchOptions(9, banned=frozenset({3, 4})), 4),
        (SearchOptions(9, beam_size=4), 9),
        (SearchOptions(9, temperature=1.0, top_k=30), 31),
    ],
)
def test_a_search_asks_for_what_it_needs_and_no_more(
    special: Any, options: SearchOptions, needed: int
) -> None:
    """Beside what it chooses among, one candidate for each piece that is banned."""
    assert begin(options, special, 3).candidates == needed


def test_candidates_asked_for_are_enough(special: Any) -> None:
    """Under bans and penalties, the best of all pieces are the best of those asked for."""
    generator = np.random.default_rng(3)
    options = SearchOptions(99, repetition_penalty=1.3, no_repeat_ngram_size=2, min_length=9)
    constraints = Constraints(options, special)
    for _ in range(300):
        history = generator.integers(0, 12, size=generator.integers(1, 20)).tolist()
        constraint = constraints.after_history([special.pad, *history])
        values = np.sort(generator.normal(-3, 1, PIECES))[::-1].tolist()
        ids = generator.permutation(PIECES).tolist()
        few = 5 + constraint.reach
        best = constraint.weigh(ids, values)[:5]
        assert best == constraint.weigh(ids[:few], values[:few])[:5]


def test_attention_is_kept_for_every_piece_of_the_right_row(models: Any, together: Any) -> None:
    """Through all reorderings of beams; [pieces,S], without the end."""
    options = SearchOptions(20, beam_size=4, wanted=4, alignment=True, prefix=(5,))
    for source, hypotheses in enumerate(together(models[0], [(n, options) for n in range(4)])):
        for found in hypotheses:
            length = (4, 2, 7, 5)[source]
            assert found.alignment.shape == (len(found.ids), length)
            assert found.alignment.argmax(1).tolist() == [
                place % length for place in range(len(found.ids))
            ]
    (found,) = together(models[0], [(0, SearchOptions(20))])[0]
    assert found.alignment is None


def test_attention_that_an_engine_does_not_tell_is_none(special: Any) -> None:
    """Rather than made up."""
    for beams in (1, 2):
        search = begin(SearchOptions(1, beam_size=beams, alignment=True), special, 3)
        ids, values = (
            [[5, 6, 7, 8, 9]] * beams,
            [[-1.0, -2, -3, -4, -5]] * beams,
        )
        assert search.advance(ids, values, None) is None
        assert search.found()[0].alignment is None


def test_more_candidates_than_are_needed_change_nothing(special: Any) -> None:
    """Rows of one batch get as many as the neediest asks for."""
    for beams in (1, 2):
        answers = []
        for count in (5, 6):
            search = begin(SearchOptions(2, beam_size=beams), special, 3)
            for _ in range(2):
                ids = [[5, 6, 7, 8, 9, 10][:count]] * beams
                values = [[-1.0, -2.0, -3.0, -4.0, -5.0, -6.0][:count]] * beams
                search.advance(ids, values, None)
            answers.append(search.found())
        assert answers[0] == answers[1]
        assert answers[0][0].ids == (5, 5)


def test_padding_is_never_produced(special: Any) -> None:
    """Whatever the engine thinks of it."""
    search = begin(SearchOptions(1), special, 3)
    search.advance([[special.pad, 6]], [[-0.1, -3.0]], None)
    assert search.found() == (Found((6,), (-3.0,), -3.0, truncated=True),)


@pytest.mark.parametrize("beams", [1, 3])
def test_a_search_with_nothing_left_to_say_ends(special: Any, beams: int) -> None:
    """Everything is banned: what there is, is the answer, cut."""
    options = SearchOptions(9, beam_size=beams, banned=frozenset(range(PIECES)), prefix=(7,))
    search = begin(options, special, 3)
    ids, values = [[1, 2]] * beams, [[-1.0, -2.0]] * beams
    assert search.advance(ids, values, None) is not None
    assert search.advance(ids, values, None) is None
    (found,) = search.found()
    assert (found.ids, found.truncated) == ((7,), True)


def test_few_pieces_make_few_hypotheses(special: Any) -> None:
    """A vocabulary that is smaller than the beams is no fault: rows repeat until there are more."""
    search = begin(SearchOptions(3, beam_size=4, wanted=4), special, 3)
    ids, values = [[1, 0]] * 4, [[-0.5, -1.0]] * 4
    parents = search.advance(ids, values, None)
    assert parents == [0, 0, 0, 0]
    while search.advance(ids, values, None) is not None:
        pass
    assert {found.ids for found in search.found()} == {(), (1,), (1, 1), (1, 1, 1)}


def test_a_prefix_may_hold_any_piece_and_costs_nothing(special: Any) -> None:
    """Its pieces need no candidates, have log-probability 0, and count against the limit."""
    search = begin(SearchOptions(3, forced=40, prefix=(41,)), special, 3)
    assert (search.inputs(), search.candidates) == ([special.pad], 1)
    moves = _drive(search, [([9], [-1.0]), ([9], [-1.0]), ([9, 8], [-1.5, -2.0])])
    assert moves == [(0,), (0,), None]
    assert search.found() == (Found((40, 41, 9), (0.0, 0.0, -1.5), -1.5, truncated=True),)


@pytest.mark.parametrize(
    "wrong",
    [
        {"wanted": 2},
        {"beam_size": 2, "temperature": 1.0},
        {"repetition_penalty": 0.9},
        {"top_k": 0},
        {"max_length": 0},
        {"max_length": 2, "prefix": (1, 2)},
    ],
)
def test_options_that_contradict_each_other_are_refused(wrong: dict[str, Any]) -> None:
    """Before a search begins."""
    with pytest.raises(ValueError, match=r"\d|beam|below"):
        SearchOptions(**{"max_length": 9} | wrong)
