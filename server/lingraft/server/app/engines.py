"""The engine around a bundle's graphs, on the device of the settings."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

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
_PASSED_OVER = (
    "bundle %s runs on standard operators, slower, for its own ones are of another release than "
    "this server's: export it anew, or install the server anew; %s"
)
_EngineT = TypeVar("_EngineT")
_log = logging.getLogger(__name__)


def translation_engine(bundle: Bundle, graphs: Graphs, config: ServerConfig) -> OnnxTranslator:
    """An engine of its own for one thread. Raises BundleError and ProviderError."""

    def make(encoder_path: Path, decoder_path: Path) -> OnnxTranslator:
        encoder, decoder = (_session(path, config) for path in (encoder_path, decoder_path))
        sessions = TranslationGraphs(encoder, decoder, encoder_path, decoder_path)
        memory = HostMemory() if config.provider == "cpu" else DeviceMemory(config.provider)
        return OnnxTranslator(sessions, bundle.dimensions, bundle.special.pad, memory)

    return _made(make, bundle, (graphs.encoder, graphs.decoder_step), config)


def classification_engine(bundle: Bundle, graphs: Graphs, config: ServerConfig) -> OnnxClassifier:
    """An engine of its own for one thread. Raises BundleError and ProviderError."""

    def make(path: Path) -> OnnxClassifier:
        return OnnxClassifier(_session(path, config), path, bundle.special.pad)

    return _made(make, bundle, (graphs.classifier,), config)


def operators(engine: OnnxTranslator | OnnxClassifier) -> str:
    """What computes: the instructions of the server's own operators, or "standard"."""
    return kernels.instruction_set() if engine.path.name.endswith(_TWIN) else "standard"


def _made(
    make: Callable[..., _EngineT],
    bundle: Bundle,
    paths: Sequence[Path | None],
    config: ServerConfig,
) -> _EngineT:
    """An engine of graphs that belong together, or of their twins for the server's own operators.

    Twins where there are some and they can run, all or none of them: they share caches that the
    standard graphs do not know. An operator may change from one release to the next, so twins of
    which no engine can be made are passed over with a warning.
    """
    standard = [path for path in paths if path is not None]
    if len(standard) < len(paths):  # the reader of the bundle has made sure of it
        raise BundleError("a graph of the bundle's task is missing")
    twins = [path.with_suffix(_TWIN) for path in standard]
    own = config.provider == "cpu" and config.kernels == "auto" and kernels.library() is not None
    if own and all(twin in bundle.files for twin in twins):
        try:
            return make(*twins)
        except BundleError as error:
            _log.warning(_PASSED_OVER, bundle.name, error)
    return make(*standard)


def _session(path: Path, config: ServerConfig) -> Any:
    return open_session(path, config.provider, config.threads)
