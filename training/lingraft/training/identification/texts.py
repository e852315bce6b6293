"""Lines of text by language, and the examples that are cut out of them."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from lingraft.training.data.tables import Table, read_tables
from lingraft.training.identification.outliers import Outliers
from lingraft.training.recipe.identification import PLACE, Spoken, Strangers

UNDETERMINED = "und"  # BCP-47
_LONGEST = 300  # characters of an example: what is longer is easy
_WHOLE = 0.4  # share of examples that are not cut
_MOST_WORDS = 20
_FEW_WORDS = 3  # these are not cut further

Rows = Sequence[tuple[str, ...]]
Lines = dict[str, dict[str, list[str]]]  # by language, then by source: lines in NFC


def read_parts(
    spoken: Sequence[Sequence[Spoken]], strange: Sequence[Sequence[Strangers]], seed: int
) -> tuple[list[Lines], list[dict[str, list[str]]]]:
    """The lines of all languages, each once in a source, and those of none by source; part by part.

    Raises:
        DataError: one or more files of any part are faulty; all of them are named.
    """
    asked = [[(source, code) for source in part for code in source.languages] for part in spoken]
    wanted = [_table(source, language) for part in asked for source, language in part]
    wanted += [Table(s.path, (s.column,), s.header) for part in strange for s in part]
    tables = iter(read_tables(wanted))
    known = [_spoken([(*each, next(tables)) for each in part], seed) for part in asked]
    unknown = [{s.name: _clean(row[0] for row in next(tables)) for s in part} for part in strange]
    return known, unknown


def _spoken(read: Iterable[tuple[Spoken, str, Rows]], seed: int) -> Lines:
    found: Lines = {}
    for source, language, rows in read:
        lines = _clean(row[0] for row in _some(rows, source.lines))
        if source.sample is not None and len(lines) > source.sample:
            lines = random.Random(f"{seed} {source.name} {language}").sample(lines, source.sample)
        found.setdefault(language, {}).setdefault(source.name, []).extend(lines)
    return found


def examples(
    lines: Lines, labels: Sequence[str], each: int, outliers: int, seed: int
) -> tuple[list[str], list[int]]:
    """Texts with the places of their labels: `each` of every language, and `outliers` in none.

    Every source of a language gives as many as the next, so that none alone decides how a language
    looks.
    """
    chance = random.Random(seed)
    texts: list[str] = []
    truth: list[int] = []
    for place, language in enumerate(labels):
        if language == UNDETERMINED:
            continue
        sources = list(lines[language].values())
        for _ in range(each):
            texts.append(cut(chance.choice(chance.choice(sources)), chance))
        truth += [place] * each
    made = Outliers([t for t in texts if len(t) > 1], seed)
    texts += [made.text()[:_LONGEST] for _ in range(outliers)]
    return texts, truth + [labels.index(UNDETERMINED)] * outliers


def cut(text: str, chance: random.Random) -> str:
    """Some words of a text, or all of them: people ask about a word as well as about a page."""
    words = text.split()
    if len(words) > _FEW_WORDS and chance.random() >= _WHOLE:
        count = chance.randint(1, min(len(words), _MOST_WORDS))
        first = chance.randint(0, len(words) - count)
        words = words[first : first + count]
    return " ".join(words)[:_LONGEST]


def _table(source: Spoken, language: str) -> Table:
    column = source.column
    if isinstance(column, str):
        column = column.replace(PLACE, language)
    return Table(source.path.replace(PLACE, language), (column,), source.header)


def _some(rows: Rows, which: str) -> Rows:
    return rows if which == "all" else rows[which == "odd" :: 2]


def _clean(lines: Iterable[str]) -> list[str]:
    texts = (unicodedata.normalize("NFC", " ".join(line.split())) for line in lines)
    return [text for text in dict.fromkeys(texts) if text]


def every(lines: Mapping[str, Mapping[str, Sequence[str]]]) -> dict[str, list[str]]:
    """The lines of each language, of all its sources."""
    return {code: [t for part in parts.values() for t in part] for code, parts in lines.items()}
