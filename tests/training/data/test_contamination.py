"""The contamination guard: copies on either side are found, innocents are left alone."""

from __future__ import annotations

import random
from collections.abc import Sequence
from string import ascii_lowercase

import pytest
from hypothesis import given
from hypothesis import settings as bounds
from hypothesis import strategies as st
from pydantic import ValidationError

from lingraft.training.data.contamination import Checked, Part, check, describe, guard
from lingraft.training.data.words import words
from lingraft.training.errors import DataError
from lingraft.training.recipe.instances import Contamination

Row = tuple[str, ...]
RULE = Contamination()
LONG = "When the rain had stopped the old ferryman tied his boat to the willow and walked home"
OTHER = "Nobody in the village could say who had painted the door of the mill blue that night"


def _check(
    train: Sequence[Row], held_out: Sequence[Row], rule: Contamination = RULE
) -> Checked[Row]:
    return check([Part("train", train)], [Part("test", held_out)], rule)


def _dirty(train: Sequence[Row], held_out: Sequence[Row], rule: Contamination = RULE) -> list[int]:
    return [int(i) for i in _check(train, held_out, rule).dropped[0]]


def _random_text(draw: random.Random, size: int) -> str:
    return " ".join("".join(draw.choices(ascii_lowercase, k=6)) for _ in range(size))


@bounds(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), max_size=12),
    st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), max_size=6),
    st.data(),
)
def test_an_equal_text_on_any_side_is_always_found(
    train: list[tuple[str, str]], held_out: list[tuple[str, str]], data: st.DataObject
) -> None:
    """Whatever the text, in other case and with a full stop; no exact find is made up."""
    plain = st.text(st.sampled_from("abcdefg ọẹقश"), min_size=1).filter(str.strip)
    text = data.draw(plain)
    copy = f"  {text.upper()}."
    at = data.draw(st.integers(0, len(train)))
    planted: list[Row] = [*train[:at], ("new", copy), *train[at:]]
    assert at in _dirty(planted, [*held_out, (text, "other")])
    assert at in _dirty([(b, a) for a, b in planted], [*held_out, (text, "other")])


def test_near_duplicates_are_found_on_either_side() -> None:
    """One changed word, one sentence inside another, and the sides the other way round."""
    changed = LONG.replace("walked", "ran")
    inside = f"They told it like this: {LONG}, and then he slept until noon"
    train = [("fresh", changed), (inside, "fresh"), (OTHER, "fresh")]
    checked = _check(train, [(LONG, "unrelated")])
    assert checked.dropped[0].tolist() == [0, 1]
    assert checked.rows == [[train[2]]]
    assert [(o.side, o.near, o.exact, o.folded) for o in checked.overlaps] == [
        (0, 1, 0, 0),
        (1, 1, 0, 0),
    ]
    assert checked.overlaps[0].examples == ((1, 0),)


def test_a_shared_formula_is_no_copy() -> None:
    """Eight words of seventeen are under half; a stricter rule counts them."""
    formula = " ".join(LONG.split()[:8])
    train = [(f"{formula} counted nothing but the grey geese above a quiet southern field",)]
    assert _dirty(train, [(LONG,)]) == []
    assert _dirty(train, [(LONG,)], Contamination(coverage=0.4)) == [0]


def test_repeated_words_are_no_run() -> None:
    """Tweets to many people are no copies of each other."""
    many = "@user " * 14
    assert _dirty([(f"{many} fine weather in the south",)], [(f"{many} who has seen it",)]) == []
    assert _dirty([(f"{many} {LONG}",)], [(LONG,)]) == [0]


def test_runs_of_different_rows_are_not_added_up() -> None:
    """Two rows that hold a half each are two formulas; one that holds both halves is a copy."""
    text = _random_text(random.Random(1), 32)
    units = text.split()
    left, right = " ".join(units[:10]), " ".join(units[20:30])
    assert _dirty([(left,), (right,)], [(text,)]) == []
    assert _dirty([(left,), (f"{left} but {right}",)], [(text,)]) == [1]


def test_planted_copies_are_found_among_many_innocents() -> None:
    """All of them, and nothing else."""
    draw = random.Random(4)
    train: list[Row] = [(_random_text(draw, 12), _random_text(draw, 14)) for _ in range(3000)]
    held_out = [(_random_text(draw, 20), _random_text(draw, 20)) for _ in range(300)]
    planted = sorted(draw.sample(range(len(train)), 40))
    for i in planted:
        side, units = draw.randrange(2), draw.choice(held_out)[draw.randrange(2)].split()
        units[draw.choice((0, 19))] = "changed"
        train[i] = (" ".join(units), "x") if side else ("x", " ".join(units))
    assert _dirty(train, held_out) == planted


