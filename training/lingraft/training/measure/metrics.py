"""Scores of translations and labels: chrF++ first, BLEU beside it, sacreBLEU's signatures kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sacrebleu.metrics import BLEU, CHRF


@dataclass(frozen=True)
class Score:
    """A figure with sacreBLEU's signature."""

    name: str
    value: float
    signature: str


def chrf(hypotheses: Sequence[str], references: Sequence[str]) -> Score:
    """chrF++ (Popović 2017) of a corpus, 0 to 100."""
    metric = CHRF(word_order=2)
    value = metric.corpus_score(list(hypotheses), [list(references)]).score
    return Score("chrF++", value, str(metric.get_signature()))


def bleu(hypotheses: Sequence[str], references: Sequence[str]) -> Score:
    """BLEU (Papineni et al. 2002) of a corpus with tokenisation 13a, 0 to 100."""
    metric = BLEU()
    value = metric.corpus_score(list(hypotheses), [list(references)]).score
    return Score("BLEU", value, str(metric.get_signature()))


def chrf_statistics(hypotheses: Sequence[str], references: Sequence[str]) -> NDArray[np.int64]:
    """Sufficient statistics of chrF++, [sentences, statistics]; sums of rows make corpora."""
    metric = CHRF(word_order=2)
    rows = metric._extract_corpus_statistics(list(hypotheses), [list(references)])
    return np.asarray(rows, dtype=np.int64)


def chrf_of_sums(sums: NDArray[np.int64]) -> NDArray[np.float64]:
    """chrF++ of corpora given their summed statistics [corpora, statistics]."""
    metric = CHRF(word_order=2)
    scores = [metric._compute_f_score(row.tolist()) for row in sums]
    return np.asarray(scores, dtype=np.float64)


def mean_chrf(outputs: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> float:
    """Mean chrF++ over test sets."""
    values = [chrf(o, r).value for o, r in zip(outputs, references, strict=True)]
    return sum(values) / len(values)


def confusion_statistics(
    guesses: Sequence[int], truth: Sequence[int], classes: int
) -> NDArray[np.int64]:
    """Each item's one entry of the confusion matrix, [items, classes * classes], truth first."""
    places = np.asarray(truth, np.int64) * classes + np.asarray(guesses, np.int64)
    return np.asarray(places[:, None] == np.arange(classes * classes), dtype=np.int64)


def macro_f1_of_sums(sums: NDArray[np.int64]) -> NDArray[np.float64]:
    """Macro-F1, 0 to 1, of summed confusions [n, classes * classes].

    The mean over labels that occur in the truth or in the guesses, as scikit-learn has it.
    """
    classes = round(sums.shape[1] ** 0.5)
    table = sums.reshape(-1, classes, classes)
    right = np.diagonal(table, axis1=1, axis2=2)
    seen = table.sum(axis=1) + table.sum(axis=2)  # guesses and truths of each label
    scores = 2.0 * right / np.maximum(seen, 1)
    return np.asarray(scores.sum(axis=1) / np.maximum((seen > 0).sum(axis=1), 1))
