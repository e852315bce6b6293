"""Monolingual text as corpora, and what of a vocabulary noise needs to know."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from lingraft.training.data.batches import Corpus, Ids
from lingraft.training.data.corpora import Row
from lingraft.training.data.tables import Table, read_tables
from lingraft.training.errors import DataError, SynthesisError
from lingraft.training.recipe.languages import is_tag
from lingraft.training.recipe.synthesis import Monolingual
from lingraft.training.vocabulary.codec import UNK, Codec

Weights = tuple[float, ...]
Encode = Callable[[str, str], tuple[list[int], list[int]]]  # text, language: source and target ids
_WORD_START = "▁"


def read_texts(sources: Sequence[Monolingual]) -> list[list[Row]]:
    """Rows (text,) of every source.

    Raises:
        DataError: one or more files are faulty; all of them are named.
    """
    tables = [Table(s.path, (s.column,), s.header) for s in sources]
    return [rows[: source.limit] for source, rows in zip(sources, read_tables(tables), strict=True)]


def text_corpus(
    sources: Sequence[Monolingual], rows: Sequence[Sequence[Row]], encode: Encode, max_tokens: int
) -> tuple[Corpus, Weights]:
    """Ids of every text, and how often an epoch visits each source.

    Texts without pieces, or with a side of more than `max_tokens`, are left out.
    """
    pairs, groups = [], []
    for group, (source, texts) in enumerate(zip(sources, rows, strict=True)):
        for (text,) in texts:
            here, there = encode(text, source.language)
            if len(there) > 1 and max(len(here), len(there)) <= max_tokens:
                pairs.append((np.asarray(here, np.int32), np.asarray(there, np.int32)))
                groups.append(group)
    if not pairs:
        raise DataError(f"no text has {max_tokens} pieces or fewer: raise max_tokens")
    return Corpus(pairs, groups), tuple(source.weight for source in sources)


def joined(parts: Sequence[tuple[Corpus, Weights]]) -> tuple[Corpus, Weights]:
    """One corpus of several; the groups of each follow those of the one before."""
    pairs: list[tuple[Ids, Ids]] = []
    groups: list[int] = []
    weights: Weights = ()
    for corpus, more in parts:
        pairs.extend((corpus.source(i), corpus.target(i)) for i in range(len(corpus)))
        groups.extend((corpus.group + len(weights)).tolist())
        weights += more
    return Corpus(pairs, groups), weights


def mask_id(codec: Codec, piece: str | None) -> int:
    """Id of the piece that hides others: the one named, or the unknown piece.

    Our vocabularies have no piece for it. With byte fallback no text is encoded to the unknown
    piece, so that its row is free.

    Raises:
        SynthesisError: the vocabulary has no such piece.
    """
    index = UNK if piece is None else int(codec.spm.piece_to_id(piece))
    if piece is not None and index == UNK:
        raise SynthesisError(
            f"the vocabulary has no piece {piece!r} to mask with: name one that it has, or leave "
            "mask_piece out to use the unknown piece"
        )
    return index


def word_starts(codec: Codec) -> NDArray[np.bool_]:
    """[pieces and padding] Whether a piece begins a word."""
    pieces = (codec.spm.id_to_piece(i) for i in range(codec.pad))
    return np.array([*(piece.startswith(_WORD_START) for piece in pieces), False])


def ordinary(codec: Codec) -> NDArray[np.int32]:
    """Ids of the pieces of text: no specials, no tags, no bytes."""
    spm = codec.spm
    special = (spm.is_control, spm.is_unknown, spm.is_unused, spm.is_byte)
    ids = [
        i
        for i in range(codec.pad)
        if not any(kind(i) for kind in special) and not is_tag(spm.id_to_piece(i))
    ]
    return np.array(ids, dtype=np.int32)
