"""Language identification: lines of known languages -> n-grams -> dev settles "und" -> test."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lingraft.training.identification.alphabet import alphabet_of
from lingraft.training.identification.measure import Identification, measure
from lingraft.training.identification.model import Identifier, fit, settle
from lingraft.training.identification.texts import (
    UNDETERMINED,
    Lines,
    every,
    examples,
    read_parts,
)
from lingraft.training.recipe.recipes import IdentifyRecipe
from lingraft.training.vocabulary.ngrams import NGrams


@dataclass(frozen=True)
class Identified:
    """Everything a bundle is made of.

    sizes: lines of each training source, all its languages together.
    dev: lines of dev with their languages.
    """

    recipe: IdentifyRecipe
    model: Identifier
    sizes: Sequence[int]
    dev: Sequence[tuple[str, str]]
    test: Identification


def identify(recipe: IdentifyRecipe) -> Identified:
    """Train and measure; minutes, and the same every time, so nothing is kept on the way.

    Lines of dev and test are left out of train, whichever language they stand under.

    Raises:
        DataError: one or more files are faulty; all of them are named.
    """
    (train, dev, test), (strange_dev, strange_test) = read_parts(
        (recipe.train, recipe.dev, recipe.test),
        (recipe.strange_dev, recipe.strange_test),
        recipe.seed,
    )
    train = _without(train, [dev, test])
    labels = (*sorted(train), UNDETERMINED)
    blank = Identifier(
        labels=labels,
        alphabet=alphabet_of(every(train)),
        ngrams=NGrams(recipe.ngrams.orders, recipe.ngrams.bits),
        longest=recipe.ngrams.longest,
        table=np.zeros((1 << recipe.ngrams.bits, len(labels)), np.float32),
        bias=np.zeros(len(labels), np.float32),
    )
    how = recipe.training
    texts, truth = examples(train, labels, how.per_language, how.outliers, recipe.seed)
    print(f"{recipe.name}: {len(labels) - 1} languages, {len(texts):,} texts", file=sys.stderr)
    known = [(text, code) for code, lines in every(dev).items() for text in lines]
    strangers = [text for lines in strange_dev.values() for text in lines]
    fitted = fit(blank, texts, truth, how, recipe.seed)
    model = settle(fitted, known, strangers, how.strangers)
    sizes = [
        sum(len(train[code].get(source.name, ())) for code in source.languages)
        for source in recipe.train
    ]
    return Identified(recipe, model, sizes, known, measure(model, test, strange_test, recipe.seed))


def _without(train: Lines, held_out: Sequence[Lines]) -> Lines:
    """Train without what stands in dev or test; a source that nothing is left of is gone."""
    banned = {text for part in held_out for lines in every(part).values() for text in lines}
    kept = {
        code: {name: [t for t in lines if t not in banned] for name, lines in parts.items()}
        for code, parts in train.items()
    }
    return {code: {name: of for name, of in parts.items() if of} for code, parts in kept.items()}
