"""The server's life: bind, start, serve, drain, stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import time
from functools import partial

from grpc import aio

from lingraft.server import logs
from lingraft.server.app.collecting import collect_less
from lingraft.server.app.launching import launch_models
from lingraft.server.app.loading import load_models
from lingraft.server.config import ServerConfig
from lingraft.server.errors import BindError
from lingraft.server.interceptors import CallBorder
from lingraft.server.metrics import Metrics
from lingraft.server.services import (
    ClassificationService,
    Edge,
    ModelService,
    Registry,
    TranslationService,
)
from lingraft.server.standard import WHOLE_SERVER, Health, add_reflection
from lingraft.v1 import (
    classification_pb2,
    classification_pb2_grpc,
    models_pb2,
    models_pb2_grpc,
    translation_pb2,
    translation_pb2_grpc,
)

SERVICES: tuple[str, ...] = tuple(
    service.full_name
    for file in (translation_pb2, classification_pb2, models_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
)
# Clients that keep a channel alive ping every 10 to 30 s; gRPC's default would cut them off.
_LEAST_PING_MS = 10_000
# What callers get to read their errors when the grace is over; less when all have.
_LAST_WORDS_S = 2.0
_log = logging.getLogger(__name__)


class LingraftServer:
    """All services over a registry of models. Made and used inside one event loop."""

    def __init__(self, config: ServerConfig, registry: Registry, metrics: Metrics) -> None:
        self._config, self._registry, self._metrics = config, registry, metrics
        self._border = CallBorder(config.default_deadline_s, metrics)
        names = [model.short_name for model in registry.newest()]
        self._health = Health((*SERVICES, *names))
        self._server = aio.server(interceptors=[self._border], options=_options(config))
        self._add_services()

    async def start(self) -> int:
        """Binds, starts the models, and says SERVING. Returns the port.

        Raises BindError.
        """
        port = self._bind()
        loop = asyncio.get_running_loop()
        await self._health.all_serving()  # before a model can say that it is not
        for model in self._registry.all():
            model.scheduler.start(partial(self._model_died, loop, model.short_name))
        await self._server.start()
        return port

    async def stop(self) -> None:
        """Says NOT_SERVING, refuses new calls, lets running ones finish within the grace, ends."""
        await self._health.shutting_down()
        if not await self._border.drain(self._config.grace_s):
            _log.warning("calls still ran when the grace was over; they get SHUTTING_DOWN")
        for model in self._registry.all():
            await asyncio.to_thread(model.scheduler.stop)
        await self._close()
        for line in self._metrics.lines():
            _log.info("%s", line)

    async def _close(self) -> None:
        """Ends gRPC with a reason for everybody.

        A call that gRPC has taken in and not handed over when it stops is CANCELLED without one. So
        refused callers are held until nobody is left there, and answered once none can come back.
        """
        await self._border.hold_refusals(_LAST_WORDS_S)
        stopping = asyncio.create_task(self._server.stop(_LAST_WORDS_S))
        await asyncio.sleep(0)  # now gRPC takes no new calls
        self._border.release_refusals()
        await stopping

    def _bind(self) -> int:
        address = f"{_bracketed(self._config.host)}:{self._config.port}"
        _probe(self._config.host, self._config.port)
        try:
            return self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise BindError(f"cannot listen on {address}: {error}") from error

    def _add_services(self) -> None:
        config = self._config
        edge = Edge(
            max_texts=config.max_texts,
            max_sentences=config.max_sentences,
            max_text_characters=config.max_text_characters,
            default_deadline_s=config.default_deadline_s,
            clock=time.monotonic,
        )
        translation_pb2_grpc.add_TranslationServiceServicer_to_server(
            TranslationService(self._registry, edge), self._server
        )
        classification_pb2_grpc.add_ClassificationServiceServicer_to_server(
            ClassificationService(self._registry, edge), self._server
        )
        models_pb2_grpc.add_ModelServiceServicer_to_server(
            ModelService(self._registry), self._server
        )
        self._health.add_to(self._server)
        add_reflection(self._server, SERVICES)

    def _model_died(self, loop: asyncio.AbstractEventLoop, name: str) -> None:
        """Called in the thread that saw it: its callers were told; now everybody is."""
        down = self._health.not_serving(name, WHOLE_SERVER)
        asyncio.run_coroutine_threadsafe(down, loop)


def serve(config: ServerConfig) -> None:
    """Loads the models and serves until SIGTERM or SIGINT. Raises StartError."""
    metrics = Metrics()
    load = launch_models if config.isolation == "process" else load_models
    models = load(config, metrics)
    try:
        registry = Registry(models)
        collect_less()
        asyncio.run(_until_told(config, registry, metrics))
    finally:
        for model in models:
            model.scheduler.stop()


async def _until_told(config: ServerConfig, registry: Registry, metrics: Metrics) -> None:
    server = LingraftServer(config, registry, metrics)
    port = await server.start()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    print(f"lingraft-server listening on {_bracketed(config.host)}:{port}", flush=True)
    await stop.wait()
    _log.info("stopping", extra=logs.fields(grace_s=config.grace_s))
    await server.stop()


def _options(config: ServerConfig) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", config.max_message_bytes),
        ("grpc.max_send_message_length", config.max_message_bytes),
        # Two servers on one port would share its calls by chance; the second must fail.
        ("grpc.so_reuseport", 0),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", _LEAST_PING_MS),
        ("grpc.keepalive_permit_without_calls", 1),
    ]


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _probe(host: str, port: int) -> None:
    """Binds once by hand: the operating system says why an address is no good, gRPC does not."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with contextlib.closing(socket.socket(family, kind)) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
            trial.listen(1)
    except OSError as error:
        reason = error.strerror or str(error)
        raise BindError(f"cannot listen on {_bracketed(host)}:{port}: {reason}") from error
