"""Counted characters: TF-IDF of character n-grams with logistic regression.

The classical baseline that small-data benchmarks keep losing to (NusaX, Winata et al. 2023); made
of scikit-learn's parts, its regularisation chosen on dev like the grid of the other arms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import Pipeline, make_pipeline

_ORDERS = (1, 5)
_INVERSE_PENALTIES = (0.3, 3.0, 30.0)
_ITERATIONS = 1000


@dataclass(frozen=True)
class Tfidf:
    """A fitted baseline.

    inverse_penalty: C of the logistic regression that was best on dev.
    trials: (C, dev macro-F1) of all that were tried.
    """

    pipeline: Pipeline
    inverse_penalty: float
    trials: tuple[tuple[float, float], ...]

    def predict(self, texts: Sequence[str]) -> list[int]:
        """The most probable label's index of each text."""
        return [int(label) for label in self.pipeline.predict(list(texts))]


def fit_tfidf(
    texts: Sequence[str],
    labels: Sequence[int],
    dev_texts: Sequence[str],
    dev_labels: Sequence[int],
) -> Tfidf:
    """Fit on train, choose the penalty by macro-F1 on dev; labels are indices.

    Deterministic: the solver draws nothing.
    """
    trials, fitted = [], []
    for inverse_penalty in _INVERSE_PENALTIES:
        pipeline = make_pipeline(
            TfidfVectorizer(analyzer="char_wb", ngram_range=_ORDERS, sublinear_tf=True),
            LogisticRegression(C=inverse_penalty, max_iter=_ITERATIONS, class_weight="balanced"),
        )
        pipeline.fit(list(texts), list(labels))
        guesses = pipeline.predict(list(dev_texts))
        score = f1_score(list(dev_labels), guesses, average="macro", zero_division=0.0)
        trials.append((inverse_penalty, float(score)))
        fitted.append(pipeline)
    best = max(range(len(trials)), key=lambda i: trials[i][1])
    return Tfidf(fitted[best], trials[best][0], tuple(trials))
