"""Which pieces may come next, and at which price: bans and the repetition penalty.

The engine says only the K best pieces of a row. A search that needs the N best pieces after all
bans and penalties finds them among the K = N + `Constraint.reach` best: only `reach` pieces are
banned or penalised, and a penalty of at least 1 moves a piece down only; so at least N of the K
stay as they were, and none beyond the K can come before these.

The order in which Transformers applies its processors makes no difference here: they ban, or they
penalise, and none depends on another's result.
"""

from __future__ import annotations

from collections.abc import Sequence

from lingraft.server.search.options import SearchOptions, SpecialIds

# Score of a continuation, its piece, and the piece's log-probability as the model has it.
Weighed = tuple[float, int, float]


class Constraint:
    """What holds for the next piece of one row; `penalty` multiplies that of the `penalised`.

    `reach`: candidates needed beyond those that a search needs itself.
    """

    __slots__ = ("banned", "penalised", "penalty", "reach")

    def __init__(
        self,
        banned: frozenset[int],
        penalised: frozenset[int] = frozenset(),
        penalty: float = 1.0,
    ) -> None:
        self.banned, self.penalised, self.penalty = banned, penalised, penalty
        self.reach = len(banned | penalised)

    def best(self, ids: Sequence[int], logprobs: Sequence[float]) -> Weighed | None:
        """The first of `weigh`, if there is one, without the others where nothing is penalised."""
        if self.penalised:
            return next(iter(self.weigh(ids, logprobs)), None)
        for piece, logprob in zip(ids, logprobs, strict=True):
            if piece not in self.banned:
                return logprob, piece, logprob
        return None

    def weigh(self, ids: Sequence[int], logprobs: Sequence[float]) -> list[Weighed]:
        """The candidates [K] that are allowed, best first after the penalty."""
        banned, penalised = self.banned, self.penalised
        pairs = zip(ids, logprobs, strict=True)
        if not penalised:
            return [(logprob, piece, logprob) for piece, logprob in pairs if piece not in banned]
        weighed = [
            (logprob * self.penalty if piece in penalised else logprob, piece, logprob)
            for piece, logprob in pairs
            if piece not in banned
        ]
        weighed.sort(key=_score, reverse=True)
        return weighed


class Constraints:
    """The constraints of one search."""

    def __init__(self, options: SearchOptions, special: SpecialIds) -> None:
        banned = options.banned | {special.pad}
        self._free = Constraint(banned)
        self._unending = Constraint(banned | {special.eos})
        self._min_length = options.min_length
        self._penalty, self._ngram = options.repetition_penalty, options.no_repeat_ngram_size
        self.penalises = self._penalty != 1
        self.look_back = self.penalises or self._ngram > 0

    def after(self, length: int) -> Constraint:
        """What holds after `length` pieces, whichever they are: all, without `look_back`."""
        return self._free if length >= self._min_length else self._unending

    def after_history(self, history: Sequence[int]) -> Constraint:
        """What holds after a history: the decoder's start, then all pieces."""
        banned = self.after(len(history) - 1).banned
        if self._ngram:
            banned |= _completions(history, self._ngram)
        penalised = frozenset(history) if self.penalises else frozenset()
        return Constraint(banned, penalised, self._penalty)


def _score(weighed: Weighed) -> float:
    return weighed[0]


def _completions(history: Sequence[int], size: int) -> frozenset[int]:
    """Pieces that would make the last `size` pieces stand in the history for a second time."""
    suffix = list(history[len(history) - size + 1 :])
    return frozenset(
        history[begin + size - 1]
        for begin in range(len(history) - size + 1)
        if list(history[begin : begin + size - 1]) == suffix
    )
