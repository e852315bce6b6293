"""Labelled text of a classifier, split by what it is for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lingraft.training.data.contamination import Overlap, Part, check, guard
from lingraft.training.data.corpora import Row as TextRow
from lingraft.training.data.corpora import read_pairs
from lingraft.training.data.labelled import LabelledRow, read_labelled
from lingraft.training.errors import DataError
from lingraft.training.parents.find import ParentModel
from lingraft.training.recipe.recipes import ClassifyRecipe
from lingraft.training.recipe.settings import Pairs, Training
from lingraft.training.recipe.synthesis import Monolingual
from lingraft.training.synthesis.filters import Sifted
from lingraft.training.synthesis.texts import read_texts
from lingraft.training.vocabulary.codec import Codec, shorten

_FEW_CUT = 0.01  # a share that is not worth a line


@dataclass(frozen=True)
class LabelSet:
    """Held-out texts of one language with their labels."""

    name: str
    language: str
    rows: tuple[LabelledRow, ...]

    @property
    def texts(self) -> list[str]:
        """The texts alone."""
        return [row[0] for row in self.rows]


@dataclass(frozen=True)
class Labels:
    """All text of a classifier.

    names: the labels, in the order of the logits.
    parallel: pairs of the wide part's bridge, by source.
    dropped: rows of train, monolingual and parallel text left out because they stand in dev or
        test.
    overlaps: where they stood, and dev rows in test.
    sifted: by language, what became of training rows translated into it.
    """

    names: tuple[str, ...]
    train: list[LabelledRow]
    monolingual: list[list[TextRow]]
    parallel: list[list[TextRow]]
    select: list[LabelledRow]
    decide: list[LabelSet]
    test: list[LabelSet]
    dropped: int
    overlaps: list[Overlap]
    sifted: Mapping[str, Sifted] = field(default_factory=dict)

    def indices(self, rows: Sequence[LabelledRow]) -> list[int]:
        """The label of each row as its place in `names`."""
        places = {name: place for place, name in enumerate(self.names)}
        return [places[row[1]] for row in rows]

    @property
    def dev(self) -> list[LabelledRow]:
        """Both halves of dev."""
        return [*self.select, *(row for part in self.decide for row in part.rows)]


def load_labels(recipe: ClassifyRecipe) -> Labels:
    """Rows of train, dev and test.

    Rows of train whose text stands in dev or test, and of dev whose text stands in test, are left
    out. Dev is cut in two for every language: one half selects, the other decides.

    Raises:
        DataError: files are faulty, or nothing is left of train or dev.
    """
    parts = (recipe.train, recipe.dev, recipe.test)
    tables = read_labelled([source for part in parts for source in part], recipe.seed)
    unlabelled: list[Monolingual | Pairs] = [*recipe.monolingual, *recipe.bridge]
    texts = [*read_texts(recipe.monolingual), *read_pairs(recipe.bridge)]
    supply = iter(tables)
    train, dev, test = ([row for _ in part for row in next(supply)] for part in parts)
    guarded = guard(
        [Part("train", train, (0,))],
        [Part("dev", dev, (0,))],
        [Part("test", test, (0,))],
        recipe.contamination,
    )
    (clean,), (dev,) = guarded.train.rows, guarded.dev.rows
    if not (clean and dev):
        raise DataError("every row of train or of dev stands in test too; split the data anew")
    held_out: list[TextRow] = [(row[0],) for row in (*dev, *test)]
    bare = check(
        [Part(s.name, rows) for s, rows in zip(unlabelled, texts, strict=True)],
        [Part("dev and test", held_out)],
        recipe.contamination,
    )
    names = _names(clean, [*dev, *test])
    halves = [(part.rows[0::2], part.rows[1::2] or part.rows) for part in _by_language("dev", dev)]
    decide = [row for _, half in halves for row in half]
    return Labels(
        names=names,
        train=clean,
        monolingual=bare.rows[: len(recipe.monolingual)],
        parallel=bare.rows[len(recipe.monolingual) :],
        select=[row for half, _ in halves for row in half],
        decide=_by_language("dev", decide),
        test=_by_language(" + ".join(dict.fromkeys(s.name for s in recipe.test)), test),
        dropped=guarded.train.count + bare.count,
        overlaps=[*guarded.train.overlaps, *guarded.dev.overlaps, *bare.overlaps],
    )


def _by_language(name: str, rows: Sequence[LabelledRow]) -> list[LabelSet]:
    groups: dict[str, list[LabelledRow]] = defaultdict(list)
    for row in rows:
        groups[row[2]].append(row)
    return [LabelSet(name, language, tuple(group)) for language, group in groups.items()]


def _names(train: Sequence[LabelledRow], held_out: Sequence[LabelledRow]) -> tuple[str, ...]:
    labels = sorted({row[1] for row in train})
    if len(labels) < 2:
        raise DataError(f"train has one label only ({', '.join(labels)}); a classifier needs two")
    unknown = sorted({row[1] for row in held_out} - set(labels))
    if unknown:
        raise DataError(f"dev or test has labels that train lacks: {', '.join(unknown)}")
    return tuple(labels)


def told_cuts(codec: Codec, rows: Sequence[LabelledRow], limit: int) -> list[str]:
    """A line for each language of which more than one text in a hundred is cut by `encode_rows`."""
    lengths: dict[str, list[int]] = defaultdict(list)
    for text, _, language in rows:
        lengths[language].append(len(codec.encode_target(text, language)))
    told = []
    for language, found in lengths.items():
        cut = sum(length > limit for length in found)
        if cut > _FEW_CUT * len(found):
            told.append(
                f"{language or 'no language'}: {cut:,} of {len(found):,} training texts have more "
                f"than {limit} pieces and are cut there (training.max_tokens)"
            )
    return told


def within_sight(training: Training, parent: ParentModel, rows: Sequence[LabelledRow]) -> Training:
    """`training` whose texts keep no more pieces than the parent has positions, or a text of train.

    Positions that neither has seen would be read all the same, and nothing would be known of them.
    """
    if training.max_tokens <= parent.positions:
        return training
    longest = max((len(parent.codec.encode_target(row[0], row[2])) for row in rows), default=0)
    most = min(training.max_tokens, max(parent.positions, longest))
    return training.model_copy(update={"max_tokens": most})


def encode_rows(codec: Codec, rows: Sequence[LabelledRow], limit: int) -> list[list[int]]:
    """Source ids of the texts, pieces and eos; longer ones lose what is over `limit` before eos."""
    return [shorten(codec.encode_target(text, language), limit) for text, _, language in rows]
