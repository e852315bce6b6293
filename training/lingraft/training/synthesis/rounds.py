"""Rounds of made sources: what back-translation with and without parallel text have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lingraft.training.data.corpora import Row
from lingraft.training.errors import SynthesisError
from lingraft.training.recipe.settings import Pairs
from lingraft.training.recipe.synthesis import Filters
from lingraft.training.synthesis.filters import Sifted, sift
from lingraft.training.synthesis.generate import Translator
from lingraft.training.vocabulary.codec import UNK, Codec

Direction = tuple[str, str]  # source, target language
# The translator as it stands: of which round, from which language into which. It may be one model
# for all directions; after `Train` it is the one that was trained.
Models = Callable[[int, str, str], Translator]


@dataclass(frozen=True)
class Synthetic:
    """Made training rows of one direction: (made source, text as it was found).

    pairs: as a data source of a recipe, so that `corpora.training_corpus` takes the rows.
    quality: score of the model that made the sources, where it was measured.
    """

    pairs: Pairs
    rows: list[Row]
    sifted: Sifted
    quality: float | None = None

    def __str__(self) -> str:
        """For people, on one line."""
        return f"{self.pairs.name}: {self.sifted}"


@dataclass(frozen=True)
class Round:
    """What one round gives to train on, one part for each direction; rounds count from 1."""

    number: int
    parts: tuple[Synthetic, ...]

    @property
    def sources(self) -> list[Pairs]:
        """The parts as data sources, beside `rows`."""
        return [part.pairs for part in self.parts]

    @property
    def rows(self) -> list[list[Row]]:
        """The rows of each of `sources`."""
        return [part.rows for part in self.parts]


Train = Callable[[Round], None]  # trains on a round; the models of the next one are its


@dataclass(frozen=True)
class Making:
    """How the sources of one direction are made.

    limit: sentences at most; which ones is drawn from (seed, round).
    marker: stands before a made source; empty: nothing does.
    """

    filters: Filters
    seed: int
    limit: int
    marker: str = ""


def make(
    number: int,
    direction: Direction,
    texts: Sequence[str],
    translator: Translator,
    making: Making,
) -> Synthetic:
    """Sources in `direction[0]` for some of `texts`, which are in `direction[1]`.

    Raises:
        SynthesisError: nothing is left after the filters.
    """
    source, target = direction
    chosen = drawn(texts, making.limit, making.seed, number)
    made = translator.translate(chosen, target, source)
    sifted = sift(list(zip(chosen, made, strict=True)), making.filters)
    name = f"round {number}, made {source} for {target}"
    if not sifted.kept:
        raise SynthesisError(
            f"{name}: {sifted}: nothing is left to train on; train the model that translates "
            f"{target}-{source} further, or loosen the filters"
        )
    rows: list[Row] = [(marked(made[i], making.marker), chosen[i]) for i in sifted.kept]
    return Synthetic(pairs_of(name, direction), rows, sifted)


def pairs_of(name: str, direction: Direction) -> Pairs:
    """A data source for rows that come from no file, in one direction."""
    source, target = direction
    return Pairs(name=name, path="", source=source, target=target, both_directions=False)


def drawn(texts: Sequence[str], limit: int, seed: int, number: int) -> list[str]:
    """At most `limit` of `texts` in their order, others in every round."""
    if len(texts) <= limit:
        return list(texts)
    random = np.random.default_rng([seed, number])
    return [texts[i] for i in sorted(random.choice(len(texts), limit, replace=False).tolist())]


def marked(text: str, marker: str) -> str:
    """`text` behind `marker`, as the model is to see a made source."""
    return f"{marker} {text}" if marker else text


def check_marker(codec: Codec, marker: str) -> None:
    """Raise `SynthesisError` unless the vocabulary can spell `marker`."""
    if UNK in codec.spm.encode(marker):
        raise SynthesisError(
            f"the vocabulary cannot spell the marker {marker!r}: choose one of letters that it has"
        )


def require_text(texts: Mapping[str, Sequence[str]], directions: Sequence[Direction]) -> None:
    """Raise `SynthesisError`, naming all that lack it, unless every direction's target has text."""
    if bare := sorted({target for _, target in directions if not texts.get(target)}):
        raise SynthesisError(
            f"no monolingual text of {', '.join(bare)}: give some, or leave the directions into "
            "it out"
        )


def in_turn(count: int, make_round: Callable[[int], Round], train: Train) -> Iterator[Round]:
    """Rounds 1 to `count`: each is made by the models as they stand, trained on, then given."""
    for number in range(1, count + 1):
        made = make_round(number)
        train(made)
        yield made
