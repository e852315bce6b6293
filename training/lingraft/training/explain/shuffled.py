"""Sources shuffled in blocks of words: how much of the gain needs the order of words?

After Neyshabur, Sedghi & Zhang 2020, who shuffle patches of images: with small blocks only
low-level statistics are left (which words, how long), with large ones features over neighbouring
words are there again. A gain that survives shuffled words is no reuse of features over them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lingraft.training.explain.figures import figure, interval
from lingraft.training.explain.resampling import (
    Interval,
    ScoreSums,
    Statistics,
    gain,
    point_score,
)

Answer = Callable[[Sequence[str]], Statistics]  # sources -> statistics of each, references known
INTACT = 0  # in place of a block size: the sources as they are

_LEAST_SCORE = 1e-9


def shuffle_blocks(text: str, size: int, seed: int) -> str:
    """`text` with its blocks of `size` words in another order; words inside a block stay.

    Words are what spaces part. The last block may be shorter; a text of one block stays.
    """
    words = text.split()
    blocks = [words[start : start + size] for start in range(0, len(words), size)]
    order = np.random.default_rng([seed, size, len(words)]).permutation(len(blocks))
    return " ".join(word for block in order for word in blocks[block])


def shuffle_sources(sources: Sequence[str], size: int, seed: int) -> tuple[str, ...]:
    """Every source with its blocks shuffled, each by its own draw; `INTACT` leaves all as is."""
    if size == INTACT:
        return tuple(sources)
    return tuple(shuffle_blocks(text, size, seed + i) for i, text in enumerate(sources))


@dataclass(frozen=True)
class Shuffled:
    """Graft and control on sources in blocks of `words` words (0: intact); points of the metric."""

    words: int
    graft: float
    control: float
    gain: Interval

    def as_dict(self, intact: Shuffled) -> dict[str, Any]:
        """JSON-ready, with what each arm and the gain keep of theirs on intact sources."""
        shown = intact.gain.low > 0  # of a gain that may be none, no share can be told
        return {
            "words": self.words,
            "graft": figure(self.graft),
            "control": figure(self.control),
            "gain": interval(self.gain),
            "graft_keeps": figure(_share(self.graft, intact.graft)),
            "control_keeps": figure(_share(self.control, intact.control)),
            "gain_keeps": figure(_share(self.gain.value, intact.gain.value)) if shown else None,
        }


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole > _LEAST_SCORE else None


@dataclass(frozen=True)
class Shuffling:
    """Intact sources first, then the smallest blocks and so on."""

    rows: tuple[Shuffled, ...]

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"blocks": [row.as_dict(self.rows[0]) for row in self.rows]}


def shuffling(
    sources: Sequence[str],
    graft: Answer,
    control: Answer,
    score: ScoreSums,
    *,
    blocks: Sequence[int] = (1, 2, 4, 8),
    resamples: int = 1000,
    seed: int = 1,
) -> Shuffling:
    """Score both arms on intact sources and on each kind of shuffled ones.

    Args:
        sources: dev texts; tags of languages are no part of them.
        graft: answers texts and scores the answers: chrF statistics, or (right, 1) for labels.
        control: the same by the control.
        score: of summed statistics, higher is better.
        blocks: words in a block.
    """
    rows = []
    for size in (INTACT, *sorted(blocks)):
        texts = shuffle_sources(sources, size, seed)
        ours, theirs = graft(texts), control(texts)
        over = gain(ours, theirs, score, resamples, seed)
        rows.append(Shuffled(size, point_score(ours, score), point_score(theirs, score), over))
    return Shuffling(tuple(rows))
