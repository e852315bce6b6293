"""What pieces spell: from the ids that an encoder reads back to the letters of the text.

So a graph that is given pieces alone can count letters (`export/spelling.py` does the same inside
it). Letters are code points in lower case; those past the first plane, emoji mostly, are one.

V pieces with padding, S ids of a text, U letters of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lingraft.training.recipe.languages import is_tag
from lingraft.training.vocabulary.codec import EOS, Codec

PLANE = 1 << 16
SPACE = 32
NO_BYTE = -1
AHEAD = 3  # bytes of one letter after its first
_BLANK = "\N{LOWER ONE EIGHTH BLOCK}"  # how SentencePiece writes a space

Codes = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Spelling:
    """The letters of every piece.

    codes: [V, L] uint16, code points in order, then zeros; those past the first plane are its last.
    octets: [V] int16, the byte that a piece of byte fallback stands for, NO_BYTE for all others.
    """

    codes: NDArray[np.uint16]
    octets: NDArray[np.int16]

    def letters(self, ids: Codes) -> Codes:
        """Lower-case code points [U] of a text's ids [S]; its end is a space, as its begin is."""
        found = self.codes[ids].astype(np.int64)
        spelled = np.concatenate([found, self._decoded(ids)[:, None]], axis=1).ravel()
        first_plane = np.minimum(spelled[spelled > 0], PLANE - 1)
        letters: Codes = lowered()[first_plane].astype(np.int64)
        return letters

    def known(self, ids: Codes) -> float:
        """The share, 0 to 1, of a text's ids [S] that are no bytes of byte fallback; 1 of none."""
        return 1.0 - float((self.octets[ids] > NO_BYTE).sum()) / max(len(ids), 1)

    def _decoded(self, ids: Codes) -> Codes:
        """The code point [S] that begins at each place in UTF-8, 0 where none does."""
        beyond = np.full(AHEAD, NO_BYTE, dtype=np.int64)
        octets = np.concatenate([self.octets[ids].astype(np.int64), beyond])
        first, *others = (octets[ahead : ahead + len(ids)] for ahead in range(AHEAD + 1))
        second, third, fourth = (np.clip(each - 128, 0, 63) for each in others)
        two = (first - 192) * 64 + second
        three = ((first - 224) * 64 + second) * 64 + third
        four = (((first - 240) * 64 + second) * 64 + third) * 64 + fourth
        kinds = [first < 0, first < 128, first < 192, first < 224, first < 240]
        nothing = np.zeros_like(first)
        return np.asarray(np.select(kinds, [nothing, first, nothing, two, three], four))


def spelling_of(codec: Codec) -> Spelling:
    """How a vocabulary spells; tags, the unknown piece and padding spell nothing."""
    texts, octets = [], np.full(codec.pad + 1, NO_BYTE, dtype=np.int16)
    for index in range(codec.pad):
        text = codec.spm.id_to_piece(index).replace(_BLANK, " ")
        if codec.spm.is_byte(index):
            octets[index], text = int(text[1:-1], 16), ""  # <0x41>
        elif codec.spm.is_control(index) or codec.spm.is_unknown(index) or is_tag(text):
            text = ""
        texts.append(" " if index == EOS else text)
    codes = np.zeros((codec.pad + 1, max(map(len, texts))), dtype=np.uint16)
    for index, text in enumerate(texts):
        codes[index, : len(text)] = [min(ord(letter), PLANE - 1) for letter in text]
    return Spelling(codes, octets)


@cache
def lowered() -> NDArray[np.uint16]:
    """The letter that each code point of the first plane counts as, [65536]."""
    return np.array([_lower(chr(code)) for code in range(PLANE)], dtype=np.uint16)


def _lower(letter: str) -> int:
    return SPACE if letter.isspace() else min(ord(letter.lower()[0]), PLANE - 1)
