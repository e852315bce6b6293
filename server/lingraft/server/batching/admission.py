"""Who joins a translation batch next.

Interactive work has a reserve of rows and positions (`Capacity.reserve`) that bulk work never
takes. So interactive work that fits into the reserve joins at the next step, however much bulk work
runs or waits, and nothing that runs has to be stopped for it. Beyond the reserve it goes before
bulk work too, except that of `BULK_SHARE` admissions one is bulk work's, so that this never
starves.

Within a lane, sentences about as long as those that run go first (`Lane.offers`), and the oldest is
overtaken a bounded number of times.
"""

from __future__ import annotations

from collections.abc import Sequence

from lingraft.server.batching.capacity import Capacity, shape_of, shape_of_all
from lingraft.server.batching.lanes import Lane
from lingraft.server.batching.work import Decoded, Source, SourceEntry

BULK_SHARE = 8
"""While bulk work waits, at most BULK_SHARE - 1 interactive sentences join between two of bulk."""

_Lane = Lane[Source, Decoded]


class Turns:
    """Counts whose turn it is; outlives the steps."""

    def __init__(self) -> None:
        self._interactive = 0

    @property
    def is_bulk_due(self) -> bool:
        """Whether bulk work has waited through its share of interactive admissions."""
        return self._interactive >= BULK_SHARE - 1

    def count(self, bulk: bool, bulk_waits: bool) -> None:
        """Told of every admission, and whether any bulk work still waits."""
        self._interactive = 0 if bulk or not bulk_waits else self._interactive + 1


class Admission:
    """Chooses the newcomers between two steps; made anew each time.

    `running` are the sentences in the batch. `tokens` source pieces may be encoded now, and
    `bulk_tokens` by the time that a piece of bulk work is chosen; the first newcomer may always
    come, as a longer one could never join otherwise.
    """

    def __init__(
        self,
        capacity: Capacity,
        turns: Turns,
        running: Sequence[SourceEntry],
        tokens: float,
        bulk_tokens: float,
    ) -> None:
        self._capacity, self._turns = capacity, turns
        self._bulk = shape_of_all(entry.work for entry in running if entry.bulk)
        self._interactive = shape_of_all(entry.work for entry in running if not entry.bulk)
        self._longest = max((entry.work for entry in running), key=_length, default=None)
        self._tokens, self._bulk_tokens = tokens, bulk_tokens
        self._newcomers = 0
        self._bulk_waits = False

    def choose(self, interactive: _Lane, bulk: _Lane) -> SourceEntry | None:
        """The next to join; None when nobody else is to join now."""
        if self._bulk.rows + self._interactive.rows >= self._capacity.max_rows:
            return None
        self._bulk_waits = len(bulk) > 0
        entry = self._next(interactive, bulk)
        return entry if entry is not None and self._has_time(entry) else None

    def admit(self, entry: SourceEntry) -> None:
        """Counts a newcomer."""
        if entry.bulk:
            self._bulk = self._bulk.joined(shape_of(entry.work))
        else:
            self._interactive = self._interactive.joined(shape_of(entry.work))
        self._turns.count(entry.bulk, self._bulk_waits)
        self._longest = max(self._longest or entry.work, entry.work, key=_length)
        self._tokens -= entry.work.tokens
        self._bulk_tokens -= entry.work.tokens
        self._newcomers += 1

    def _next(self, interactive: _Lane, bulk: _Lane) -> SourceEntry | None:
        oldest = bulk.oldest() if self._turns.is_bulk_due else None
        if oldest is not None and self._holds_bulk(oldest.work):
            return oldest
        for entry in interactive.offers(self._longest):
            if self._holds_interactive(entry.work, only_reserve=oldest is not None):
                return entry
        if interactive or oldest is not None:
            return None  # who waits for room gets it sooner if nobody of bulk takes it
        offers = bulk.offers(self._longest)
        return next((entry for entry in offers if self._holds_bulk(entry.work)), None)

    def _holds_bulk(self, source: Source) -> bool:
        return self._capacity.holds_beside(self._bulk.joined(shape_of(source)), self._interactive)

    def _holds_interactive(self, source: Source, only_reserve: bool) -> bool:
        shape = shape_of(source)
        after = self._interactive.joined(shape)
        if only_reserve and not after.within(self._capacity.reserve):
            return False
        batch = self._bulk.joined(after)
        return self._capacity.holds(batch) or (batch == shape and self._capacity.is_possible(shape))

    def _has_time(self, entry: SourceEntry) -> bool:
        left = self._bulk_tokens if entry.bulk else self._tokens
        return self._newcomers == 0 or entry.work.tokens <= left


def _length(source: Source) -> int:
    return source.tokens
