"""Where a system is strong and how it fails: scores by slice, and rates of four known faults.

Pure functions of texts. A translation is

- empty when it holds no letter and no digit though its reference does;
- a copy when at least four of five of its words stand in the source in the same order, and the
  reference itself is no such copy (a line of names and numbers rightly stays as it is);
- looping when it says one to twelve words, or one string of up to twenty characters, so many times
  in a row as neither its source nor its reference does, and at least three times (six for
  characters);
- in the wrong language when another language at hand fits better than the right one, by more than
  happens to 99 in 100 genuine sentences of the right one (see `Languages`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher
from typing import Any

from lingraft.training.measure.languages import Languages
from lingraft.training.measure.metrics import chrf, chrf_of_sums, chrf_statistics

# Upper bounds of the length bins, in white-space words of the reference.
LENGTHS = (5, 10, 20, 40)

Score = Callable[[Sequence[str], Sequence[str]], float]

_COPIED = 0.8
_COPY_WORDS = 3  # fewer words than this are no evidence of copying
_LOOP_WORDS = 12
_LOOP_TIMES = 3
_CHARACTER_LOOP = re.compile(r"(?=(.{1,20}?)\1{5,})", re.DOTALL)


@dataclass(frozen=True)
class Slice:
    """A part of a test set with each arm's score on it."""

    label: str
    sentences: int
    scores: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        """As `report.schema.ScoreSlice`."""
        return asdict(self)


@dataclass(frozen=True)
class Rates:
    """Shares of one arm's outputs with each fault, 0 to 1.

    Args:
        sentences: how many were looked at.
        wrong_language: None where no classifier was at hand.
        false_alarms: share of genuine references that the same rule calls wrong-language.
        length_ratio: words of all outputs over words of all references.
    """

    sentences: int
    empty: float
    copied: float
    looping: float
    wrong_language: float | None
    false_alarms: float | None
    length_ratio: float

    def as_dict(self) -> dict[str, float | None]:
        """As one arm of `report.schema.Slices.rates`."""
        return asdict(self)


def rates(
    sources: Sequence[str],
    outputs: Sequence[str],
    references: Sequence[str],
    language: str = "",
    languages: Languages | None = None,
) -> Rates:
    """Fault rates of `outputs`; the three sequences are of equal length and not empty.

    Args:
        language: the language asked for (BCP-47).
        languages: tells languages apart; without it, or where it does not know `language`, the
            wrong-language rate is None.
    """
    rows = list(zip(sources, outputs, references, strict=True))
    wrong = alarms = None
    if languages is not None and language in languages.known:
        wrong = _share([languages.is_wrong(output, language) for output in outputs])
        alarms = _share([languages.is_wrong(reference, language) for reference in references])
    return Rates(
        sentences=len(rows),
        empty=_share([is_empty(output, reference) for _, output, reference in rows]),
        copied=_share([is_copy(*row) for row in rows]),
        looping=_share([is_looping(*row) for row in rows]),
        wrong_language=wrong,
        false_alarms=alarms,
        length_ratio=_words(outputs) / max(1, _words(references)),
    )


def is_empty(output: str, reference: str) -> bool:
    """Whether `output` says nothing though `reference` does."""
    return _says_nothing(output) and not _says_nothing(reference)


def is_copy(source: str, output: str, reference: str) -> bool:
    """Whether `output` repeats `source` where `reference` does not."""
    return _overlap(source, output) >= _COPIED > _overlap(source, reference)


def is_looping(source: str, output: str, reference: str) -> bool:
    """Whether `output` gets stuck in a word, a phrase or a string of characters."""
    times = _most_repeats(output.split())
    if times >= _LOOP_TIMES:
        return times > max(_most_repeats(text.split()) for text in (source, reference))
    return _stutters(output) and not (_stutters(source) or _stutters(reference))


