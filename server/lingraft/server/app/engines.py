"""The engine around a bundle's graphs, on the device of the settings."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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

_TWIN = ".native.onnx"
_log = logging.getLogger(__name__)


def translation_engine(bundle: Bundle, graphs: Graphs, config: ServerConfig) -> OnnxTranslator:
    """An engine of its own for one thread. Raises BundleError and ProviderError."""
    opened = _open(bundle, (graphs.encoder, graphs.decoder_step), config)
    (encoder, encoder_path), (decoder, decoder_path) = opened
    sessions = TranslationGraphs(encoder, decoder, encoder_path, decoder_path)
    memory = HostMemory() if config.provider == "cpu" else DeviceMemory(config.provider)
    return OnnxTranslator(sessions, bundle.dimensions, bundle.special.pad, memory)


def classification_engine(bundle: Bundle, graphs: Graphs, config: ServerConfig) -> OnnxClassifier:
    """An engine of its own for one thread. Raises BundleError and ProviderError."""
    ((session, path),) = _open(bundle, (graphs.classifier,), config)
    return OnnxClassifier(session, path, bundle.special.pad)


def operators(engine: OnnxTranslator | OnnxClassifier) -> str:
    """What computes: the instructions of the server's own operators, or "standard"."""
    return kernels.instruction_set() if engine.path.name.endswith(_TWIN) else "standard"


def _open(
    bundle: Bundle, paths: Sequence[Path | None], config: ServerConfig
) -> list[tuple[Any, Path]]:
    """Sessions of graphs that belong together, or of their twins for the server's own operators.

    Twins where there are some and they can run, all or none of them: they share caches that the
    standard graphs do not know. An operator may change from one release to the next, so a twin that
    does not open is passed over with a warning.
    """
    standard = [path for path in paths if path is not None]
    if len(standard) < len(paths):  # the reader of the bundle has made sure of it
        raise BundleError("a graph of the bundle's task is missing")
    twins = [path.with_suffix(_TWIN) for path in standard]
    own = config.provider == "cpu" and config.kernels == "auto" and kernels.library() is not None
    if own and all(twin in bundle.files for twin in twins):
        try:
            return _sessions(twins, config)
        except BundleError as error:
            message = "bundle %s runs on standard operators, slower: export it anew; %s"
            _log.warning(message, bundle.name, error)
    return _sessions(standard, config)


def _sessions(paths: Sequence[Path], config: ServerConfig) -> list[tuple[Any, Path]]:
    return [(open_session(path, config.provider, config.threads), path) for path in paths]
