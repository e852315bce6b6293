"""All text of a graft, split by what it is for, with nothing of dev or test in train."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lingraft.training.data import corpora
from lingraft.training.data.contamination import Guarded, Overlap, Part, guard
from lingraft.training.data.corpora import Row
from lingraft.training.data.testsets import TestSet
from lingraft.training.errors import DataError
from lingraft.training.instances.influences import Influences
from lingraft.training.instances.mixing import Mixed, mix
from lingraft.training.instances.selection import Selected, select
from lingraft.training.recipe.instances import Mixing, Selection
from lingraft.training.recipe.recipes import GraftRecipe, Pairs
from lingraft.training.recipe.synthesis import Monolingual
from lingraft.training.synthesis.texts import read_texts


@dataclass(frozen=True)
class Data:
    """Text of a translation graft.

    rehearsal: the parent's sentences that move to the child, after selection.
    dropped: rows of train, rehearsal and monolingual text left out because a side stands in dev or
        test.
    overlaps: where they stood, and dev rows in test.
    parent_select: half of the parent's dev where something is chosen on it; parent_dev: the rest.
    selected: what was chosen of each rehearsal source, where the recipe chooses.
    mixed: how often an epoch visits train and rehearsal, where the recipe mixes by temperature.
    """

    train: list[list[Row]]
    rehearsal: list[list[Row]]
    monolingual: list[list[Row]]
    select: list[TestSet]
    decide: list[TestSet]
    test: list[TestSet]
    parent_select: list[TestSet]
    parent_dev: list[TestSet]
    parent_test: list[TestSet]
    dropped: int
    overlaps: list[Overlap]
    selected: list[Selected]
    mixed: Mixed | None

    @property
    def select_rows(self) -> list[list[Row]]:
        """What settings are chosen on: a run is the same run only on the same text."""
        return [list(zip(test.sources, test.references, strict=True)) for test in self.select]

    @property
    def influences(self) -> list[Influences]:
        """The most helpful and most harmful sentences of each rehearsal source."""
        return [chosen.influences for chosen in self.selected]

    def served(self, recipe: GraftRecipe, speaks: Callable[[str], bool]) -> list[TestSet]:
        """Dev sets of all directions that a bundle of the graft serves, none of which chose
        anything: the deciding halves, and the parent's own where the recipe keeps its directions.

        speaks: whether the graft's pieces have a language.
        """
        kept = self.parent_dev if recipe.gate.max_parent_loss is not None else []
        own = [t for t in kept if speaks(t.source_language) and speaks(t.target_language)]
        return [*self.decide, *own]

    def child_examples(self, recipe: GraftRecipe, child: Sequence[str]) -> int:
        """Pairs of the child's languages; where there are none, sentences without translation."""
        parts = zip(recipe.train, self.train, strict=True)
        pairs = sum(len(rows) for p, rows in parts if {p.source, p.target} & {*child})
        return pairs or sum(len(self.texts_of(recipe, code)) for code in child)

    def texts_of(self, recipe: GraftRecipe, language: str) -> list[str]:
        """Monolingual text of one language."""
        sources = zip(recipe.monolingual, self.monolingual, strict=True)
        return [row[0] for source, rows in sources if source.language == language for row in rows]


def load_data(recipe: GraftRecipe) -> Data:
    """Read and split everything; what stands in dev or test leaves train, what stands in test
    leaves dev.

    Raises:
        DataError: files are faulty, nothing is left to train on, or rows stand in two parts and the
            recipe says to stop.
    """
    held = (recipe.dev, recipe.parent_dev, recipe.test, recipe.parent_test)
    parts = (recipe.train, recipe.rehearsal, *held)
    rows = corpora.read_pairs([pairs for part in parts for pairs in part])
    train, rehearsal, dev, parent_dev, test, parent_test = _regroup(rows, parts)
    monolingual = read_texts(recipe.monolingual)
    texts = ([*train, *rehearsal, *monolingual], [*dev, *parent_dev], [*test, *parent_test])
    guarded = _guarded(recipe, *texts)
    ends = (len(train), len(train) + len(rehearsal))
    clean, dev_rows = guarded.train.rows, guarded.dev.rows
    dev, parent_dev = dev_rows[: len(dev)], dev_rows[len(dev) :]
    if (train and not any(clean[: ends[0]])) or not all(dev_rows):
        raise DataError("every row of train or of a dev set stands in test too; split it anew")
    kept, selected = _selected(recipe, clean[: ends[0]], clean[ends[0] : ends[1]])
    halves = [(rows[0::2], rows[1::2] or rows) for rows in dev]
    choosing = recipe.interpolation is not None
    own = [(rows[0::2], rows[1::2] or rows) if choosing else ([], rows) for rows in parent_dev]
    return Data(
        train=clean[: ends[0]],
        rehearsal=kept,
        monolingual=clean[ends[1] :],
        select=corpora.test_sets(recipe.dev, [h[0] for h in halves], recipe.dev_sentences),
        decide=corpora.test_sets(recipe.dev, [h[1] for h in halves], None),
        test=corpora.test_sets(recipe.test, test, None),
        parent_select=corpora.test_sets(recipe.parent_dev, [o[0] for o in own], None),
        parent_dev=corpora.test_sets(recipe.parent_dev, [o[1] for o in own], None),
        parent_test=corpora.test_sets(recipe.parent_test, parent_test, None),
        dropped=guarded.train.count,
        overlaps=[*guarded.train.overlaps, *guarded.dev.overlaps],
        selected=selected,
        mixed=_mixed(recipe, clean[: ends[0]], kept),
    )


