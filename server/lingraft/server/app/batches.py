"""The queue and the batch around an engine, as the settings want them."""

from __future__ import annotations

import time
from collections.abc import Callable

from lingraft.server.batching import (
    Capacity,
    ContinuousBatch,
    Decoded,
    Document,
    LengthBuckets,
    Scores,
    Source,
    WorkQueue,
    document_bucket,
)
from lingraft.server.bundle import Bundle
from lingraft.server.config import ServerConfig
from lingraft.server.engines import ClassificationEngine, TranslationEngine
from lingraft.server.metrics import Metrics

_MIB = 2**20


def capacity(
    bundle: Bundle, footprint: Callable[[int, int, int], int], config: ServerConfig
) -> Capacity:
    """What a batch of a translation model may take, `footprint` being its engine's."""
    return Capacity(
        config.max_rows,
        config.max_batch_tokens,
        config.max_cache_mib * _MIB,
        footprint,
        config.retry_after_s,
        bundle.limits,
    )


def translation_batch(
    bundle: Bundle, engine: TranslationEngine, config: ServerConfig, metrics: Metrics
) -> tuple[WorkQueue[Source, Decoded], ContinuousBatch]:
    """Of a model that translates."""
    queue: WorkQueue[Source, Decoded] = WorkQueue(
        config.max_queued_rows, config.retry_after_s, metrics
    )
    room, encode_s = capacity(bundle, engine.footprint, config), config.encode_ms / 1_000
    return queue, ContinuousBatch(engine, queue, room, metrics, time.monotonic, encode_s)


def document_batch(
    engine: ClassificationEngine, config: ServerConfig, metrics: Metrics
) -> tuple[WorkQueue[Document, Scores], LengthBuckets]:
    """Of a model that classifies."""
    queue: WorkQueue[Document, Scores] = WorkQueue(
        config.max_queued_rows, config.retry_after_s, metrics, document_bucket
    )
    return queue, LengthBuckets(engine, queue, config.max_rows, config.classify_tokens, metrics)
