"""The child as a ranking sees it: what it trains on, and the half of dev that chooses.

The test set is never read, and the half of dev that decides the gate's verdict is not used: a
parent chosen on it would flatter the verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from lingraft.training.data import corpora
from lingraft.training.data.corpora import Row
from lingraft.training.data.labelled import read_labelled
from lingraft.training.errors import DataError
from lingraft.training.recipe.recipes import ClassifyRecipe, GraftRecipe, Labelled, Pairs
from lingraft.training.vocabulary.codec import Codec

ENGLISH = "en"  # what the child's fertility is held against


@dataclass(frozen=True)
class Example:
    """One thing to learn: `answer` to `text`, a translation into `target`, or a label ("")."""

    text: str
    language: str
    answer: str
    target: str

    def source_ids(self, codec: Codec) -> list[int]:
        """What the encoder reads; a tag stands first where a translation is wanted."""
        if self.target:
            return codec.encode_source(self.text, self.language, self.target)
        return codec.encode_target(self.text, self.language)


@dataclass(frozen=True)
class Child:
    """Text of a graft or classify recipe.

    rows: of every data source of train, as the recipe gives them.
    train: the same as examples, in all directions.
    dev: examples of the choosing half of dev.
    """

    recipe: GraftRecipe | ClassifyRecipe
    rows: list[list[Row]]
    train: tuple[Example, ...]
    dev: tuple[Example, ...]

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Labels of train, in order; none in translation."""
        return tuple(sorted({example.answer for example in self.train if not example.target}))

    @cached_property
    def texts(self) -> dict[str, tuple[str, ...]]:
        """Different sentences of train by language, in order."""
        found: dict[str, dict[str, None]] = {}
        for example in self.train:
            found.setdefault(example.language, {})[example.text] = None
            if example.target:
                found.setdefault(example.target, {})[example.answer] = None
        return {language: tuple(texts) for language, texts in found.items()}

    @property
    def trained_on(self) -> list[list[Row]]:
        """All of train that a score depends on, for identities."""
        return [[(e.text, e.language, e.answer, e.target) for e in self.train]]

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages that the child brings: all but English, or English where it is alone."""
        others = tuple(sorted(code for code in self.texts if code != ENGLISH))
        return others or tuple(self.texts)

    @property
    def tags(self) -> set[str]:
        """Languages that a parent's vocabulary must be able to ask for."""
        return set(self.texts) if isinstance(self.recipe, GraftRecipe) else set()


def child_key(recipe: GraftRecipe | ClassifyRecipe) -> str:
    """What two grafts of the same child share, whatever their parents: task, train and test.

    For people too: "graft en-yo: bible[:4000]; test flores200".
    """
    sources = [*recipe.train, *recipe.test]
    languages = sorted({_languages_of(source) for source in sources} - {""})
    train, test = (_names(part) for part in (recipe.train, recipe.test))
    return f"{' '.join([recipe.task, *languages])}: {train}; test {test}"


def _languages_of(source: Pairs | Labelled) -> str:
    if isinstance(source, Pairs):
        return f"{source.source}-{source.target}"
    return source.language or ""


def _names(sources: Sequence[Pairs | Labelled]) -> str:
    limits = (source.limit if isinstance(source, Pairs) else None for source in sources)
    named = zip(sources, limits, strict=True)
    return ", ".join(s.name + (f"[:{limit}]" if limit else "") for s, limit in named)


def load_child(recipe: GraftRecipe | ClassifyRecipe) -> Child:
    """Read train and dev; rows of train that stand in dev are left out.

    Raises:
        DataError: files are faulty, nothing is left to train on, or dev has labels of its own.
    """
    if isinstance(recipe, ClassifyRecipe):
        return _classifier(recipe)
    tables = corpora.read_pairs([*recipe.train, *recipe.dev])
    rows, dev = tables[: len(recipe.train)], tables[len(recipe.train) :]
    held_out = corpora.keys(dev)
    rows = _some([corpora.without(texts, held_out) for texts in rows])
    halves = [texts[0::2] for texts in dev]
    return Child(
        recipe,
        rows,
        _translations(recipe.train, rows, None),
        _translations(recipe.dev, halves, recipe.dev_sentences),
    )


def _translations(
    sources: Sequence[Pairs], rows: Sequence[Sequence[Row]], limit: int | None
) -> tuple[Example, ...]:
    return tuple(
        Example(text, test.source_language, reference, test.target_language)
        for test in corpora.test_sets(sources, rows, limit)
        for text, reference in zip(test.sources, test.references, strict=True)
    )


def _classifier(recipe: ClassifyRecipe) -> Child:
    tables: list[list[Row]] = [
        list(rows) for rows in read_labelled([*recipe.train, *recipe.dev], recipe.seed)
    ]
    rows, dev = tables[: len(recipe.train)], tables[len(recipe.train) :]
    held_out = corpora.keys([[(row[0],) for row in texts] for texts in dev])
    rows = _some([_unseen(texts, held_out) for texts in rows])
    examples = [
        tuple(Example(r[0], r[2], r[1], "") for t in part for r in t) for part in (rows, dev)
    ]
    child = Child(recipe, rows, examples[0], examples[1][0::2])
    if strange := sorted({example.answer for example in examples[1]} - set(child.labels)):
        raise DataError(f"dev has labels that train lacks: {', '.join(strange)}")
    return child


def _unseen(rows: Sequence[Row], held_out: set[str]) -> list[Row]:
    return [row for row in rows if corpora.without([(row[0],)], held_out)]


def _some(rows: list[list[Row]]) -> list[list[Row]]:
    if not any(rows):
        raise DataError("every row of train stands in dev too; split the data anew")
    return rows
