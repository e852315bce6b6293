"""`python -m lingraft.server.app.worker DESCRIPTOR`: the process of one model.

The server starts it and speaks to it over the socket at the descriptor (`workers.messages`); people
never do. Once it has loaded, it ends when the server says so or is gone, and pays no heed to
signals that a service manager sends to both.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import sys
from typing import Any

from lingraft.server import logs
from lingraft.server.app.batches import document_batch, translation_batch
from lingraft.server.app.collecting import collect_less
from lingraft.server.app.engines import classification_engine, operators, translation_engine
from lingraft.server.batching import Batch, WorkQueue
from lingraft.server.bundle import Task, read_bundle
from lingraft.server.engines import choose_graphs
from lingraft.server.errors import StartError
from lingraft.server.metrics import Metrics
from lingraft.server.workers import Failed, Ready, Setup, attend, hear, say

_log = logging.getLogger(__name__)


def main() -> int:
    """Serves one model. 0: told to stop, or the server is gone; 1: not loaded, or failed."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as end:
        try:
            setup: Setup = hear(end)
        except (EOFError, ConnectionError):
            return 0
        logs.configure(setup.config.log_level, setup.config.log_format)
        try:
            _serve(end, setup)
        except ConnectionError:
            return 0  # the server is gone
        except StartError as error:
            with contextlib.suppress(ConnectionError):
                say(end, Failed(error))
            return 1
        except Exception:  # noqa: BLE001 -- whatever ends this process, the log says it
            _log.exception("the process of %s failed", setup.folder)
            return 1
    return 0


def _serve(end: socket.socket, setup: Setup) -> None:
    metrics = Metrics()
    queue, batch, ready = _load(setup, metrics)
    collect_less()
    say(end, ready)
    attend(end, queue, batch, metrics)


def _load(setup: Setup, metrics: Metrics) -> tuple[WorkQueue[Any, Any], Batch, Ready]:
    """The model's queue and batch, and what the server is told. Raises StartError."""
    config = setup.config
    bundle = read_bundle(setup.folder)
    graphs = choose_graphs(bundle, config.precision, config.provider)
    if bundle.task is Task.TRANSLATION:
        engine = translation_engine(bundle, graphs, config)
        ready = Ready(operators(engine), engine.footprint)
        return *translation_batch(bundle, engine, config, metrics), ready
    reader = classification_engine(bundle, graphs, config)
    return *document_batch(reader, config, metrics), Ready(operators(reader))


if __name__ == "__main__":
    sys.exit(main())
