"""From a recipe's data sources to id corpora for the loop and test sets for the scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle, islice

import numpy as np

from lingraft.training.data.batches import Corpus
from lingraft.training.data.keys import key
from lingraft.training.data.tables import Table, read_tables
from lingraft.training.data.testsets import TestSet
from lingraft.training.errors import DataError
from lingraft.training.recipe.recipes import Pairs, Vocabulary
from lingraft.training.vocabulary.codec import Codec
from lingraft.training.vocabulary.normalise import normalise

Row = tuple[str, ...]


def read_pairs(sources: Sequence[Pairs]) -> list[list[Row]]:
    """Rows (source text, target text) of every data source.

    Raises:
        DataError: one or more files are faulty; all of them are named.
    """
    tables = [Table(s.path, tuple(s.columns), s.header) for s in sources]
    read = zip(sources, read_tables(tables), strict=True)
    return [_sampled(rows[: source.limit], source.sample) for source, rows in read]


def _sampled(rows: list[Row], size: int | None) -> list[Row]:
    """`size` of the rows in their order; a smaller sample is part of a larger one."""
    if size is None or size >= len(rows):
        return rows
    order = np.random.default_rng(len(rows)).permutation(len(rows))
    return [rows[place] for place in sorted(order[:size].tolist())]


def training_corpus(
    sources: Sequence[Pairs], rows: Sequence[Sequence[Row]], codec: Codec, max_tokens: int
) -> tuple[Corpus, tuple[float, ...]]:
    """Ids of all directions, and how often an epoch visits each data source.

    Examples with a side of more than `max_tokens` pieces are left out.
    """
    pairs, groups = [], []
    for group, (source, texts) in enumerate(zip(sources, rows, strict=True)):
        for here, there in _encode(source, texts, codec):
            if max(len(here), len(there)) <= max_tokens:
                # Arrays at once: lists of ints take nine times the room.
                pairs.append((np.asarray(here, np.int32), np.asarray(there, np.int32)))
                groups.append(group)
    if not pairs:
        raise DataError(f"no training example has {max_tokens} pieces or fewer: raise max_tokens")
    return Corpus(pairs, groups), tuple(source.weight for source in sources)


def _encode(
    source: Pairs, rows: Sequence[Row], codec: Codec
) -> Iterator[tuple[list[int], list[int]]]:
    here, there = source.source, source.target
    for left, right in rows:
        yield codec.encode_source(left, here, there), codec.encode_target(right, there)
        if source.both_directions:
            yield codec.encode_source(right, there, here), codec.encode_target(left, here)


def test_sets(
    sources: Sequence[Pairs], rows: Sequence[Sequence[Row]], limit: int | None
) -> list[TestSet]:
    """Test sets of all directions; with `limit`, evenly spread rows of each source."""
    results = []
    for source, texts in zip(sources, rows, strict=True):
        chosen = [texts[i] for i in spread(len(texts), limit or len(texts))]
        lefts, rights = tuple(r[0] for r in chosen), tuple(r[1] for r in chosen)
        results.append(TestSet(source.name, source.source, source.target, lefts, rights))
        if source.both_directions:
            results.append(TestSet(source.name, source.target, source.source, rights, lefts))
    return results


def spread(size: int, limit: int) -> list[int]:
    """Indices of at most `limit` of `size` items, evenly spread."""
    return [i * size // limit for i in range(limit)] if size > limit else list(range(size))


def vocabulary_text(vocabulary: Vocabulary) -> Iterator[str]:
    """Normalised sentences, equally many of every language (Kocmi & Bojar 2018); few ones repeat.

    Raises:
        DataError: languages have no text, or files are faulty; all of them are named, and before
            the first sentence is given.
    """
    named = {text.language for text in vocabulary.texts}
    if bare := [language for language in vocabulary.languages if language not in named]:
        raise DataError(f"vocabulary: no text of {', '.join(bare)}; add some to texts")
    tables = read_tables([Table(t.path, (t.column,), t.header) for t in vocabulary.texts])
    return _equal_shares(vocabulary, tables)


def _equal_shares(vocabulary: Vocabulary, tables: Sequence[Sequence[Row]]) -> Iterator[str]:
    texts: dict[str, list[str]] = {language: [] for language in vocabulary.languages}
    for text, rows in zip(vocabulary.texts, tables, strict=True):
        texts.get(text.language, []).extend(row[0] for row in rows)
    return equal_shares(texts, vocabulary.sentences_per_language)


def equal_shares(texts: Mapping[str, Sequence[str]], want: int) -> Iterator[str]:
    """`want` normalised sentences of every language, few ones repeated."""
    for language, lines in texts.items():
        sentences = [normalise(line, language) for line in lines]
        # Every k-th sentence rather than the first ones, so that all files have their share.
        step = max(len(sentences) / want, 1.0)
        spread = [sentences[int(i * step)] for i in range(min(want, len(sentences)))]
        yield from islice(cycle(spread), want)


def keys(tables: Sequence[Sequence[Row]]) -> set[str]:
    """What `without` compares, of all sides of all rows."""
    return {key(cell) for rows in tables for row in rows for cell in row}


def without(rows: Sequence[Row], held_out: set[str]) -> list[Row]:
    """Rows none of whose sides is in `held_out` (a set of `key`s)."""
    return [row for row in rows if not any(key(cell) in held_out for cell in row)]
