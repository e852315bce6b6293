"""Parallel text that takes what labels teach over to languages without any.

What the table makes of a sentence in the languages with labels is taught to the n-grams of its
versions in the others (cross-lingual distillation: Xu & Yang 2017, arXiv 1705.02073), here by ridge
regression of logits. A table is linear in what it counts, so what is found is added to its rows: it
grows by nothing, and neither model nor graph knows of it.

N texts, C labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lingraft.training.data.corpora import Row
from lingraft.training.data.labelled import LabelledRow
from lingraft.training.errors import DataError
from lingraft.training.experiment.labels import Labels, encode_rows
from lingraft.training.experiment.tallies import Csr, rarity, tally
from lingraft.training.recipe.recipes import ClassifyRecipe
from lingraft.training.recipe.settings import Pairs
from lingraft.training.recipe.wide import Bridge
from lingraft.training.vocabulary.codec import Codec
from lingraft.training.vocabulary.words import WordNGrams

_STEPS = 25  # of conjugate gradients; more change what it foresees by less than folds differ

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
    def languages(self) -> NDArray[np.str_]:
        """The language of each text."""
        return np.array([language for _, _, language in self.rows])


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

    Deterministic: nothing is drawn.

    Raises:
        DataError: no pair has a language of the labels, or none has another.
    """
    bridge = recipe.wide.bridge if recipe.wide else None
    if bridge is None:
        return rows
    versions = versions_of(bridge.pairs, labels.parallel)
    votes = Counter(language for _, _, language in labels.train)
    tallies = tally(encode_rows(codec, versions.rows, recipe.training.max_tokens), words)
    targets, heard = _targets(bridge, versions, votes, tallies.astype(np.float32) @ rows)
    if not heard.any():
        raise DataError(f"wide.bridge: no pair has a language of the labels ({', '.join(votes)})")
    languages = versions.languages[heard]
    often = Counter(languages.tolist())
    shares = np.array([bridge.texts / often[language] for language in languages])
    return rows + _ridge(tallies[heard], targets[heard], shares, bridge.penalty)


def _targets(
    bridge: Bridge, versions: Versions, votes: Mapping[str, int], own: Floats
) -> tuple[Floats, NDArray[np.bool_]]:
    """What each text is taught beside its own logits [N, C], and which texts are taught anything.

    Versions in languages with labels vote, each for as much as there are labels. The mean of a
    source in a language is left out of it: it tells the source, not the sentence. A text without
    labels in its language is taught the vote, one with labels what it lacks to it.
    """
    own = _centred(own, versions.origins)
    counts = np.array([votes.get(language, 0) for language in versions.languages], dtype=np.float32)
    size = int(versions.sentences.max()) + 1
    sums = np.zeros((size, own.shape[1]), np.float32)
    np.add.at(sums, versions.sentences, own * counts[:, None])
    cast = np.bincount(versions.sentences, weights=counts, minlength=size).astype(np.float32)
    vote = (sums / np.maximum(cast, 1)[:, None])[versions.sentences]
    return (
        np.where(counts[:, None] > 0, vote - own, bridge.weight * vote),
        cast[versions.sentences] > 0,
    )


def _centred(logits: Floats, origins: Ints) -> Floats:
    """Logits [N, C] without the mean of those of the same origin."""
    sums = np.zeros((int(origins.max()) + 1, logits.shape[1]), np.float32)
    np.add.at(sums, origins, logits)
    means = sums / np.bincount(origins)[:, None].astype(np.float32)
    return logits - means[origins]


def _ridge(tallies: Csr, targets: Floats, shares: NDArray[np.float64], penalty: float) -> Floats:
    """Rows [buckets, C] whose sums over texts [N, buckets] come near their targets [N, C].

    Ridge regression (Hoerl & Kennard 1970) of counts times their inverse document frequency, each
    text weighed by its share, by conjugate gradients (Hestenes & Stiefel 1952).
    """
    scale = rarity(tallies).astype(np.float32)
    roots = np.sqrt(shares).astype(np.float32)
    weighed = tallies.astype(np.float32)
    weighed.data *= scale[weighed.indices] * np.repeat(roots, np.diff(weighed.indptr))
    turned = weighed.T.tocsr()
    residual = turned @ (targets * roots[:, None])
    found, direction = np.zeros_like(residual), residual.copy()
    size = (residual**2).sum(axis=0)
    for _ in range(_STEPS):
        moved = turned @ (weighed @ direction) + np.float32(penalty) * direction
        step = size / np.maximum((direction * moved).sum(axis=0), np.float32(1e-12))
        found += step * direction
        residual -= step * moved
        before, size = size, (residual**2).sum(axis=0)
        direction = residual + (size / np.maximum(before, np.float32(1e-12))) * direction
    return np.asarray(found * scale[:, None])
