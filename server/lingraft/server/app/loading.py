"""A bundle's folder into a model that can be asked: graphs, engine, queue, batch, scheduler."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from google.protobuf import json_format

from lingraft.server import logs
from lingraft.server.app.engines import classification_engine, operators, translation_engine
from lingraft.server.batching import (
    Capacity,
    ContinuousBatch,
    Decoded,
    Document,
    LengthBuckets,
    Scheduler,
    Scores,
    Source,
    WorkQueue,
    document_bucket,
)
from lingraft.server.bundle import Bundle, Precision, Task, read_bundle
from lingraft.server.config import ServerConfig
from lingraft.server.engines import ClassificationEngine, TranslationEngine, choose_graphs
from lingraft.server.errors import BundleError
from lingraft.server.metrics import Metrics
from lingraft.server.services import Classifier, Identifier, ServedModel, Translator
from lingraft.server.text import IdentificationCodec, TextCodec
from lingraft.v1 import bundle_pb2

_MIB = 2**20
_log = logging.getLogger(__name__)


def load_models(config: ServerConfig, metrics: Metrics) -> list[ServedModel]:
    """Every bundle of the settings, loaded. Raises StartError; a BundleError names all bad ones."""
    models: list[ServedModel] = []
    faults: list[str] = []
    for folder in config.bundles:
        try:
            models.append(load_model(folder, config, metrics))
        except BundleError as error:
            faults.append(error.message)
    if faults:
        raise BundleError("\n".join(faults))
    return models


def load_model(folder: Path, config: ServerConfig, metrics: Metrics) -> ServedModel:
    """One bundle with its engine. Raises StartError."""
    began = time.monotonic()
    bundle = read_bundle(folder)
    graphs = choose_graphs(bundle, config.precision, config.provider)
    model: ServedModel
    if bundle.task is Task.TRANSLATION:
        engine = translation_engine(bundle, graphs, config)
        computed = operators(engine)
        model = translator(bundle, graphs.precision, engine, config, metrics)
    else:
        reader = classification_engine(bundle, graphs, config)
        computed = operators(reader)
        make = identifier if bundle.task is Task.LANGUAGE_IDENTIFICATION else classifier
        model = make(bundle, graphs.precision, reader, config, metrics)
    extra = logs.fields(
        model=model.name,
        precision=graphs.precision.value,
        provider=config.provider,
        operators=computed,
        seconds=round(time.monotonic() - began, 3),
    )
    _log.info("model loaded", extra=extra)
    return model


def translator(
    bundle: Bundle,
    precision: Precision,
    engine: TranslationEngine,
    config: ServerConfig,
    metrics: Metrics,
) -> Translator:
    """A translation model around an engine."""
    queue: WorkQueue[Source, Decoded] = _queue(config, metrics)
    capacity = Capacity(
        config.max_rows,
        config.max_batch_tokens,
        config.max_cache_mib * _MIB,
        engine.footprint,
        config.retry_after_s,
        bundle.limits,
    )
    encode_s = config.encode_ms / 1_000
    batch = ContinuousBatch(engine, queue, capacity, metrics, time.monotonic, encode_s)
    scheduler = Scheduler(bundle.name, queue, batch, time.monotonic, capacity.screen)
    common = _common(bundle, precision, config.provider)
    return Translator(**common, codec=TextCodec(bundle), scheduler=scheduler)


def classifier(
    bundle: Bundle,
    precision: Precision,
    engine: ClassificationEngine,
    config: ServerConfig,
    metrics: Metrics,
) -> Classifier:
    """A classification model around an engine."""
    scheduler = _document_scheduler(bundle, engine, config, metrics)
    common = _common(bundle, precision, config.provider)
    return Classifier(**common, codec=TextCodec(bundle), scheduler=scheduler)


def identifier(
    bundle: Bundle,
    precision: Precision,
    engine: ClassificationEngine,
    config: ServerConfig,
    metrics: Metrics,
) -> Identifier:
    """A model of language identification around an engine: a classifier of languages."""
    scheduler = _document_scheduler(bundle, engine, config, metrics)
    common = _common(bundle, precision, config.provider)
    return Identifier(**common, codec=IdentificationCodec(bundle), scheduler=scheduler)


def _document_scheduler(
    bundle: Bundle, engine: ClassificationEngine, config: ServerConfig, metrics: Metrics
) -> Scheduler[Document, Scores]:
    queue: WorkQueue[Document, Scores] = WorkQueue(
        config.max_queued_rows, config.retry_after_s, metrics, document_bucket
    )
    batch = LengthBuckets(engine, queue, config.max_rows, config.classify_tokens, metrics)
    return Scheduler(bundle.name, queue, batch, time.monotonic)


def _common(bundle: Bundle, precision: Precision, provider: str) -> dict[str, Any]:
    return {
        "bundle": bundle,
        "manifest": json_format.Parse(
            bundle.manifest, bundle_pb2.Bundle(), ignore_unknown_fields=True
        ),
        "precision": precision,
        "provider": provider,
        "loaded": datetime.now(UTC),
    }


def _queue(config: ServerConfig, metrics: Metrics) -> WorkQueue[Any, Any]:
    return WorkQueue(config.max_queued_rows, config.retry_after_s, metrics)
