"""What is translated: sources as ids, how many at once, by which search, to which length."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

TOKENS = 25  # of source and target in the cases of fixed length
EOS = 0  # of both models
SEED = 20_240_607
_LEAST_SENTENCES = 8  # of a case, so that a run is long enough to be timed

Sentence = tuple[int, ...]


@dataclass(frozen=True)
class Case:
    """Batches are handed over one after the other; a batch's sentences all at once.

    `least` and `most` bound the tokens of a target, eos counted. All sources end with eos.
    `forced` is the first piece of every target, a language's tag; it counts as one of its tokens.
    """

    name: str
    batches: tuple[tuple[Sentence, ...], ...]
    beams: int
    least: int
    most: int
    forced: int | None = None

    def to_json(self) -> dict[str, Any]:
        """For another process."""
        return asdict(self)

    @staticmethod
    def from_json(raw: dict[str, Any]) -> Case:
        """What `to_json` gave."""
        batches = tuple(tuple(map(tuple, batch)) for batch in raw["batches"])
        return Case(**{**raw, "batches": batches})

    @property
    def sentences(self) -> list[Sentence]:
        """All sources, in the order of the answers."""
        return [sentence for batch in self.batches for sentence in batch]


def fixed_cases(vocabulary: int) -> Iterator[Case]:
    """Greedy and beam 4 in batches of 1, 8 and 32: random sources, targets of `TOKENS` exactly."""
    for beams, search in ((1, "greedy"), (4, "beam4")):
        for size in (1, 8, 32):
            name = f"{search}-b{size}"
            drawn = random.Random(f"{SEED} {name}")
            count = max(1, _LEAST_SENTENCES // size)
            batches = tuple(
                tuple(_random_source(drawn, vocabulary) for _ in range(size)) for _ in range(count)
            )
            yield Case(name, batches, beams, least=TOKENS, most=TOKENS)


def lengths_of(sentences: Sequence[Sequence[int]]) -> dict[str, float]:
    """Least, median, mean and greatest number of ids."""
    sizes = sorted(map(len, sentences))
    return {
        "least": sizes[0],
        "median": sizes[len(sizes) // 2],
        "mean": round(sum(sizes) / len(sizes), 1),
        "most": sizes[-1],
    }


def _random_source(drawn: random.Random, vocabulary: int) -> Sentence:
    """Ids from 2 (after eos and the unknown piece) to the last before padding, then eos."""
    return (*(drawn.randrange(2, vocabulary - 1) for _ in range(TOKENS - 1)), EOS)
