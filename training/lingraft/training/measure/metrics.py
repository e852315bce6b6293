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
