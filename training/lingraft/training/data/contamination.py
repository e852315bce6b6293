"""Keeping train apart from dev and test: what stands in both is dropped, or stops the run.

A row counts as contaminated when one of its texts, on any side, copies one text of a held-out
row, on any side: it is equal (`keys.key`), equal once case, marks, digits and punctuation are
folded (of three words or more), or a near-duplicate: they share runs of 8 words (the rule's
`ngram`) that cover half of the held-out text (the rule's `coverage`).
One shared run alone may be a formula, and a run of which half or more of the words repeat others
of it is none at all. PaLM (Chowdhery et al. 2022) asks for 70% of a text's 8-grams and Llama 2
(Touvron et al. 2023) counts the tokens in shared runs, both over all training text; this rule asks
it of one row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from lingraft.training.data.overlaps import Index, Kind, Matches
from lingraft.training.errors import DataError
from lingraft.training.recipe.instances import Contamination

Ints = NDArray[np.int64]
RowT = TypeVar("RowT", bound=tuple[str, ...])
_SIDES = ("source", "target")


@dataclass(frozen=True)
class Part(Generic[RowT]):
    """Rows under the name that people know them by.

    sides: which cells of a row are text: (0, 1) of pairs, (0,) of labelled rows; unset: all.
    """

    name: str
    rows: Sequence[RowT]
    sides: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Overlap:
    """What one side of a part shares with one held-out part.

    exact, folded, near: rows of the part, each counted once, under its surest kind.
    held_out_rows: rows of the held-out part that were met.
    examples: (row of the part, row of the held-out part), from 0, surest kinds first.
    """

    part: str
    held_out: str
    side: int
    exact: int
    folded: int
    near: int
    held_out_rows: int
    examples: tuple[tuple[int, int], ...]

    @property
    def rows(self) -> int:
        """All rows of the part that were met."""
        return self.exact + self.folded + self.near


@dataclass(frozen=True)
class Checked(Generic[RowT]):
    """What is clean, by part, and what was not.

    rows: the clean rows of every part.
    dropped: numbers of the rows of every part, from 0, that are left out.
    """

    rows: list[list[RowT]]
    dropped: list[Ints]
    overlaps: list[Overlap]

    @property
    def count(self) -> int:
        """Rows left out of all parts."""
        return sum(map(len, self.dropped))


@dataclass(frozen=True)
class Guarded(Generic[RowT]):
    """Train, clean of dev and test, and dev, clean of test."""

    train: Checked[RowT]
    dev: Checked[RowT]


def guard(
    train: Sequence[Part[RowT]],
    dev: Sequence[Part[RowT]],
    test: Sequence[Part[RowT]],
    rule: Contamination,
) -> Guarded[RowT]:
    """Train without what stands in dev or test, dev without what stands in test.

    Raises:
        DataError: the rule says stop and something was found; names every pair of files.
    """
    guarded = Guarded(check(train, [*dev, *test], rule), check(dev, test, rule))
    if rule.action == "stop":
        _refuse([*guarded.train.overlaps, *guarded.dev.overlaps])
    return guarded


def check(
    parts: Sequence[Part[RowT]], held_out: Sequence[Part[RowT]], rule: Contamination
) -> Checked[RowT]:
    """What of `parts` stands in `held_out`; whatever the rule's action, this only looks."""
    theirs = _flatten(held_out)
    index = Index(theirs.texts, rule.ngram, rule.coverage)
    results = Checked[RowT]([], [], [])
    for part in parts:
        ours = _flatten([part])
        matches = index.find(ours.texts)
        dirty = np.unique(ours.row[matches.texts])
        clean = np.delete(np.arange(len(part.rows)), dirty).tolist()
        results.rows.append([part.rows[i] for i in clean])
        results.dropped.append(dirty)
        results.overlaps.extend(_overlaps(part.name, ours, held_out, theirs, matches, rule))
    return results


@dataclass(frozen=True)
class _Flat:
    """Texts of parts, and of each its part, its row in the part and its side."""

    texts: list[str]
    part: Ints
    row: Ints
    side: Ints


def _flatten(parts: Sequence[Part[RowT]]) -> _Flat:
    texts: list[str] = []
    marks: list[tuple[int, int, int]] = []
    for number, part in enumerate(parts):
        for at, row in enumerate(part.rows):
            for side in range(len(row)) if part.sides is None else part.sides:
                texts.append(row[side])
                marks.append((number, at, side))
    return _Flat(texts, *np.array(marks, np.int64).reshape(-1, 3).T)


def _overlaps(
    name: str,
    ours: _Flat,
    held_out: Sequence[Part[RowT]],
    theirs: _Flat,
    matches: Matches,
    rule: Contamination,
) -> list[Overlap]:
    side, part = ours.side[matches.texts], theirs.part[matches.held_out]
    found = []
    for there, here in sorted(set(zip(part.tolist(), side.tolist(), strict=True))):
        among = np.flatnonzero((part == there) & (side == here))
        # Rows in order of kind, so that the first mention of each is its surest.
        among = among[np.argsort(matches.kinds[among], kind="stable")]
        rows = ours.row[matches.texts[among]]
        met = theirs.row[matches.held_out[among]]
        _, first = np.unique(rows, return_index=True)
        exact, folded, near = np.bincount(matches.kinds[among][first], minlength=len(Kind)).tolist()
        shown = np.sort(first)[: rule.examples]
        found.append(
            Overlap(
                part=name,
                held_out=held_out[there].name,
                side=here,
                exact=exact,
                folded=folded,
                near=near,
                held_out_rows=len(np.unique(met)),
                examples=tuple(zip(rows[shown].tolist(), met[shown].tolist(), strict=True)),
            )
        )
    return found


def _refuse(overlaps: Sequence[Overlap]) -> None:
    if overlaps:
        lines = [f"  {describe(overlap)}" for overlap in overlaps]
        raise DataError(
            "text that is held out stands in what is trained or tuned on:\n"
            + "\n".join(lines)
            + '\nsplit the data anew, or set contamination.action = "drop" to leave these rows out'
        )


def describe(overlap: Overlap) -> str:
    """For people: "bible, source side: 3 rows stand in flores200 (1 exact, 0 folded, 2 near)"."""
    side = _SIDES[overlap.side] if overlap.side < len(_SIDES) else f"column {overlap.side}"
    rows = "1 row stands" if overlap.rows == 1 else f"{overlap.rows} rows stand"
    return (
        f"{overlap.part}, {side} side: {rows} in {overlap.held_out} "
        f"({overlap.exact} exact, {overlap.folded} folded, {overlap.near} near)"
    )
