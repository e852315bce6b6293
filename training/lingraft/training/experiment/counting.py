"""Fitting the table of a classifier that counts letters beside its encoder.

A linear model of counted n-grams has one best solution, which a solver finds in seconds; gradient
steps made for an encoder leave it far from there (decision 0015). One table serves every arm and
seed, since all read the same pieces.

N texts, C labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from lingraft.training.experiment.labels import Labels, encode_rows
from lingraft.training.models.wide import WideTable
from lingraft.training.recipe.recipes import ClassifyRecipe
from lingraft.training.vocabulary.codec import Codec
from lingraft.training.vocabulary.ngrams import NGrams
from lingraft.training.vocabulary.spelling import spelling_of
from lingraft.training.vocabulary.words import WordNGrams

_INVERSE_PENALTIES = (0.3, 1.0, 3.0, 10.0, 30.0)
_ITERATIONS = 1000

Rows = Sequence[Sequence[int]]  # source ids of texts, each with its end


@dataclass(frozen=True)
class Counted:
    """A fitted table.

    rows: [buckets, C], a logit of every n-gram for every label.
    inverse_penalty: C of the logistic regression that was best on the selecting half of dev.
    trials: (C, macro-F1 there in points of 100) of all that were tried.
    """

    words: WordNGrams
    rows: NDArray[np.float32]
    inverse_penalty: float
    trials: tuple[tuple[float, float], ...]

    def logits(self, ids: Rows) -> NDArray[np.float32]:
        """[N, C], as the table gives them beside an encoder."""
        return np.asarray(_counts(ids, self.words) @ self.rows, dtype=np.float32)

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

    Logistic regression on counts times inverse document frequency (Sparck Jones 1972; smoothed as
    in scikit-learn), which the table then holds: rare n-grams are penalised less. Deterministic:
    the solver draws nothing.
    """
    if recipe.wide is None:
        return None
    words = WordNGrams(NGrams(recipe.wide.orders, recipe.wide.bits), spelling_of(codec))
    limit = recipe.training.max_tokens
    train = _counts(encode_rows(codec, labels.train, limit), words)
    select = _counts(encode_rows(codec, labels.select, limit), words)
    truth, wanted = labels.indices(labels.train), labels.indices(labels.select)
    rarity = _rarity(train)
    fitted, trials = [], []
    for inverse_penalty in _INVERSE_PENALTIES:
        model = LogisticRegression(
            C=inverse_penalty, max_iter=_ITERATIONS, class_weight="balanced", fit_intercept=False
        )
        model.fit(train * rarity, truth)
        fitted.append(_rows(model, len(labels.names)) * rarity[:, None])
        guesses = np.asarray(select @ fitted[-1]).argmax(axis=1)
        score = f1_score(wanted, guesses, average="macro", zero_division=0.0)
        trials.append((inverse_penalty, 100 * float(score)))
    best = max(range(len(trials)), key=lambda i: trials[i][1])
    return Counted(words, fitted[best].astype(np.float32), trials[best][0], tuple(trials))


def _counts(ids: Rows, words: WordNGrams) -> csr_array:
    """What counts in each text, [N, buckets]."""
    found = [words.shares(np.asarray(row, dtype=np.int64)) for row in ids]
    starts = np.cumsum([0, *(len(buckets) for buckets, _ in found)])
    places = np.concatenate([buckets for buckets, _ in found])
    values = np.concatenate([shares for _, shares in found])
    return csr_array((values, places, starts), shape=(len(ids), words.ngrams.buckets))


def _rarity(counts: csr_array) -> NDArray[np.float64]:
    """Inverse document frequency [buckets], 1 for what is in every text."""
    texts, _ = counts.shape
    having = np.bincount(counts.indices, minlength=counts.shape[1])
    return np.asarray(np.log((1 + texts) / (1 + having)) + 1)


def _rows(model: LogisticRegression, labels: int) -> NDArray[np.float64]:
    """A row of logits for each bucket; two labels have one vector, half for and half against."""
    found = np.asarray(model.coef_.T)
    return found if labels > 2 else np.hstack([-found / 2, found / 2])
