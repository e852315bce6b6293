"""Which row of the parent a child's piece takes over: the one of the same piece (token matching).

Token matching is what Aji et al. 2020 and kNN-TL (Liu et al. 2023, there "TM-TL") call the copying
of embeddings of pieces that both vocabularies have.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lingraft.training.recipe.pieces import Rows
from lingraft.training.vocabulary.codec import Codec
from lingraft.training.vocabulary.proto import BYTE, NORMAL, USER_DEFINED, Piece, pieces_of

NO_ROW = -1


def pieces(codec: Codec) -> list[Piece]:
    """The pieces of `codec`, in the order of their ids; padding is none of them."""
    return pieces_of(codec.spm.serialized_model_proto())


def tags(codec: Codec) -> list[int]:
    """Ids of the language tags."""
    return [i for i, piece in enumerate(pieces(codec)) if piece.kind == USER_DEFINED]


def extends(parent: Codec, child: Codec) -> bool:
    """Whether the child's vocabulary begins with all of the parent's pieces."""
    theirs = pieces(parent)
    return pieces(child)[: len(theirs)] == theirs


def matches(parent: Codec, child: Codec, rows: Rows) -> NDArray[np.int64]:
    """For every child piece the parent's id whose row is copied, or NO_ROW: [child pieces].

    An extension of the parent's vocabulary keeps all old rows. Otherwise rows = "random" copies
    those of eos, unk and tags alone: it is the control, and what matches is random in it too.
    """
    if extends(parent, child):
        ids = np.arange(child.pad)
        return np.where(ids < parent.pad, ids, NO_ROW)
    known = {piece.text: index for index, piece in enumerate(pieces(parent))}
    free = (NORMAL, BYTE) if rows == "random" else ()
    return np.array(
        [NO_ROW if p.kind in free else known.get(p.text, NO_ROW) for p in pieces(child)]
    )
