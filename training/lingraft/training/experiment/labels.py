"""Labelled text of a classifier, split by what it is for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lingraft.training.data.keys import key
from lingraft.training.data.tables import Table, read_tables
from lingraft.training.errors import DataError
from lingraft.training.recipe.recipes import ClassifyRecipe, Labelled
from lingraft.training.vocabulary.codec import Codec, shorten

Row = tuple[str, str, str]  # text, label, language


@dataclass(frozen=True)
class LabelSet:
    """Held-out texts of one language with their labels."""

    name: str
    language: str
    rows: tuple[Row, ...]

    @property
    def texts(self) -> list[str]:
        """The texts alone."""
        return [row[0] for row in self.rows]


@dataclass(frozen=True)
class Labels:
    """All text of a classifier.

    names: the labels, in the order of the logits.
    dropped: training rows left out because their text stands in dev or test.
    """

    names: tuple[str, ...]
    train: list[Row]
    select: list[Row]
    decide: list[LabelSet]
    test: list[LabelSet]
    dropped: int

    def indices(self, rows: Sequence[Row]) -> list[int]:
        """The label of each row as its place in `names`."""
        places = {name: place for place, name in enumerate(self.names)}
        return [places[row[1]] for row in rows]

    @property
    def dev(self) -> list[Row]:
        """Both halves of dev."""
        return [*self.select, *(row for part in self.decide for row in part.rows)]


def load_labels(recipe: ClassifyRecipe) -> Labels:
    """Rows of train, dev and test; of every row the first of equal texts counts.

    Rows of train whose text stands in dev or test, and of dev whose text stands in test, are left
    out. Dev is cut in two for every language: one half selects, the other decides.

    Raises:
        DataError: files are faulty, or nothing is left of train or dev.
    """
    parts = (recipe.train, recipe.dev, recipe.test)
    tables = read_labelled([source for part in parts for source in part], recipe.seed)
    supply = iter(tables)
    train, dev, test = ([row for _ in part for row in next(supply)] for part in parts)
    dev = _without(dev, test)
    clean = _without(train, [*dev, *test])
    if not (clean and dev):
        raise DataError("every row of train or of dev stands in test too; split the data anew")
    names = _names(clean, [*dev, *test])
    halves = [(part.rows[0::2], part.rows[1::2] or part.rows) for part in _by_language("dev", dev)]
    decide = [row for _, half in halves for row in half]
    return Labels(
        names=names,
        train=clean,
        select=[row for half, _ in halves for row in half],
        decide=_by_language("dev", decide),
        test=_by_language(" + ".join(dict.fromkeys(s.name for s in recipe.test)), test),
        dropped=len(train) - len(clean),
    )


def read_labelled(sources: Sequence[Labelled], seed: int) -> list[list[Row]]:
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


def _drawn(rows: list[Row], source: Labelled, seed: int) -> list[Row]:
    if source.per_label is None:
        return rows
    order = np.random.default_rng([seed, len(rows)]).permutation(len(rows))
    taken: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place in map(int, order):
        group = taken[rows[place][1], rows[place][2]]
        if len(group) < source.per_label:
            group.append(place)
    return [rows[place] for place in sorted(p for group in taken.values() for p in group)]


def _without(rows: Sequence[Row], held_out: Sequence[Row]) -> list[Row]:
    texts = {key(row[0]) for row in held_out}
    return [row for row in rows if key(row[0]) not in texts]


def _by_language(name: str, rows: Sequence[Row]) -> list[LabelSet]:
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row[2]].append(row)
    return [LabelSet(name, language, tuple(group)) for language, group in groups.items()]


def _names(train: Sequence[Row], held_out: Sequence[Row]) -> tuple[str, ...]:
    labels = sorted({row[1] for row in train})
    if len(labels) < 2:
        raise DataError(f"train has one label only ({', '.join(labels)}); a classifier needs two")
    unknown = sorted({row[1] for row in held_out} - set(labels))
    if unknown:
        raise DataError(f"dev or test has labels that train lacks: {', '.join(unknown)}")
    return tuple(labels)


def encode_rows(codec: Codec, rows: Sequence[Row], limit: int) -> list[list[int]]:
    """Source ids of the texts, pieces and eos; longer ones lose what is over `limit` before eos."""
    return [shorten(codec.encode_target(text, language), limit) for text, _, language in rows]