def _regroup(rows: list[list[Row]], parts: Sequence[Sequence[Pairs]]) -> list[list[list[Row]]]:
    supply = iter(rows)
    return [[next(supply) for _ in part] for part in parts]


def _guarded(
    recipe: GraftRecipe, train: list[list[Row]], dev: list[list[Row]], test: list[list[Row]]
) -> Guarded[Row]:
    sources: list[Pairs | Monolingual] = [*recipe.train, *recipe.rehearsal, *recipe.monolingual]
    dev_sources, held_out = ([*recipe.dev, *recipe.parent_dev], [*recipe.test, *recipe.parent_test])
    return guard(
        [Part(s.name, rows) for s, rows in zip(sources, train, strict=True)],
        [Part(s.name, rows) for s, rows in zip(dev_sources, dev, strict=True)],
        [Part(s.name, rows) for s, rows in zip(held_out, test, strict=True)],
        recipe.contamination,
    )


def _selected(
    recipe: GraftRecipe, train: Sequence[list[Row]], rehearsal: list[list[Row]]
) -> tuple[list[list[Row]], list[Selected]]:
    """The rehearsal rows that are like the child's, source by source."""
    rule = recipe.selection
    if rule is None:
        return rehearsal, []
    chosen = []
    for source, rows in zip(recipe.rehearsal, rehearsal, strict=True):
        sample = [
            row
            for pairs, own in zip(recipe.train, train, strict=True)
            for row in _turned(pairs, own, source, rule)
        ]
        if not sample:
            raise DataError(
                f"selection: no training text shares the {rule.side} language of {source.name} "
                f"({source.source}-{source.target}); set selection.side"
            )
        chosen.append(select(rows, sample, rule, recipe.seed))
    kept = [
        [rows[i] for i in each.indices.tolist()]
        for rows, each in zip(rehearsal, chosen, strict=True)
    ]
    return kept, chosen


def _turned(pairs: Pairs, rows: Sequence[Row], like: Pairs, rule: Selection) -> list[Row]:
    """The child's rows with the language that is compared on the side where `like` has it."""
    wanted = {
        "source": (like.source,),
        "target": (like.target,),
        "both": (like.source, like.target),
    }
    compared = wanted[rule.side]
    place = 1 if rule.side == "target" else 0
    own = (pairs.source, pairs.target)
    if own[place : place + len(compared)] == compared:
        return list(rows)
    if own[::-1][place : place + len(compared)] == compared:
        return [(right, left) for left, right in rows]
    return []


def _mixed(
    recipe: GraftRecipe, train: Sequence[list[Row]], rehearsal: Sequence[list[Row]]
) -> Mixed | None:
    if recipe.mixing is None or not train:
        return None
    return mixed(recipe.train, train, recipe.rehearsal, rehearsal, recipe.mixing)


def mixed(
    sources: Sequence[Pairs],
    rows: Sequence[Sequence[Row]],
    rehearsal: Sequence[Pairs],
    rehearsed: Sequence[Sequence[Row]],
    rule: Mixing,
) -> Mixed:
    """How often an epoch visits each of `sources`, then each of `rehearsal`."""
    parts = zip([*sources, *rehearsal], [*rows, *rehearsed], strict=True)
    sizes = [len(texts) * (2 if source.both_directions else 1) for source, texts in parts]
    return mix(sizes, [False] * len(sources) + [True] * len(rehearsal), rule)
