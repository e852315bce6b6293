"""The text that a vocabulary transfer learns from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lingraft.training.data.corpora import Row, spread
from lingraft.training.data.tables import Table, read_tables
from lingraft.training.errors import DataError
from lingraft.training.recipe.pieces import VocabularyTransfer
from lingraft.training.recipe.settings import Pairs
from lingraft.training.vocabulary.codec import Codec
from lingraft.training.vocabulary.matching import extends

Ids = list[int]
_MOST_PAIRS = 60_000  # of each parallel source: alignment has use for no more


@dataclass(frozen=True)
class Parallel:
    """Rows (text in `left`, text in `right`)."""

    left: str
    right: str
    rows: Sequence[Row]


@dataclass(frozen=True)
class Material:
    """Sentences by language, and parallel text for aligned averages."""

    texts: Mapping[str, Sequence[str]]
    parallel: Sequence[Parallel] = ()


def material_of(
    settings: VocabularyTransfer,
    training: Mapping[str, Sequence[str]],
    parallel: Sequence[Parallel] = (),
) -> Material:
    """`training` text by language, where `settings.texts` names no other for a language.

    Raises:
        DataError: files of `settings.texts` are faulty; all of them are named.
    """
    named: dict[str, list[str]] = {}
    tables = read_tables([Table(t.path, (t.column,), t.header) for t in settings.texts])
    for text, rows in zip(settings.texts, tables, strict=True):
        named.setdefault(text.language, []).extend(row[0] for row in rows)
    return Material({**training, **named}, parallel)


def material_of_pairs(
    settings: VocabularyTransfer, sources: Sequence[Pairs], rows: Sequence[Sequence[Row]]
) -> Material:
    """The material of a translation recipe: `rows` are those of `sources`, in order."""
    training: dict[str, list[str]] = {}
    for source, texts in zip(sources, rows, strict=True):
        training.setdefault(source.source, []).extend(row[0] for row in texts)
        training.setdefault(source.target, []).extend(row[1] for row in texts)
    parallel = [
        Parallel(source.source, source.target, texts)
        for source, texts in zip(sources, rows, strict=True)
    ]
    return material_of(settings, training, parallel)


def pairs_to_align(
    material: Material, parent: Codec, known: Sequence[str], child: Codec
) -> list[tuple[Ids, Ids]]:
    """Sentence pairs (child's ids, parent's ids) without specials.

    A language that the parent does not know is paired with its translation in one that it knows.
    Text of a known language is paired with itself, unless the parent's vocabulary is only extended:
    in a new one its pieces may be new as well.

    Args:
        material: where the text is.
        parent: the parent's codec.
        known: languages that the parent has learnt.
        child: the child's codec.

    Raises:
        DataError: there is no text that aligns a strange language with a known one.
    """
    across: list[tuple[Ids, Ids]] = []
    itself: list[tuple[Ids, Ids]] = []
    for text in material.parallel:
        rows = [text.rows[i] for i in spread(len(text.rows), _MOST_PAIRS)]
        sides = ((text.left, [r[0] for r in rows]), (text.right, [r[1] for r in rows]))
        for (here, ours), (there, theirs) in (sides, sides[::-1]):
            if here in known:
                itself += _pair(child, here, ours, parent, here, ours)
            elif there in known:
                across += _pair(child, here, ours, parent, there, theirs)
    if not across:
        raise DataError(_nothing_to_align(known))
    # In this order, because alignment takes every n-th pair of too many.
    return across if extends(parent, child) else across + itself


def _pair(
    child: Codec, here: str, ours: Sequence[str], parent: Codec, there: str, theirs: Sequence[str]
) -> list[tuple[Ids, Ids]]:
    return [
        (child.encode_target(mine, here)[:-1], parent.encode_target(yours, there)[:-1])
        for mine, yours in zip(ours, theirs, strict=True)
    ]


def _nothing_to_align(known: Sequence[str]) -> str:
    if not known:
        return (
            'rows = "align": the parent does not say which languages it knows; name them in its '
            'provenance.json, as {"languages": ["en"], "licence": "..."}'
        )
    return (
        'rows = "align": no parallel text of a new language with one that the parent knows '
        f'({", ".join(known)}); add some to [[train]], or use rows = "match" or "random"'
    )
