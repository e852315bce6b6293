"""Sequence-level knowledge distillation (Kim & Rush 2016): a student learns what a teacher writes.

A teacher's translations are simpler and more regular than people's, and a small model can learn
them. Teacher and student meet in text alone, so that each has its own vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lingraft.training.data.corpora import Row
from lingraft.training.measure.metrics import chrf_of_sums, chrf_statistics
from lingraft.training.recipe.settings import Pairs
from lingraft.training.recipe.synthesis import Distillation
from lingraft.training.synthesis.filters import Sifted, sift
from lingraft.training.synthesis.generate import Translator
from lingraft.training.synthesis.rounds import pairs_of


@dataclass(frozen=True)
class Distilled:
    """Training rows of one direction for a student: (source as it was found, target).

    pairs: as a data source of a recipe, so that `corpora.training_corpus` takes the rows.
    real: rows that kept their reference because `real_share` says so.
    sifted: what became of the teacher's text of the other rows; a row whose text was dropped has
        its reference too.
    """

    pairs: Pairs
    rows: list[Row]
    real: int
    sifted: Sifted

    def __str__(self) -> str:
        """For people, on one line."""
        return f"{self.pairs.name}: {self.real} rows left real; of the teacher's {self.sifted}"


def distil(
    sources: Sequence[Pairs],
    rows: Sequence[Sequence[Row]],
    settings: Distillation,
    teacher: Translator,
    seed: int,
) -> list[Distilled]:
    """The teacher's translations of every direction of the training text, one part for each.

    Killed and called again, it goes on where it was.

    Args:
        sources: the student's data sources.
        rows: rows (source text, target text) of each.
        settings: how the teacher writes, and what of it is taken.
        teacher: the model at `settings.teacher`, as `generate.load_translator` gives it.
        seed: what the rows that stay real are drawn from.
    """
    results = []
    for pairs, texts in zip(sources, rows, strict=True):
        results.append(_direction(pairs, texts, settings, teacher, seed))
        if pairs.both_directions:
            turned = pairs.model_copy(update={"source": pairs.target, "target": pairs.source})
            back = [(right, left) for left, right in texts]
            results.append(_direction(turned, back, settings, teacher, seed))
    return results


def _direction(
    pairs: Pairs, rows: Sequence[Row], settings: Distillation, teacher: Translator, seed: int
) -> Distilled:
    random = np.random.default_rng([seed, len(rows)])
    real = set(random.permutation(len(rows))[: round(settings.real_share * len(rows))].tolist())
    asked = [i for i in range(len(rows)) if i not in real]
    made = _made([rows[i] for i in asked], pairs, settings, teacher)
    texts = [(rows[i][0], text) for i, text in zip(asked, made, strict=True)]
    sifted = sift(texts, settings.filters)
    targets = {asked[k]: made[k] for k in sifted.kept}
    name = f"{pairs.name}, distilled {pairs.source}-{pairs.target}"
    source = pairs_of(name, (pairs.source, pairs.target))
    return Distilled(
        pairs=source.model_copy(update={"weight": pairs.weight, "licence": pairs.licence}),
        rows=[(row[0], targets.get(i, row[1])) for i, row in enumerate(rows)],
        real=len(real),
        sifted=sifted,
    )


def _made(
    rows: Sequence[Row], pairs: Pairs, settings: Distillation, teacher: Translator
) -> list[str]:
    texts = [row[0] for row in rows]
    if settings.choice == "best":
        return teacher.translate(texts, pairs.source, pairs.target)
    beams = teacher.best(texts, pairs.source, pairs.target, settings.decoding.beams)
    return [nearest(beam, row[1]) for beam, row in zip(beams, rows, strict=True)]


def nearest(beam: Sequence[str], reference: str) -> str:
    """What of `beam` is most like `reference` by sentence chrF++; the first of equals."""
    statistics = chrf_statistics(beam, [reference] * len(beam))
    return beam[int(chrf_of_sums(statistics).argmax())]
