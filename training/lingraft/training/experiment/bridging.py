"""Parallel text that takes what labels teach over to languages without any.

What the table makes of a sentence in the languages with labels is taught to the n-grams of its
versions in the others (cross-lingual distillation: Xu & Yang 2017, arXiv 1705.02073), here by ridge
regression of logits. A table is linear in what it counts, so what is found is added to its rows: it
grows by nothing, and neither model nor graph knows of it.

N texts, C labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lingraft.training.data.corpora import Row
from lingraft.training.data.labelled import LabelledRow
from lingraft.training.errors import DataError
from lingraft.training.experiment.labels import Labels, encode_rows
from lingraft.training.experiment.squares import ridge
from lingraft.training.experiment.tallies import tally
from lingraft.training.recipe.recipes import ClassifyRecipe
from lingraft.training.recipe.settings import Pairs
from lingraft.training.vocabulary.codec import Codec
from lingraft.training.vocabulary.words import WordNGrams

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Versions:
    """Sentences in several languages, N texts in all.

    rows: (text, no label, language).
    sentences: [N], the number of the sentence that each is a version of.
    origins: [N], the number of the source and language that each is from.
    """

    rows: list[LabelledRow]
    sentences: Ints
    origins: Ints

    @property
    def languages(self) -> list[str]:
        """The language of each text."""
        return [language for _, _, language in self.rows]

    def told_by(self, known: Container[str]) -> Versions:
        """Those of sentences that have a version in a known language, sentences numbered anew."""
        telling = np.array([code in known for code in self.languages], dtype=bool)
        heard = np.isin(self.sentences, self.sentences[telling])
        return Versions(
            rows=[self.rows[place] for place in np.flatnonzero(heard)],
            sentences=np.unique(self.sentences[heard], return_inverse=True)[1],
            origins=np.unique(self.origins[heard], return_inverse=True)[1],
        )


def versions_of(sources: Sequence[Pairs], rows: Sequence[Sequence[Row]]) -> Versions:
    """Pairs as versions of sentences; those with the same text on the left are of one sentence."""
    texts: dict[tuple[int, str, str], tuple[str, str]] = {}
    sentences: dict[tuple[str, str], int] = {}
    for source, found in zip(sources, rows, strict=True):
        for left, right in found:
            number = sentences.setdefault((source.source, left), len(sentences))
            for text, language in ((left, source.source), (right, source.target)):
                texts.setdefault((number, text, language), (source.name, language))
    origins = {name: number for number, name in enumerate(dict.fromkeys(texts.values()))}
    return Versions(
        rows=[(text, "", language) for _, text, language in texts],
        sentences=np.array([number for number, _, _ in texts], dtype=np.int64),
        origins=np.array([origins[name] for name in texts.values()], dtype=np.int64),
    )


def bridged(
    recipe: ClassifyRecipe, labels: Labels, codec: Codec, words: WordNGrams, rows: Floats
) -> Floats:
    """Rows [buckets, C] of a table, with what its bridge adds to them if the recipe has one.

    A language with half of the labels of that with most is taught half of what one without any is,
    and that with most stays as it is. Deterministic: nothing is drawn.

    Raises:
        DataError: no pair leads from a language with labels to one with fewer.
    """
    bridge = recipe.wide.bridge if recipe.wide else None
    if bridge is None:
        return rows
    labelled = Counter(language for _, _, language in labels.train)
    versions = versions_of(bridge.pairs, labels.parallel).told_by(labelled)
    counts = np.array([labelled[code] for code in versions.languages], dtype=np.float32)
    lack = 1 - counts / max(labelled.values())
    if not lack.any():
        named = ", ".join(sorted(labelled))
        raise DataError(
            f"wide.bridge: no pair leads from labels ({named}) to a language with fewer"
        )
    ids = encode_rows(codec, versions.rows, recipe.training.max_tokens)
    tallies = tally(ids, words).astype(np.float32)
    own = np.asarray(tallies @ rows, dtype=np.float32)
    targets = (lack[:, None] * _targets(own, versions, counts, bridge.weight)).astype(np.float32)
    often = Counter(versions.languages)
    shares = np.array([bridge.texts / often[code] for code in versions.languages], np.float32)
    return np.asarray(rows + ridge(tallies, targets, shares, bridge.penalty))


def _targets(own: Floats, versions: Versions, votes: Floats, weight: float) -> Floats:
    """What each text [N, C] is taught beside its own logits, were there no labels in its language.

    All versions of a sentence vote, each as often as `votes` [N] has it. What a source's texts in
    one language have in common tells the source, not the sentence: it is left out of the vote, and
    made the same as in the languages that vote.
    """
    each = np.ones_like(votes)
    centred = own - _means(own, versions.origins, each)
    level = _means(_means(own, versions.sentences, votes) - own, versions.origins, each)
    return weight * _means(centred, versions.sentences, votes) + level


def _means(values: Floats, groups: Ints, weights: Floats) -> Floats:
    """The weighted mean [N, C] of the group of each of the values [N, C]."""
    sums = np.zeros((int(groups.max()) + 1, values.shape[1]), np.float32)
    np.add.at(sums, groups, values * weights[:, None])
    means = sums / np.bincount(groups, weights=weights).astype(np.float32)[:, None]
    return np.asarray(means[groups])
