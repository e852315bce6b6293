"""The engine around a bundle's graphs, on the device of the settings."""

from __future__ import annotations

from pathlib import Path

from lingraft.server.bundle import Bundle, Graphs
from lingraft.server.config import ServerConfig
from lingraft.server.engines import (
    DeviceMemory,
    HostMemory,
    OnnxClassifier,
    OnnxTranslator,
    TranslationGraphs,
    kernels,
    open_session,
)
from lingraft.server.errors import BundleError


def translation_engine(bundle: Bundle, graphs: Graphs, config: ServerConfig) -> OnnxTranslator:
    """An engine of its own for one thread. Raises BundleError and ProviderError."""
    encoder = _runnable(bundle, graphs.encoder, config)
    decoder = _runnable(bundle, graphs.decoder_step, config)
    sessions = TranslationGraphs(
        open_session(encoder, config.provider, config.threads),
        open_session(decoder, config.provider, config.threads),
        encoder,
        decoder,
    )
    memory = HostMemory() if config.provider == "cpu" else DeviceMemory(config.provider)
    return OnnxTranslator(sessions, bundle.dimensions, bundle.special.pad, memory)


def classification_engine(bundle: Bundle, graphs: Graphs, config: ServerConfig) -> OnnxClassifier:
    """An engine of its own for one thread. Raises BundleError and ProviderError."""
    path = _runnable(bundle, graphs.classifier, config)
    session = open_session(path, config.provider, config.threads)
    return OnnxClassifier(session, path, bundle.special.pad)


def operators(bundle: Bundle, graphs: Graphs, config: ServerConfig) -> str:
    """What computes the graphs: the instructions of the server's own operators, or "standard"."""
    path = graphs.decoder_step or graphs.classifier
    own = path is not None and _runnable(bundle, path, config) != path
    return kernels.instruction_set() if own else "standard"


def _runnable(bundle: Bundle, path: Path | None, config: ServerConfig) -> Path:
    """A graph, or its twin for the server's own operators where there is one and it can run."""
    if path is None:  # the reader of the bundle has made sure of it
        raise BundleError("a graph of the bundle's task is missing")
    twin = path.with_suffix(".native.onnx")
    own = config.provider == "cpu" and config.kernels == "auto" and kernels.library() is not None
    return twin if own and twin in bundle.files else path
