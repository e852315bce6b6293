"""Labelled rows: read from files, as many of each label as a source allows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from lingraft.training.data.tables import Table, read_tables
from lingraft.training.recipe.settings import Labelled

LabelledRow = tuple[str, str, str]  # text, label, language


def read_labelled(sources: Sequence[Labelled], seed: int) -> list[list[LabelledRow]]:
    """Rows (text, label, language) of every source, as many of each label as it allows.

    Args:
        sources: what to read.
        seed: of the draw where a source takes some rows of each label only.

    Raises:
        DataError: one or more files are faulty; all of them are named.
    """
    tables = []
    for source in sources:
        more = () if source.language_column is None else (source.language_column,)
        tables.append(Table(source.path, (*source.columns, *more), source.header))
    return [
        _drawn([(row[0], row[1], source.language or row[2]) for row in rows], source, seed)
        for source, rows in zip(sources, read_tables(tables), strict=True)
    ]


def _drawn(rows: list[LabelledRow], source: Labelled, seed: int) -> list[LabelledRow]:
    if source.per_label is None:
        return rows
    order = np.random.default_rng([seed, len(rows)]).permutation(len(rows))
    taken: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place in map(int, order):
        group = taken[rows[place][1], rows[place][2]]
        if len(group) < source.per_label:
            group.append(place)
    return [rows[place] for place in sorted(p for group in taken.values() for p in group)]
