"""What a vocabulary transfer will do, said before anything trains."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lingraft.training.recipe.pieces import Rows
from lingraft.training.vocabulary.codec import UNK, Codec
from lingraft.training.vocabulary.matching import NO_ROW, matches, pieces
from lingraft.training.vocabulary.proto import BYTE


@dataclass(frozen=True)
class Fertility:
    """How a vocabulary cuts one language's text.

    pieces_per_word: words are what white space separates.
    spelt_out: share of pieces that are single bytes or unknown: letters that no piece has.
    """

    pieces_per_word: float
    spelt_out: float


@dataclass(frozen=True)
class LanguagePreview:
    """One language's text under the parent's vocabulary and under the child's.

    covered: share of the child's pieces in the text, by occurrence, that begin with a row from the
        parent: copied or aligned.
    changed: share of sentences that are cut otherwise than by the parent's vocabulary.
    """

    sentences: int
    before: Fertility
    after: Fertility
    covered: float
    changed: float


@dataclass(frozen=True)
class Preview:
    """Sizes, shares and fertility; shares are between 0 and 1, sizes include padding.

    by_type: share of the child's pieces, each counted once, that begin with a row from the parent.
    """

    parent_size: int
    child_size: int
    copied: int
    aligned: int
    by_type: float
    languages: dict[str, LanguagePreview]

    def as_dict(self) -> dict[str, Any]:
        """For the report's JSON."""
        return asdict(self)

    @staticmethod
    def of_dict(content: Mapping[str, Any]) -> Preview:
        """The preview that `as_dict` gave."""
        return Preview(**{**content, "languages": _languages(content["languages"])})

    def as_lines(self) -> list[str]:
        """For the terminal: a sentence, then a table with a line for each language."""
        aligned = f" and {self.aligned:,} as aligned averages" if self.aligned else ""
        lines = [
            f"vocabulary: {self.parent_size:,} pieces -> {self.child_size:,}; {self.copied:,} rows "
            f"copied from the parent{aligned}: {self.by_type:.1%} of the pieces",
            f"  {'language':8} {'sentences':>9} {'pieces/word':>14} {'spelt out':>16} "
            f"{'with a row':>10} {'cut anew':>8}",
        ]
        return lines + [_line(code, language) for code, language in self.languages.items()]


def preview(
    parent: Codec,
    child: Codec,
    texts: Mapping[str, Sequence[str]],
    rows: Rows,
    aligned: Collection[int] = (),
) -> Preview:
    """Compare the child's vocabulary with the parent's on text; no model is needed.

    Args:
        parent: the parent's codec.
        child: the child's codec.
        texts: sentences by language (BCP-47); languages without any are left out.
        rows: how new rows begin; with "random" a replaced vocabulary covers nothing but specials.
        aligned: child ids that get an aligned average.
    """
    copied = matches(parent, child, rows) != NO_ROW
    has_row = copied.copy()
    has_row[list(aligned)] = True
    comparison = _Comparison(parent, child, has_row)
    return Preview(
        parent_size=parent.pad + 1,
        child_size=child.pad + 1,
        copied=int(copied.sum()),
        aligned=int(has_row.sum() - copied.sum()),
        by_type=float(has_row.mean()),
        languages={code: comparison.of(code, lines) for code, lines in texts.items() if lines},
    )


class _Comparison:
    def __init__(self, parent: Codec, child: Codec, has_row: Any) -> None:
        self._codecs = (parent, child)
        self._names = [[piece.text for piece in pieces(codec)] for codec in self._codecs]
        self._bare = [_bare(codec) for codec in self._codecs]
        self._has_row = has_row

    def of(self, language: str, sentences: Sequence[str]) -> LanguagePreview:
        words = sum(len(sentence.split()) for sentence in sentences)
        cuts = [[c.encode_target(s, language)[:-1] for s in sentences] for c in self._codecs]
        before, after = (
            _fertility(cut, bare, words) for cut, bare in zip(cuts, self._bare, strict=True)
        )
        ids = np.array([i for cut in cuts[1] for i in cut], np.int64)
        changed = sum(map(self._differ, *cuts))
        return LanguagePreview(
            sentences=len(sentences),
            before=before,
            after=after,
            covered=float(self._has_row[ids].mean()) if len(ids) else 0.0,
            changed=changed / len(sentences),
        )

    def _differ(self, before: Sequence[int], after: Sequence[int]) -> bool:
        old, new = self._names
        return [old[i] for i in before] != [new[i] for i in after]


def _bare(codec: Codec) -> set[int]:
    return {i for i, p in enumerate(pieces(codec)) if p.kind == BYTE} | {UNK}


def _fertility(cuts: Sequence[Sequence[int]], bare: set[int], words: int) -> Fertility:
    total = sum(map(len, cuts))
    spelt = sum(i in bare for cut in cuts for i in cut)
    return Fertility(total / max(words, 1), spelt / max(total, 1))


def _languages(content: Mapping[str, Mapping[str, Any]]) -> dict[str, LanguagePreview]:
    return {
        code: LanguagePreview(
            **{**shares, **{k: Fertility(**shares[k]) for k in ("before", "after")}}
        )
        for code, shares in content.items()
    }


def _line(code: str, language: LanguagePreview) -> str:
    before, after = language.before, language.after
    fertility = f"{before.pieces_per_word:.2f} -> {after.pieces_per_word:.2f}"
    spelt = f"{before.spelt_out:.1%} -> {after.spelt_out:.1%}"
    return (
        f"  {code:8} {language.sentences:>9,} {fertility:>14} {spelt:>16} "
        f"{language.covered:>10.1%} {language.changed:>8.1%}"
    )
