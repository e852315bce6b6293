"""What of made text is unfit to train on, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from lingraft.training.data.keys import key
from lingraft.training.recipe.synthesis import Filters

Reason = Literal["empty", "broken", "copied", "loop", "length"]
_PHRASE = 4  # words of the longest phrase that is seen to loop
_SYLLABLE = 8  # characters of the longest string that is seen to loop inside words
_CHARACTERS = 4  # times as often a string of characters may repeat: "……" and "haha" are text
_PUNCTUATION = ".,;:!?…·\"'“”‘’«»‹›()[]¡¿،؛؟۔–—-"
_BROKEN = "\ufffd"  # stands for bytes that are no letter, which byte fallback can write
_SLACK = 5  # characters added to both lengths: short texts differ more


@dataclass(frozen=True)
class Sifted:
    """Which of some made texts are kept, by index, and how many were dropped for which reason."""

    kept: tuple[int, ...]
    dropped: Mapping[Reason, int]

    def __str__(self) -> str:
        """For people: "kept 90 of 100; dropped 7 loop, 3 copied"."""
        total = len(self.kept) + sum(self.dropped.values())
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(self.dropped.items()))
        return f"kept {len(self.kept)} of {total}" + (f"; dropped {reasons}" if reasons else "")


def sift(pairs: Sequence[tuple[str, str]], filters: Filters) -> Sifted:
    """Which of `pairs` (text, its made translation) are fit to train on."""
    faults = [fault(text, made, filters) for text, made in pairs]
    kept = tuple(index for index, reason in enumerate(faults) if reason is None)
    return Sifted(kept, dict(Counter(reason for reason in faults if reason is not None)))


def fault(text: str, made: str, filters: Filters) -> Reason | None:
    """Why the translation `made` of `text` is unfit to train on; None where it is fit."""
    if not made.strip():
        return "empty"
    if _BROKEN in made and _BROKEN not in text:
        return "broken"
    if _copied(text, made) > filters.max_copied:
        return "copied"
    if loops(made, filters.max_repeats) and not loops(text, filters.max_repeats):
        return "loop"
    longer, shorter = sorted((len(text) + _SLACK, len(made) + _SLACK), reverse=True)
    return "length" if longer > filters.max_length_ratio * shorter else None


def loops(text: str, times: int) -> bool:
    """Whether the same words, up to four, stand more than `times` times one after another.

    So do the same few characters, at four times that count: text without spaces loops too.
    """
    return (
        _repeats(_words(text), _PHRASE) > times or _repeats(text, _SYLLABLE) > _CHARACTERS * times
    )


def _repeats(units: Sequence[str], longest: int) -> int:
    """How often the most repeated run of at most `longest` units stands in a row."""
    most = 1
    for size in range(1, longest + 1):
        same = 0
        for here, before in zip(units[size:], units, strict=False):
            same = same + 1 if here == before else 0
            most = max(most, same // size + 1)
    return most


def _copied(text: str, made: str) -> float:
    """The share of the words of `made` that `text` has as well."""
    words = Counter(_words(made))
    shared = words & Counter(_words(text))
    return shared.total() / max(words.total(), 1)


def _words(text: str) -> list[str]:
    """Words that only case and the marks around them tell apart are the same."""
    return [word.strip(_PUNCTUATION) or word for word in key(text).split()]
