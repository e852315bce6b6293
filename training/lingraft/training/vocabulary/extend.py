"""The child's pieces behind the parent's: old ids stay, and so does the parent's segmentation.

A unigram model cuts a text where the sum of its pieces' log probabilities is highest (Kudo 2018).
New pieces keep the log probability that they have in a model of the child's text alone, old ones
their own. A child's word then costs one piece's score instead of several, so the new piece is
taken; text without new pieces is cut as before, since its old candidates and their scores are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import sentencepiece

from lingraft.training.recipe.languages import tag
from lingraft.training.vocabulary.codec import trained_spm
from lingraft.training.vocabulary.proto import NORMAL, USER_DEFINED, Piece, pieces_of, with_pieces

_FIXED = 260  # byte pieces, eos, unk, padding and one to spare
_SPACE = "▁"


@dataclass(frozen=True)
class Extension:
    """A parent's SentencePiece model with more pieces, in the order of their ids."""

    model: bytes
    tags: tuple[str, ...]
    pieces: tuple[str, ...]
    refused: int  # candidates left out because they would cut the parent's text otherwise


def extend_spm(
    parent: bytes,
    child_sentences: Sequence[str],
    limit: int,
    languages: Sequence[str] = (),
    parent_sentences: Sequence[str] = (),
) -> Extension:
    """`parent` with at most `limit` pieces of the child's text that it lacks, and missing tags.

    Candidates are the pieces of a unigram model of the child's text with room for twice `limit`.
    Those stay that the extended model uses on that text: letters that the parent lacks first, then
    what saves most old pieces there. One that would be used in `parent_sentences` is left out, so
    these are cut as before.

    Args:
        parent: a serialised SentencePiece model.
        child_sentences: normalised text of the child.
        limit: new pieces at most, tags not counted.
        languages: BCP-47 codes; those without a tag get one.
        parent_sentences: normalised text of the parent's languages.

    Raises:
        DataError: no model can be trained on the child's text.
    """
    pool = _Pool(parent)
    tags = [tag(language) for language in dict.fromkeys(languages)]
    tags = [piece for piece in tags if piece not in pool.known]
    candidates = pool.candidates(child_sentences, limit)
    peaceful = pool.without_uses(candidates, parent_sentences)
    ranked = pool.ranked(peaceful, child_sentences)[:limit]
    quiet = pool.without_uses(ranked, parent_sentences)
    chosen = pool.used(quiet, child_sentences)
    chosen.sort(key=lambda piece: (-piece.score, piece.text))
    return Extension(
        model=with_pieces(parent, [*(Piece(text, 0.0, USER_DEFINED) for text in tags), *chosen]),
        tags=tuple(tags),
        pieces=tuple(piece.text for piece in chosen),
        refused=len(candidates) - len(peaceful) + len(ranked) - len(quiet),
    )


class _Pool:
    """The parent's model, and what candidates would do beside its pieces."""

    def __init__(self, parent: bytes) -> None:
        self._model = parent
        self._spm = _processor(parent)
        pieces = pieces_of(parent)
        self.known = {piece.text for piece in pieces}
        scores = [piece.score for piece in pieces if piece.kind == NORMAL]
        # The lowest score sets the price of unknown letters, the highest that of tags: for old text
        # to be cut as before both must stay.
        self._lowest, self._highest = min(scores), max(scores)

    def candidates(self, sentences: Sequence[str], limit: int) -> list[Piece]:
        """Pieces of a model of `sentences` that the parent lacks."""
        letters = len(set().union(*sentences))
        trained = trained_spm(sentences, 2 * limit + letters + _FIXED, (), at_most=True)
        return [
            Piece(piece.text, min(max(piece.score, self._lowest), self._highest), NORMAL)
            for piece in pieces_of(trained)
            if piece.kind == NORMAL and piece.text not in self.known
        ]

    def uses(self, pieces: Sequence[Piece], sentences: Sequence[str]) -> Counter[str]:
        """How often each of `pieces` is used in `sentences` when the parent has them all."""
        spm = _processor(with_pieces(self._model, pieces))
        first = self._spm.get_piece_size()
        counts = Counter(i for ids in spm.encode(list(sentences)) for i in ids if i >= first)
        return Counter({pieces[i - first].text: count for i, count in counts.items()})

    def used(self, pieces: Sequence[Piece], sentences: Sequence[str]) -> list[Piece]:
        """Those of `pieces` that `sentences` use."""
        uses = self.uses(pieces, sentences)
        return [piece for piece in pieces if uses[piece.text]]

    def without_uses(self, pieces: Sequence[Piece], sentences: Sequence[str]) -> list[Piece]:
        """`pieces` without those that `sentences` use, until they use none."""
        kept = list(pieces)
        while sentences and (uses := self.uses(kept, sentences)):
            kept = [piece for piece in kept if not uses[piece.text]]
        return kept

    def ranked(self, pieces: Sequence[Piece], sentences: Sequence[str]) -> list[Piece]:
        """Letters first, then what `sentences` use, by how many old pieces it saves there.

        Without its letters a text is spelt out in bytes wherever no longer piece has them.
        """
        uses = self.uses(pieces, sentences)
        letters = Counter(letter for sentence in sentences for letter in sentence)
        worth = {
            piece.text: letters[piece.text] or uses[piece.text] * self._saved(piece.text)
            for piece in pieces
        }
        worthy = [piece for piece in pieces if worth[piece.text]]
        return sorted(worthy, key=lambda p: (len(p.text) > 1, -worth[p.text], p.text))

    def _saved(self, text: str) -> int:
        # About: alone, a piece from the middle of a word is cut as if it began one.
        return max(len(self._spm.encode(text.removeprefix(_SPACE))) - 1, 1)


def _processor(model: bytes) -> sentencepiece.SentencePieceProcessor:
    return sentencepiece.SentencePieceProcessor(model_proto=model)
