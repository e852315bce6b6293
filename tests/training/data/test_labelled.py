"""Labelled rows: as many of each label and language as a source allows."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from lingraft.training.data.labelled import read_labelled
from lingraft.training.recipe.settings import Labelled


def _source(folder: Path, per_label: int | None) -> Labelled:
    rows = [
        f"text {i}\t{'spam' if i % 3 else 'ham'}\t{'en' if i < 30 else 'yo'}" for i in range(60)
    ]
    (folder / "rows.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    path = str(folder / "rows.tsv")
    return Labelled(name="rows", path=path, language_column=2, per_label=per_label)


def test_a_few_shots_are_as_many_of_every_label_and_language(tmp_path: Path) -> None:
    """Four of each, in the file's order, others by another seed."""
    (rows,) = read_labelled([_source(tmp_path, 4)], seed=1)
    assert Counter(row[1:] for row in rows) == {
        ("spam", "en"): 4,
        ("ham", "en"): 4,
        ("spam", "yo"): 4,
        ("ham", "yo"): 4,
    }
    order = [int(row[0].split()[1]) for row in rows]
    assert order == sorted(order)
    assert read_labelled([_source(tmp_path, 4)], seed=1) == [rows]
    assert read_labelled([_source(tmp_path, 4)], seed=2) != [rows]


def test_without_a_number_all_rows_are_taken(tmp_path: Path) -> None:
    """And a number above what is there takes what is there."""
    assert len(read_labelled([_source(tmp_path, None)], seed=1)[0]) == 60
    assert len(read_labelled([_source(tmp_path, 500)], seed=1)[0]) == 60
