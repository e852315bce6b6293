"""Beam search, step by step as `generate` of Transformers 5 does it for one sentence.

With n beams, each step takes the 2n best continuations of all rows. The first n that do not end
are the next rows; there are so many, since at most one continuation of each row is the end. Those
that end and are among the best n are finished hypotheses, of which the best n are kept. All of the
2n may come from one row, so that each row needs 2n candidates beyond its constraints' reach.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple

from lingraft.server.search.attention import Floats, alignment_of, share_of
from lingraft.server.search.base import Found
from lingraft.server.search.constraints import Constraint, Constraints
from lingraft.server.search.options import EarlyStopping, SearchOptions, SpecialIds

# Score of a row that only repeats another one, as all but the first do at the beginning.
_DEAD = -1e9
_DYING = _DEAD / 2

# Score of a hypothesis with its last piece, its row, that piece, and its log-probability.
_Continuation = tuple[float, int, int, float]
_SCORE = itemgetter(0)


class _Node(NamedTuple):
    """The last piece of a hypothesis, and the way back to its first."""

    before: _Node | None
    piece: int
    logprob: float
    share: Floats | None


@dataclass(frozen=True, slots=True)
class _Finished:
    """A hypothesis that ended or, `truncated`, came to the limit."""

    score: float
    last: _Node | None
    truncated: bool


class BeamSearch:
    """`options.beam_size` rows."""

    late = None  # hypotheses are compared by their probabilities

    def __init__(self, options: SearchOptions, special: SpecialIds, source_length: int) -> None:
        self._options, self._special = options, special
        self._source_length = source_length
        self._constraints = Constraints(options, special)
        self._given, self._beams = options.given, options.beam_size
        self.width = options.beam_size
        self._length = 0  # pieces of each row
        self._last = [special.decoder_start] * self._beams
        self._nodes: list[_Node | None] = [None] * self._beams
        self._scores = [0.0] + [_DEAD] * (self._beams - 1)
        self._finished: list[_Finished] = []
        self._stay = tuple(range(self._beams))
        self._constrain()

    def inputs(self) -> Sequence[int]:
        """The last piece of each row."""
        return self._last

    def advance(
        self,
        ids: Sequence[Sequence[int]],
        logprobs: Sequence[Sequence[float]],
        alignment: Floats | None,
    ) -> Sequence[int] | None:
        """Takes the best continuations."""
        if not self._options.alignment:
            alignment = None
        if self._length < len(self._given):
            return self._follow(alignment)
        best = self._best(ids, logprobs)
        self._length += 1
        running = self._divide(best, alignment)
        if not running or self._is_over(running[0][0]):
            return None
        self._go_on(running, alignment)
        if self._options.end_at_limit and self._length == self._options.max_length - 1:
            self._end_all()
            return None
        return [row for _, row, _, _ in running]

    def found(self) -> tuple[Found, ...]:
        """The best finished hypotheses."""
        if not self._finished:  # everything is banned: there is nothing to go on with
            score = self._scores[0] / self._norm(max(self._length, self._options.unscored + 1))
            return (self._report(_Finished(score, self._nodes[0], truncated=True)),)
        return tuple(map(self._report, self._finished[: self._options.wanted]))

    def _follow(self, alignment: Floats | None) -> Sequence[int] | None:
        """All rows take the next given piece."""
        piece = self._given[self._length]
        share = share_of(alignment, 0, self._source_length)
        node = _Node(self._nodes[0], piece, 0.0, share)
        self._nodes, self._last = [node] * self._beams, [piece] * self._beams
        self._length += 1
        if self._length >= self._options.max_length - self._options.end_at_limit:
            self._finished.append(_Finished(0.0, node, truncated=True))
            return None
        self._constrain()
        return self._stay

    def _best(
        self,
        ids: Sequence[Sequence[int]],
        logprobs: Sequence[Sequence[float]],
    ) -> list[_Continuation]:
        """The 2n best continuations of all rows, best first."""
        count, found = self.candidates, list[_Continuation]()
        for row, score in enumerate(self._scores):
            if score > _DYING:
                weighed = self._rules[row].weigh(ids[row][:count], logprobs[row][:count])
                found += [(score + weight, row, piece, own) for weight, piece, own in weighed]
        found.sort(key=_SCORE, reverse=True)
        return found[: 2 * self._beams]

    def _divide(
        self, best: Sequence[_Continuation], alignment: Floats | None
    ) -> list[_Continuation]:
        """Keeps what is finished; returns what goes on: n rows, or none at the limit."""
        full, eos = self._length >= self._options.max_length, self._special.eos
        running, ended = [], []
        for place, each in enumerate(best):
            if not (full or each[2] == eos):
                running.append(each)
            elif place < self._beams:
                ended.append(each)
        if ended:
            self._finish(ended, alignment)
        del running[self._beams :]
        if running:  # a vocabulary with too few pieces, or too many bans: rows that say nothing new
            spare = (_DEAD, *running[0][1:])
            running += [spare] * (self._beams - len(running))
        return running

    def _finish(self, ended: Sequence[_Continuation], alignment: Floats | None) -> None:
        norm, eos = self._norm(self._length), self._special.eos
        self._keep(
            _Finished(score / norm, self._node(row, piece, logprob, alignment), piece != eos)
            for score, row, piece, logprob in ended
        )

    def _keep(self, finished: Iterable[_Finished]) -> None:
        """The best n of these and those that are there."""
        self._finished += finished
        self._finished.sort(key=lambda each: each.score, reverse=True)
        del self._finished[self._beams :]

    def _end_all(self) -> None:
        """Every row ends at the limit, one step on, which needs no engine."""
        norm = self._norm(self._options.max_length)
        self._keep(
            _Finished(score / norm, node, truncated=True)
            for score, node in zip(self._scores, self._nodes, strict=True)
            if score > _DYING
        )

    def _is_over(self, best_running: float) -> bool:
        """Whether running hypotheses, whose best has this score, are not worth more steps."""
        if len(self._finished) < self._beams:
            return False
        stopping = self._options.early_stopping
        if stopping is EarlyStopping.AT_ONCE:
            return True
        to_the_limit = stopping is EarlyStopping.NEVER_EARLY and self._options.length_penalty > 0
        length = self._options.max_length if to_the_limit else self._length
        return best_running / self._norm(length) <= self._finished[-1].score

    def _go_on(self, running: Sequence[_Continuation], alignment: Floats | None) -> None:
        self._nodes = [
            self._node(row, piece, logprob, alignment) for _, row, piece, logprob in running
        ]
        self._scores = [score for score, _, _, _ in running]
        self._last = [piece for _, _, piece, _ in running]
        self._constrain()

    def _constrain(self) -> None:
        """What holds for the next piece of each row, and how many candidates that needs."""
        if self._length < len(self._given):
            self.candidates = 1
            return
        constraints = self._constraints
        if constraints.look_back:
            start = self._special.decoder_start
            self._rules: list[Constraint] = [
                constraints.after_history([start, *(each.piece for each in _trace(node))])
                for node in self._nodes
            ]
        else:
            self._rules = [constraints.after(self._length)] * self._beams
        self.candidates = 2 * self._beams + max(rule.reach for rule in self._rules)

    def _node(self, row: int, piece: int, logprob: float, alignment: Floats | None) -> _Node:
        share = share_of(alignment, row, self._source_length)
        return _Node(self._nodes[row], piece, logprob, share)

    def _norm(self, length: int) -> float:
        """What log-probabilities of so many pieces are divided by."""
        return float((length - self._options.unscored) ** self._options.length_penalty)

    def _report(self, finished: _Finished) -> Found:
        nodes = _trace(finished.last)
        said = nodes if finished.truncated else nodes[:-1]
        shares = [node.share for node in said]
        asked = self._options.alignment
        return Found(
            ids=tuple(node.piece for node in said),
            logprobs=tuple(node.logprob for node in nodes),
            score=finished.score,
            truncated=finished.truncated,
            alignment=alignment_of(shares, self._source_length) if asked else None,
        )


def _trace(last: _Node | None) -> list[_Node]:
    """All nodes of a hypothesis, from its first piece."""
    nodes = []
    while last is not None:
        nodes.append(last)
        last = last.before
    nodes.reverse()
    return nodes