def by_length(
    outputs: Mapping[str, Sequence[str]],
    references: Sequence[str],
    *,
    bounds: Sequence[int] = LENGTHS,
    score: Score | None = None,
) -> list[Slice]:
    """Scores of each arm by the number of words of the reference; empty bins are left out."""
    names = [_bin_name(len(reference.split()), bounds) for reference in references]
    order = [_bin_name(bound, bounds) for bound in (*bounds, bounds[-1] + 1)]
    return _slices(names, order, outputs, references, score)


def by_source(
    outputs: Mapping[str, Sequence[str]],
    references: Sequence[str],
    origins: Sequence[str],
    *,
    score: Score | None = None,
) -> list[Slice]:
    """Scores of each arm by where a sentence comes from (`origins`, one per sentence)."""
    return _slices(origins, list(dict.fromkeys(origins)), outputs, references, score)


def worst_and_best(
    outputs: Sequence[str], references: Sequence[str], count: int
) -> tuple[list[tuple[int, float]], list[tuple[int, float]]]:
    """Places and sentence chrF++ of the worst outputs, worst first, and of the best, best first.

    No sentence stands in both lists; ties keep the order of the text.
    """
    scores = chrf_of_sums(chrf_statistics(outputs, references)).round(2).tolist()
    order = sorted(range(len(scores)), key=scores.__getitem__)
    count = min(count, len(order) // 2)
    best = sorted(order[len(order) - count :], key=lambda i: (-scores[i], i))
    return [(i, scores[i]) for i in order[:count]], [(i, scores[i]) for i in best]


def _slices(
    names: Sequence[str],
    order: Sequence[str],
    outputs: Mapping[str, Sequence[str]],
    references: Sequence[str],
    score: Score | None,
) -> list[Slice]:
    score = score or _chrf
    slices = []
    for name in order:
        rows = [i for i, other in enumerate(names) if other == name]
        if not rows:
            continue
        right = [references[i] for i in rows]
        scores = {arm: score([texts[i] for i in rows], right) for arm, texts in outputs.items()}
        slices.append(Slice(name, len(rows), {arm: round(s, 2) for arm, s in scores.items()}))
    return slices


def _chrf(hypotheses: Sequence[str], references: Sequence[str]) -> float:
    return chrf(hypotheses, references).value


def _bin_name(words: int, bounds: Sequence[int]) -> str:
    low = 1
    for bound in bounds:
        if words <= bound:
            return f"{low} to {bound} words"
        low = bound + 1
    return f"over {bounds[-1]} words"


def _share(flags: Sequence[bool]) -> float:
    return round(sum(flags) / len(flags), 4)


def _words(texts: Sequence[str]) -> int:
    return sum(len(text.split()) for text in texts)


def _says_nothing(text: str) -> bool:
    return not any(character.isalnum() for character in text)


def _overlap(source: str, text: str) -> float:
    """Share of the words of `text` that stand in `source` in the same order."""
    words = _plain(text)
    if len(words) < _COPY_WORDS:
        return float(words == _plain(source)) if words else 0.0
    blocks = SequenceMatcher(None, _plain(source), words, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks) / len(words)


def _plain(text: str) -> list[str]:
    """Words without case, composition and punctuation at their ends."""
    words = unicodedata.normalize("NFC", text).casefold().split()
    return [bare for word in words if (bare := word.strip("\"'“”‘’.,;:!?()[]…،؛؟۔«»-–—"))]


def _most_repeats(words: Sequence[str]) -> int:
    """How often the most repeated unit of one to twelve words stands in a row."""
    most = 1 if words else 0
    for size in range(1, min(_LOOP_WORDS, len(words) // 2) + 1):
        run = 0
        for i in range(size, len(words)):
            run = run + 1 if words[i] == words[i - size] else 0
            most = max(most, run // size + 1)
    return most


def _stutters(text: str) -> bool:
    """Whether a string that holds a letter stands six times in a row."""
    return any(
        re.search(r"[^\W\d_]", found[1]) for found in _CHARACTER_LOOP.finditer(text.casefold())
    )
