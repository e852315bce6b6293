"""What a search can be told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class SpecialIds(Protocol):
    """Ids with a meaning of their own; those of a bundle fill it."""

    @property
    def eos(self) -> int:
        """Ends every target."""

    @property
    def pad(self) -> int:
        """Is never produced."""

    @property
    def decoder_start(self) -> int:
        """Is given to the decoder first."""


class EarlyStopping(Enum):
    """When beam search stops, once it has as many finished hypotheses as beams.

    As `early_stopping` of Transformers: at once (True); when the best running hypothesis, were it
    to end now, would not beat the worst finished one (False); when it could not do so at any length
    that is allowed ("never").
    """

    AT_ONCE = "at_once"
    WHEN_UNLIKELY = "when_unlikely"
    NEVER_EARLY = "never_early"


@dataclass(frozen=True)
class SearchOptions:
    """How one target is searched for. Lengths are in pieces.

    `max_length`: most pieces, end and given pieces counted. `min_length`: least pieces, given ones
    counted, end not. `beam_size` 1 is greedy; `wanted` is the number of hypotheses to be found, at
    most `beam_size`.

    Hypotheses are ranked by log-probability / length**`length_penalty`, where the length is that of
    all pieces but those of a prefix (and of what is forced before one), end counted. A
    `repetition_penalty` of at least 1 multiplies the log-probability of every piece that was given
    or produced, the decoder's start among them. `no_repeat_ngram_size` n: no n pieces in a row
    twice; 0 is off. `banned` pieces are never produced, and padding never is.

    `temperature` above 0 samples one hypothesis among the best `top_k` pieces; the same `seed` and
    `stream` (its number among sentences of one seed) draw the same.

    `forced` is the first piece, a language tag; it counts as one of probability 1. `prefix` are the
    pieces that the target goes on with, or begins with. `end_at_limit`: the last piece that is
    allowed is always the end, of probability 1, as `forced_eos_token_id` of Transformers has it; a
    hypothesis that it ends is truncated, and has the end in neither `ids` nor `logprobs`.

    `alignment`: whether attention is kept. Raises ValueError where numbers contradict each other.
    """

    max_length: int
    min_length: int = 0
    beam_size: int = 1
    wanted: int = 1
    length_penalty: float = 1.0
    early_stopping: EarlyStopping = EarlyStopping.WHEN_UNLIKELY
    repetition_penalty: float = 1.0
    no_repeat_ngram_size: int = 0
    banned: frozenset[int] = frozenset()
    temperature: float = 0.0
    top_k: int = 1
    seed: int = 0
    stream: int = 0
    forced: int | None = None
    prefix: tuple[int, ...] = ()
    end_at_limit: bool = False
    alignment: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.wanted <= self.beam_size:
            raise ValueError(f"{self.wanted} hypotheses of {self.beam_size} beams")
        if self.temperature > 0 and self.beam_size > 1:
            raise ValueError("sampling has one beam")
        if self.temperature < 0 or self.top_k < 1 or self.repetition_penalty < 1:
            raise ValueError("a temperature below 0, or a top_k or repetition penalty below 1")
        if self.max_length < 1 or (self.prefix and len(self.given) >= self.max_length):
            raise ValueError(f"{len(self.given)} given pieces leave nothing of {self.max_length}")

    @property
    def given(self) -> tuple[int, ...]:
        """All pieces that are not searched for: `forced`, then `prefix`."""
        return self.prefix if self.forced is None else (self.forced, *self.prefix)

    @property
    def unscored(self) -> int:
        """How many of the given pieces are no part of a hypothesis' length.

        `generate` of Transformers takes a prefix, and what stands before it, as its prompt; a
        forced piece alone is produced by it, with log-probability 0.
        """
        return len(self.given) if self.prefix else 0
