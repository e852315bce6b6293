"""A bundle's folder into a model that can be asked: graphs, engine, queue, batch, scheduler."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from google.protobuf import json_format

from lingraft.server import logs
from lingraft.server.batching import (
    ContinuousBatch,
    DecodingRules,
    Document,
    Hypothesis,
    LengthBuckets,
    Scheduler,
    Scores,
    Source,
    WorkQueue,
)
from lingraft.server.bundle import Bundle, Graphs, Precision, Task, read_bundle
from lingraft.server.config import ServerConfig
from lingraft.server.engines import (
    ClassificationEngine,
    OnnxClassifier,
    OnnxTranslator,
    TranslationEngine,
    open_session,
)
from lingraft.server.errors import BundleError
from lingraft.server.metrics import Metrics
from lingraft.server.services import Classifier, ServedModel, Translator
from lingraft.server.text import TextCodec
from lingraft.v1 import bundle_pb2

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
    graphs = choose_graphs(bundle, config.precision)
    ceiling = 0
    model: ServedModel
    if bundle.task is Task.TRANSLATION:
        engine = _translation_engine(bundle, graphs, config)
        ceiling = engine.ceiling_bytes
        model = translator(bundle, graphs.precision, engine, config, metrics)
    else:
        reader = _classification_engine(bundle, graphs, config)
        model = classifier(bundle, graphs.precision, reader, config, metrics)
    extra = logs.fields(
        model=model.name,
        precision=graphs.precision.value,
        provider=config.provider,
        cache_ceiling_mib=round(ceiling / 2**20, 1),
        seconds=round(time.monotonic() - began, 3),
    )
    _log.info("model loaded", extra=extra)
    return model


def choose_graphs(bundle: Bundle, wanted: str) -> Graphs:
    """The graphs of a precision; "default" is the bundle's first. Raises BundleError."""
    for graphs in bundle.graphs:
        if wanted in ("default", graphs.precision.value):
            return graphs
    there = ", ".join(graphs.precision.value for graphs in bundle.graphs)
    raise BundleError(f"bundle {bundle.folder} has no {wanted} graphs; it has {there}")


def translator(
    bundle: Bundle,
    precision: Precision,
    engine: TranslationEngine,
    config: ServerConfig,
    metrics: Metrics,
) -> Translator:
    """A translation model around an engine."""
    if bundle.decoding.beam_size > 1:
        extra = logs.fields(model=bundle.name, beam_size=bundle.decoding.beam_size)
        _log.warning("the bundle asks for beam search; this version decodes greedily", extra=extra)
    rules = DecodingRules(
        start=bundle.special.decoder_start,
        eos=bundle.special.eos,
        forbidden=_forbidden(bundle),
        max_rows=config.max_rows,
        max_tokens=config.max_batch_tokens,
    )
    queue: WorkQueue[Source, Hypothesis] = _queue(config, metrics)
    batch = ContinuousBatch(engine, queue, rules, metrics)
    scheduler = Scheduler(bundle.name, queue, batch, time.monotonic)
    return Translator(**_common(bundle, precision), scheduler=scheduler)


def classifier(
    bundle: Bundle,
    precision: Precision,
    engine: ClassificationEngine,
    config: ServerConfig,
    metrics: Metrics,
) -> Classifier:
    """A classification model around an engine."""
    queue: WorkQueue[Document, Scores] = _queue(config, metrics)
    batch = LengthBuckets(engine, queue, config.max_rows, config.max_batch_tokens, metrics)
    scheduler = Scheduler(bundle.name, queue, batch, time.monotonic)
    return Classifier(**_common(bundle, precision), scheduler=scheduler)


def _common(bundle: Bundle, precision: Precision) -> dict[str, Any]:
    return {
        "bundle": bundle,
        "manifest": json_format.Parse(
            bundle.manifest, bundle_pb2.Bundle(), ignore_unknown_fields=True
        ),
        "precision": precision,
        "loaded": datetime.now(UTC),
        "codec": TextCodec(bundle),
    }


def _queue(config: ServerConfig, metrics: Metrics) -> WorkQueue[Any, Any]:
    return WorkQueue(config.max_queued_rows, config.retry_after_s, metrics)


def _forbidden(bundle: Bundle) -> tuple[int, ...]:
    """Ids that are never produced (bundle.proto, SpecialIds)."""
    return (bundle.special.pad,)


def _translation_engine(bundle: Bundle, graphs: Graphs, config: ServerConfig) -> OnnxTranslator:
    encoder, decoder = _path(graphs.encoder), _path(graphs.decoder_step)
    return OnnxTranslator(
        open_session(encoder, config.provider, config.threads),
        open_session(decoder, config.provider, config.threads),
        (encoder, decoder),
        bundle.dimensions,
        bundle.limits,
        bundle.special.pad,
        max_rows=config.max_rows,
        candidates=len(_forbidden(bundle)) + 1,
    )


def _classification_engine(bundle: Bundle, graphs: Graphs, config: ServerConfig) -> OnnxClassifier:
    path = _path(graphs.classifier)
    session = open_session(path, config.provider, config.threads)
    return OnnxClassifier(session, path, bundle.special.pad)


def _path(path: Path | None) -> Path:
    """A graph that the reader of the bundle has made sure of."""
    if path is None:
        raise BundleError("a graph of the bundle's task is missing")
    return path
