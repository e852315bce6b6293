"""A bundle's folder into a model that can be asked, in a thread of this process."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from google.protobuf import json_format

from lingraft.server import logs
from lingraft.server.app.batches import capacity, document_batch, translation_batch
from lingraft.server.app.engines import classification_engine, operators, translation_engine
from lingraft.server.batching import Document, Scheduler, Scores, ThreadScheduler
from lingraft.server.bundle import Bundle, Precision, Task, read_bundle
from lingraft.server.config import ServerConfig
from lingraft.server.engines import ClassificationEngine, TranslationEngine, choose_graphs
from lingraft.server.errors import BundleError
from lingraft.server.metrics import Metrics
from lingraft.server.services import Classifier, Identifier, ServedModel, Translator
from lingraft.server.text import IdentificationCodec, TextCodec
from lingraft.v1 import bundle_pb2

_ItemT = TypeVar("_ItemT")
_DoneT = TypeVar("_DoneT")
_log = logging.getLogger(__name__)


def load_models(config: ServerConfig, metrics: Metrics) -> list[ServedModel]:
    """Every bundle of the settings, loaded. Raises StartError; a BundleError names all bad ones."""
    return for_each(config.bundles, lambda folder: load_model(folder, config, metrics))


def for_each(items: Sequence[_ItemT], do: Callable[[_ItemT], _DoneT]) -> list[_DoneT]:
    """What is made of each. Raises StartError; of several BundleErrors one that names them all."""
    done: list[_DoneT] = []
    faults: list[str] = []
    for item in items:
        try:
            done.append(do(item))
        except BundleError as error:
            faults.append(error.message)
    if faults:
        raise BundleError("\n".join(faults))
    return done


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
    log_loaded(model, computed, began)
    return model


def log_loaded(model: ServedModel, computed: str, began: float) -> None:
    """What is loaded, and what computes it; `began` by `time.monotonic`."""
    extra = logs.fields(
        model=model.name,
        precision=model.precision.value,
        provider=model.provider,
        operators=computed,
        seconds=round(time.monotonic() - began, 3),
    )
    _log.info("model loaded", extra=extra)


def translator(
    bundle: Bundle,
    precision: Precision,
    engine: TranslationEngine,
    config: ServerConfig,
    metrics: Metrics,
) -> Translator:
    """A translation model around an engine."""
    queue, batch = translation_batch(bundle, engine, config, metrics)
    screen = capacity(bundle, engine.footprint, config).screen
    scheduler = ThreadScheduler(bundle.name, queue, batch, time.monotonic, screen)
    common = described(bundle, precision, config.provider)
    return Translator(**common, codec=TextCodec(bundle), scheduler=scheduler)


def classifier(
    bundle: Bundle,
    precision: Precision,
    engine: ClassificationEngine,
    config: ServerConfig,
    metrics: Metrics,
) -> Classifier:
    """A classification model around an engine."""
    scheduler = _documents(bundle, engine, config, metrics)
    common = described(bundle, precision, config.provider)
    return Classifier(**common, codec=TextCodec(bundle), scheduler=scheduler)


def identifier(
    bundle: Bundle,
    precision: Precision,
    engine: ClassificationEngine,
    config: ServerConfig,
    metrics: Metrics,
) -> Identifier:
    """A model of language identification around an engine: a classifier of languages."""
    scheduler = _documents(bundle, engine, config, metrics)
    common = described(bundle, precision, config.provider)
    return Identifier(**common, codec=IdentificationCodec(bundle), scheduler=scheduler)


def described(bundle: Bundle, precision: Precision, provider: str) -> dict[str, Any]:
    """What every served model says of itself."""
    return {
        "bundle": bundle,
        "manifest": json_format.Parse(
            bundle.manifest, bundle_pb2.Bundle(), ignore_unknown_fields=True
        ),
        "precision": precision,
        "provider": provider,
        "loaded": datetime.now(UTC),
    }


def _documents(
    bundle: Bundle, engine: ClassificationEngine, config: ServerConfig, metrics: Metrics
) -> Scheduler[Document, Scores]:
    queue, batch = document_batch(engine, config, metrics)
    return ThreadScheduler(bundle.name, queue, batch, time.monotonic)
