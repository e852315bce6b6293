"""Labels carried over by translation: the training rows forth, or the test rows back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lingraft.training.data.labelled import LabelledRow
from lingraft.training.recipe.synthesis import Filters, TranslateTrain
from lingraft.training.synthesis.filters import Sifted, sift
from lingraft.training.synthesis.generate import Translator


@dataclass(frozen=True)
class Translated:
    """Labelled rows in another language, and by language what became of their translations."""

    rows: list[LabelledRow]
    sifted: dict[str, Sifted]

    def __str__(self) -> str:
        """For people, one line a language."""
        lines = (f"into {language}: {sifted}" for language, sifted in self.sifted.items())
        return "\n".join(lines)


def translate_train(
    rows: Sequence[LabelledRow], settings: TranslateTrain, translator: Translator
) -> Translated:
    """Training rows in the languages of `settings`, each with the label of the row it comes from.

    Rows already in a language are not translated into it. The rows as they were come first, where
    `keep_source` says so.

    Raises:
        ParentError: the translator has no tag for a language.
    """
    result = list(rows) if settings.keep_source else []
    sifted = {}
    for target in settings.languages:
        there = [row for row in rows if row[2] != target]
        made = _translated(there, target, translator)
        sifted[target] = _sift(there, made, settings.filters)
        result.extend((made[i], there[i][1], target) for i in sifted[target].kept)
    return Translated(result, sifted)


def translate_test(
    rows: Sequence[LabelledRow], target: str, translator: Translator, filters: Filters
) -> Translated:
    """The same rows in `target`, the language of the classifier's training, none left out.

    A row that is hard to translate is part of the test: what the filters would drop is counted, and
    an empty translation gives way to the text itself.
    """
    made = _translated(rows, target, translator)
    result = [
        (text if row[2] != target and text else row[0], row[1], target)
        for row, text in zip(rows, made, strict=True)
    ]
    there = [i for i, row in enumerate(rows) if row[2] != target]
    sifted = _sift([rows[i] for i in there], [made[i] for i in there], filters)
    return Translated(result, {target: sifted})


def _sift(rows: Sequence[LabelledRow], made: Sequence[str], filters: Filters) -> Sifted:
    return sift([(row[0], text) for row, text in zip(rows, made, strict=True)], filters)


def _translated(rows: Sequence[LabelledRow], target: str, translator: Translator) -> list[str]:
    """The texts of `rows` in `target`; those in it already as they are."""
    made = [row[0] for row in rows]
    for source in sorted({row[2] for row in rows} - {target}):
        places = [i for i, row in enumerate(rows) if row[2] == source]
        texts = translator.translate([rows[i][0] for i in places], source, target)
        for place, text in zip(places, texts, strict=True):
            made[place] = text
    return made
