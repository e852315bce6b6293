"""Batching: one queue and one thread for each model; texts of many callers share its steps."""

from lingraft.server.batching.answers import gathered
from lingraft.server.batching.capacity import Capacity
from lingraft.server.batching.continuous import ContinuousBatch
from lingraft.server.batching.dynamic import Document, LengthBuckets, Scores, document_bucket
from lingraft.server.batching.lanes import Entry
from lingraft.server.batching.queue import WorkQueue, queue_full
from lingraft.server.batching.scheduler import (
    Batch,
    Scheduler,
    Screen,
    ThreadScheduler,
    as_wanted,
)
from lingraft.server.batching.work import Decoded, Source

__all__ = [
    "Batch",
    "Capacity",
    "ContinuousBatch",
    "Decoded",
    "Document",
    "Entry",
    "LengthBuckets",
    "Scheduler",
    "Scores",
    "Screen",
    "Source",
    "ThreadScheduler",
    "WorkQueue",
    "as_wanted",
    "document_bucket",
    "gathered",
    "queue_full",
]
