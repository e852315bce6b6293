"""Fitting the table of a classifier that counts letters beside its encoder.

A linear model of counted n-grams has one best solution, which a solver finds in seconds; gradient
steps made for an encoder leave it far from there (decision 0015). One table serves every arm and
seed, since all read the same pieces.

N texts, C labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from lingraft.training.experiment.bayes import complement
from lingraft.training.experiment.bridging import bridged
from lingraft.training.experiment.labels import Labels, encode_rows
from lingraft.training.experiment.squares import classes
from lingraft.training.experiment.tallies import Csr, Rows, rarity, tally
from lingraft.training.models.wide import WideTable
from lingraft.training.recipe.recipes import ClassifyRecipe
from lingraft.training.vocabulary.codec import Codec
from lingraft.training.vocabulary.ngrams import NGrams
from lingraft.training.vocabulary.spelling import spelling_of
from lingraft.training.vocabulary.words import WordNGrams

_INVERSE_PENALTIES = (0.3, 1.0, 3.0, 10.0, 30.0)
_INVERSE_PENALTIES_OF_SQUARES = (0.01, 0.03, 0.1, 0.3)
_ITERATIONS = 1000

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Counted:
    """A fitted table.

    rows: [buckets, C], a logit of every n-gram for every label.
    inverse_penalty: C of the regression that was best on the selecting half of dev.
    trials: (C, macro-F1 there in points of 100) of all that were tried.
    """

    words: WordNGrams
    rows: NDArray[np.float32]
    inverse_penalty: float
    trials: tuple[tuple[float, float], ...]

    def logits(self, ids: Rows) -> NDArray[np.float32]:
        """[N, C], as the table gives them beside an encoder."""
        return np.asarray(tally(ids, self.words) @ self.rows, dtype=np.float32)

    def known(self, ids: Rows) -> NDArray[np.float32]:
        """[N, 1], what the encoder's logits are multiplied by: the share of pieces, not bytes."""
        spelling = self.words.spelling
        shares = [spelling.known(np.asarray(row, dtype=np.int64)) for row in ids]
        return np.asarray(shares, dtype=np.float32)[:, None]

    def table(self, pad: int, weight: float) -> WideTable:
        """The part of a model that adds these logits, times `weight`."""
        return WideTable(self.words, torch.from_numpy(self.rows * np.float32(weight)), pad)


def count_letters(recipe: ClassifyRecipe, codec: Codec, labels: Labels) -> Counted | None:
    """The table that the recipe asks for, if it does, fitted on train and chosen on dev.

    Regression on counts times inverse document frequency, which the table then holds: rare n-grams
    are penalised less. Naive Bayes, where it is wanted, is part of what is chosen among; what
    parallel text adds comes after the choice. Deterministic: nothing is drawn.
    """
    if recipe.wide is None:
        return None
    words = WordNGrams(NGrams(recipe.wide.orders, recipe.wide.bits), spelling_of(codec))
    limit = recipe.training.max_tokens
    train = tally(encode_rows(codec, labels.train, limit), words)
    select = tally(encode_rows(codec, labels.select, limit), words)
    truth, wanted = labels.indices(labels.train), labels.indices(labels.select)
    bayes = complement(train, truth, even=recipe.wide.even) if recipe.wide.bayes else None
    regression = _least_squares if recipe.wide.squares else _logistic
    fitted, trials = [], []
    for inverse_penalty, rows in regression(train, truth, len(labels.names)):
        fitted.append(rows)
        if bayes is not None:
            share = _spread(select @ fitted[-1]) / _spread(select @ bayes)
            fitted[-1] = fitted[-1] + recipe.wide.bayes * share * bayes
        guesses = np.asarray(select @ fitted[-1]).argmax(axis=1)
        score = f1_score(wanted, guesses, average="macro", zero_division=0.0)
        trials.append((inverse_penalty, 100 * float(score)))
    best = max(range(len(trials)), key=lambda i: trials[i][1])
    whole = bridged(recipe, labels, codec, words, fitted[best].astype(np.float32))
    return Counted(words, whole, trials[best][0], tuple(trials))


# Inverse penalties in turn, each with the rows [buckets, C] of a regression that was held back so
# far, every label counting alike.
_Fits = Iterator[tuple[float, Floats]]


def _logistic(counts: Csr, labels: Sequence[int], names: int) -> _Fits:
    scarce = rarity(counts)
    weighed = counts * scarce
    for inverse_penalty in _INVERSE_PENALTIES:
        model = LogisticRegression(
            C=inverse_penalty, max_iter=_ITERATIONS, class_weight="balanced", fit_intercept=False
        )
        yield inverse_penalty, _rows(model.fit(weighed, labels), names) * scarce[:, None]


def _least_squares(counts: Csr, labels: Sequence[int], names: int) -> _Fits:
    """A square grows faster than a logistic loss, and is held back more."""
    for inverse_penalty in _INVERSE_PENALTIES_OF_SQUARES:
        rows = classes(counts, labels, names, 1 / inverse_penalty)
        yield inverse_penalty, rows.astype(np.float64)


def _spread(logits: Floats) -> float:
    """How far apart logits [N, C] are, without what all texts or all labels have in common."""
    apart = logits - logits.mean(axis=1, keepdims=True)
    return max(float((apart - apart.mean(axis=0)).std()), 1e-9)


def _rows(model: LogisticRegression, labels: int) -> NDArray[np.float64]:
    """A row of logits for each bucket; two labels have one vector, half for and half against."""
    found = np.asarray(model.coef_.T)
    return found if labels > 2 else np.hstack([-found / 2, found / 2])
