"""A test set is opened once: answers are kept, and every making of them is counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from lingraft.training.measure import openings


def test_answers_are_made_once_and_kept(tmp_path: Path) -> None:
    """The second call gives what the first one made, without making anything."""
    made: list[str] = []

    def make() -> list[list[str]]:
        made.append("once")
        return [["ẹ káàsán"]]

    for _ in range(2):
        answers = openings.answers(tmp_path / "test", "graft", ["weights", "text"], make)
        assert answers == [["ẹ káàsán"]]
    assert made == ["once"]
    assert openings.count(tmp_path / "test", "graft") == 1


@pytest.mark.parametrize("of", [["other", "text"], ["weights", "other"], ["weightst", "ext"]])
def test_other_weights_or_texts_open_it_again(tmp_path: Path, of: list[str]) -> None:
    """Old answers never stand for new questions, and the count tells."""
    openings.answers(tmp_path, "graft", ["weights", "text"], lambda: [1])
    assert openings.answers(tmp_path, "graft", of, lambda: [2]) == [2]
    assert openings.count(tmp_path, "graft") == 2


def test_arms_are_counted_apart(tmp_path: Path) -> None:
    """The report tells the graft's openings."""
    for name in ("graft", "control", "parent"):
        openings.answers(tmp_path, name, ["x"], lambda: [1])
    assert openings.count(tmp_path, "graft") == 1
