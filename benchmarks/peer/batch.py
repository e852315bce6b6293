"""Dynamic batching over CTranslate2, in the place of continuous batching."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.layout import ct2_word, id_of
from lingraft.server.batching import Decoded, Source, WorkQueue
from lingraft.server.batching.lanes import Lane
from lingraft.server.batching.work import SourceEntry
from lingraft.server.errors import InternalError, ServerError
from lingraft.server.search import Found


class Ct2Batch:
    """A Batch: each tick translates those that wait, `most` of them at most.

    CTranslate2 sorts them by length, cuts them into batches of `size` and runs these one after the
    other; each is answered as soon as it is done. Greedy or beam search, nothing else.
    """

    def __init__(
        self,
        translator: Any,
        queue: WorkQueue[Source, Decoded],
        most: int,
        size: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._translator, self._queue = translator, queue
        self._most, self._size, self._clock = most, size, clock
        self._running: list[SourceEntry] = []

    def tick(self) -> bool:
        """Translates whoever waits. False when nobody did."""
        began = self._clock()
        self._running = []
        self._queue.pick(_Room(self._most), began, self._running)
        if not self._running:
            return False
        # CTranslate2 runs the longest first, so that their answers are ready in this order.
        self._running.sort(key=lambda entry: -len(entry.work.ids))
        for entry, result in zip(self._running, self._translate(), strict=True):
            now = self._clock()
            found = _found(result.result().hypotheses[0])
            answer = Decoded((found,), began - entry.arrived, now - began)
            self._queue.answer(entry, answer)
        self._running = []
        return True

    def abandon(self, error: ServerError) -> None:
        """Fails all that run."""
        for entry in self._running:
            self._queue.fail(entry, error)
        self._running = []

    def _translate(self) -> Sequence[Any]:
        works = [entry.work for entry in self._running]
        widths = {work.width for work in works}
        if len(widths) > 1:
            raise InternalError("CTranslate2 runs one beam size in a batch")
        results: Sequence[Any] = self._translator.translate_batch(
            [[ct2_word(each) for each in work.ids] for work in works],
            beam_size=widths.pop(),
            max_decoding_length=max(work.max_length for work in works),
            max_input_length=0,
            max_batch_size=self._size,
            asynchronous=True,
            return_end_token=True,
        )
        return results


class _Room:
    """Chooses the oldest, interactive ones first, until `most` are there."""

    def __init__(self, most: int) -> None:
        self._left = most

    def choose(
        self, interactive: Lane[Source, Decoded], bulk: Lane[Source, Decoded]
    ) -> SourceEntry | None:
        """The next."""
        return (interactive.oldest() or bulk.oldest()) if self._left else None

    def admit(self, entry: SourceEntry) -> None:
        """One more is there."""
        self._left -= 1


def _found(words: Sequence[str]) -> Found:
    """Scores are not asked for: nobody reads them in the comparison, and they cost time."""
    ids = tuple(map(id_of, words))
    ended = bool(ids) and ids[-1] == 0
    logprobs = (0.0,) * len(ids)
    return Found(ids[:-1] if ended else ids, logprobs, 0.0, truncated=not ended)