def test_templates_do_not_fill_the_memory() -> None:
    """Where every text shares runs with every other: all pairs are found, part by part."""
    names = [a + b for a in ascii_lowercase for b in ascii_lowercase]
    template = "thank you {} for your order it will be sent to you tomorrow morning".format
    train = [(template(f"x{name}x"),) for name in names]
    held_out = [(template(f"y{name}y"),) for name in names[:300]]
    checked = _check(train, held_out)
    assert (checked.overlaps[0].near, checked.overlaps[0].held_out_rows) == (len(train), 300)


def test_short_texts_must_be_equal() -> None:
    """Under eight words there are no runs; case, marks, digits and punctuation do not tell."""
    held_out = [("Open 12 of the files, please", "Ṣí àwọn fáìlì")]
    train = [("Open some of the files please",), ("OPEN 57 of the files... please",)]
    assert _dirty(train, held_out) == [1]
    checked = _check([("x", "si awon faili!")], held_out)
    assert (checked.overlaps[0].folded, checked.overlaps[0].side) == (1, 1)


def test_little_text_is_not_folded() -> None:
    """Else every number would be a copy of every other, and a chapter of every chapter."""
    assert _dirty([("4711",), ("12.08.",)], [("4712",), ("12.08",)]) == [1]
    assert _dirty([("Kings 2",), ("ọkọ́ wa",)], [("Kings 1",), ("oko wa",)]) == []


def test_rows_are_counted_once_under_their_surest_kind() -> None:
    """And held-out rows that were met are counted too."""
    checked = _check([(LONG,), (f"{LONG} again",)], [(LONG,), (LONG.upper(),), (OTHER,)])
    (overlap,) = checked.overlaps
    assert (overlap.exact, overlap.folded, overlap.near) == (1, 0, 1)
    assert (overlap.rows, overlap.held_out_rows, checked.count) == (2, 2, 2)
    assert describe(overlap) == (
        "train, source side: 2 rows stand in test (1 exact, 0 folded, 1 near)"
    )


def test_only_the_text_of_labelled_rows_counts() -> None:
    """Labels and languages are the same everywhere."""
    train = [("a fresh text", "sport", "en"), ("stolen text", "sport", "en")]
    held_out = [("Stolen text.", "travel", "en")]
    checked = check([Part("train", train, (0,))], [Part("test", held_out, (0,))], RULE)
    assert checked.rows == [[train[0]]]


def test_train_is_kept_from_dev_and_test_and_dev_from_test() -> None:
    """Each finding names its files."""
    train = Part("train", [("in dev",), ("in test",), ("clean",)])
    dev = Part("dev", [("in dev",), ("shared",)])
    test = Part("test", [("in test",), ("shared",)])
    guarded = guard([train], [dev], [test], RULE)
    assert guarded.train.rows == [[("clean",)]]
    assert guarded.dev.rows == [[("in dev",)]]
    assert [o.held_out for o in guarded.train.overlaps] == ["dev", "test"]


def test_stop_names_every_pair_of_files_and_the_mend() -> None:
    """In one message; clean data passes."""
    train, dev, test = Part("a", [("one",)]), Part("b", [("two",)]), Part("c", [("one",), ("two",)])
    stop = Contamination(action="stop")
    with pytest.raises(DataError) as error:
        guard([train], [dev], [test], stop)
    lines = str(error.value).splitlines()
    assert lines[1:3] == [
        "  a, source side: 1 row stands in c (1 exact, 0 folded, 0 near)",
        "  b, source side: 1 row stands in c (1 exact, 0 folded, 0 near)",
    ]
    assert lines[3] == (
        'split the data anew, or set contamination.action = "drop" to leave these rows out'
    )
    assert guard([train], [dev], [Part("c", [("three",)])], stop).train.count == 0


def test_nothing_is_found_where_there_is_nothing() -> None:
    """No rows, empty cells."""
    assert _dirty([], [("a",)]) == []
    assert _dirty([("a", "")], []) == []
    assert _dirty([("", ""), ("?", "")], [("", "?")]) == []


def test_words_are_the_same_composed_or_not() -> None:
    """Marks, apostrophes, case and punctuation go, digits become 0."""
    assert words("Ẹ̀kọ́ Hawaiʻi, 1868!") == words("ẸKO Hawai'i ‹9999›") == ["eko", "hawaii", "0000"]


@pytest.mark.parametrize("bad", [{"ngram": 1}, {"coverage": 0.0}, {"coverage": 1.1}])
def test_settings_out_of_bounds_are_refused(bad: dict[str, float]) -> None:
    """Before anything is read."""
    with pytest.raises(ValidationError):
        Contamination.model_validate(bad)
