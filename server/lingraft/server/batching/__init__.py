"""Batching: one queue and one thread for each model; texts of many callers share its steps."""

from lingraft.server.batching.continuous import ContinuousBatch, DecodingRules, Hypothesis, Source
from lingraft.server.batching.dynamic import Document, LengthBuckets, Scores
from lingraft.server.batching.queue import Entry, WorkQueue
from lingraft.server.batching.scheduler import Batch, Scheduler

__all__ = [
    "Batch",
    "ContinuousBatch",
    "DecodingRules",
    "Document",
    "Entry",
    "Hypothesis",
    "LengthBuckets",
    "Scheduler",
    "Scores",
    "Source",
    "WorkQueue",
]
