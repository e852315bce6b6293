"""A search with one hypothesis: greedy, or sampled."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import accumulate

import numpy as np

from lingraft.server.search.attention import Floats, alignment_of, share_of
from lingraft.server.search.base import Foreseen, Found, Late
from lingraft.server.search.constraints import Constraint, Constraints, Weighed
from lingraft.server.search.draws import uniform
from lingraft.server.search.options import SearchOptions, SpecialIds

# One of the candidates that the constraint allows, if there is one: their ids and their
# log-probabilities, best first, and the number of pieces before it.
Choose = Callable[[Constraint, Sequence[int], Sequence[float], int], Weighed | None]
_STAY = (0,)


def best(
    constraint: Constraint, ids: Sequence[int], logprobs: Sequence[float], length: int
) -> Weighed | None:
    """Greedy choice."""
    if not constraint.penalised and ids[0] not in constraint.banned:
        return logprobs[0], ids[0], logprobs[0]  # nearly always
    return constraint.best(ids, logprobs)


def sampler(options: SearchOptions) -> Choose:
    """Draws among the `top_k` best with probability proportional to p**(1 / temperature)."""
    top_k, temperature = options.top_k, options.temperature
    seed, stream = options.seed, options.stream

    def choose(
        constraint: Constraint, ids: Sequence[int], logprobs: Sequence[float], length: int
    ) -> Weighed | None:
        kept = constraint.weigh(ids, logprobs)[:top_k]
        if not kept:
            return None
        highest = kept[0][0]
        powers = [math.exp((score - highest) / temperature) for score, _, _ in kept]
        sums = list(accumulate(powers))
        drawn = uniform(seed, stream, length) * sums[-1]
        return next((each for each, end in zip(kept, sums, strict=True) if drawn < end), kept[-1])

    return choose


class SingleSearch:
    """One row. `needed` is the number of continuations that `choose` chooses among.

    A piece's log-probability is the model's own, whatever penalty or temperature chose it; that of
    a given piece is 0.
    """

    width = 1

    def __init__(
        self,
        options: SearchOptions,
        special: SpecialIds,
        source_length: int,
        choose: Choose,
        needed: int,
    ) -> None:
        self._options, self._eos = options, special.eos
        self._source_length = source_length
        self._choose, self._needed = choose, needed
        self._constraints = Constraints(options, special)
        self._history = [special.decoder_start]  # then all pieces
        self._logprobs: list[float] = []
        self._shares: list[Floats | None] = []
        self._score = 0.0
        self._given = options.given
        # From here on the same holds of every piece, unless it hangs on those before.
        self._settled = max(len(self._given), options.min_length)
        self._max_length = max(1, options.max_length - options.end_at_limit)
        self._constrain(0)

    @property
    def late(self) -> Late | None:
        """Itself where it is greedy and penalises nothing: the best logit is the best piece."""
        return self if self._choose is best and not self._constraints.penalises else None

    def foresee(self) -> Foreseen | None:
        """As far as one constraint holds; given pieces and attention are taken step by step."""
        length, options = len(self._logprobs), self._options
        if length < len(self._given) or self._constraints.look_back or options.alignment:
            return None
        end = self._max_length
        if length < options.min_length:  # there the end is allowed, and is a candidate less
            end = min(end, options.min_length)
        return Foreseen(end - length, self._constraint.banned, self._eos)

    def normalise(self, places: Sequence[int], normalisers: Sequence[np.float32]) -> None:
        """Makes log-probabilities of logits; those of given pieces stay 0."""
        logprobs, first = self._logprobs, len(self._given)
        for place, normaliser in zip(places, normalisers, strict=True):
            if first <= place < len(logprobs):  # the last step may have found everything banned
                logprobs[place] = float(np.float32(logprobs[place]) - normaliser)
        self._score = 0.0
        for each in logprobs:  # in this order and no other way, for the same bits
            self._score += each

    def inputs(self) -> Sequence[int]:
        """The last piece."""
        return self._history[-1:]

    def advance(
        self,
        ids: Sequence[Sequence[int]],
        logprobs: Sequence[Sequence[float]],
        alignment: Floats | None,
    ) -> Sequence[int] | None:
        """Takes the next piece."""
        length = len(self._logprobs)
        if length < len(self._given):
            score, piece, logprob = 0.0, self._given[length], 0.0
        else:
            count = self.candidates
            pieces, scores = ids[0], logprobs[0]
            if len(pieces) > count:
                pieces, scores = pieces[:count], scores[:count]
            chosen = self._choose(self._constraint, pieces, scores, length)
            if chosen is None:
                return None  # everything is banned: there is nothing to go on with
            score, piece, logprob = chosen
        self._take(piece, score, logprob, alignment)
        length += 1
        if length >= self._max_length or (piece == self._eos and length > len(self._given)):
            return None
        if length <= self._settled or self._constraints.look_back:
            self._constrain(length)
        return _STAY

    def found(self) -> tuple[Found, ...]:
        """The one hypothesis; its score is ranked as beam search would."""
        ended = self._history[-1] == self._eos and len(self._logprobs) > len(self._given)
        ids = self._history[1:-1] if ended else self._history[1:]
        scored = max(1, len(self._logprobs) - self._options.unscored)
        found = Found(
            ids=tuple(ids),
            logprobs=tuple(self._logprobs),
            score=self._score / scored**self._options.length_penalty,
            truncated=not ended,
            alignment=self._alignment(len(ids)),
        )
        return (found,)

    def _take(self, piece: int, score: float, logprob: float, alignment: Floats | None) -> None:
        self._history.append(piece)
        self._logprobs.append(logprob)
        self._score += score
        if self._options.alignment:
            self._shares.append(share_of(alignment, 0, self._source_length))

    def _constrain(self, length: int) -> None:
        """What holds for the next piece, and how many candidates it needs."""
        if length < len(self._given):
            self.candidates = 1
            return
        constraints = self._constraints
        self._constraint = (
            constraints.after_history(self._history)
            if constraints.look_back
            else constraints.after(length)
        )
        self.candidates = self._needed + self._constraint.reach

    def _alignment(self, pieces: int) -> Floats | None:
        if not self._options.alignment:
            return None
        return alignment_of(self._shares[:pieces], self._source_length)
