"""Servers to call, over fake engines or the golden bundles, and errors to take apart."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from lingraft.server.app import LingraftServer, classifier, load_model, translator
from lingraft.server.bundle import Bundle, Precision
from lingraft.server.config import ServerConfig
from lingraft.server.metrics import Metrics
from lingraft.server.services import Registry, ServedModel
from lingraft.v1 import (
    classification_pb2_grpc,
    models_pb2_grpc,
    translation_pb2_grpc,
)

DETAILS = "grpc-status-details-bin"
PATIENCE_S = 20.0  # no test waits that long unless something hangs


@dataclasses.dataclass(frozen=True)
class Served:
    """A server that answers, and how to ask it."""

    address: str
    channel: grpc.Channel
    metrics: Metrics
    stop: Callable[[], None]

    @property
    def translation(self) -> Any:
        """Stub."""
        return translation_pb2_grpc.TranslationServiceStub(self.channel)

    @property
    def classification(self) -> Any:
        """Stub."""
        return classification_pb2_grpc.ClassificationServiceStub(self.channel)

    @property
    def models(self) -> Any:
        """Stub."""
        return models_pb2_grpc.ModelServiceStub(self.channel)


@contextmanager
def _running(models: Sequence[ServedModel], config: ServerConfig) -> Iterator[Served]:
    """A server in a thread with an event loop of its own."""
    metrics = Metrics()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="server-loop")
    thread.start()

    async def start() -> tuple[LingraftServer, int]:
        server = LingraftServer(config, Registry(models), metrics)
        return server, await server.start()

    server, port = asyncio.run_coroutine_threadsafe(start(), loop).result(PATIENCE_S)
    stopped: list[bool] = []

    def stop() -> None:
        if not stopped:
            stopped.append(True)
            asyncio.run_coroutine_threadsafe(server.stop(), loop).result(PATIENCE_S)

    address = f"{config.host}:{port}"
    with grpc.insecure_channel(address) as channel:
        yield Served(address, channel, metrics, stop)
    stop()
    loop.call_soon_threadsafe(loop.stop)
    thread.join(PATIENCE_S)
    loop.close()


@pytest.fixture
def served(settings: Callable[..., ServerConfig]) -> Iterator[Callable[..., Served]]:
    """Starts servers over models that are already made; they end with the test."""
    with ExitStack() as stack:

        def start(*models: ServedModel, **changes: Any) -> Served:
            return stack.enter_context(_running(models, settings(**changes)))

        yield start


@pytest.fixture
def echo_model(
    translation_bundle: Bundle,
    settings: Callable[..., ServerConfig],
    echo_engine: Callable[..., Any],
    gated_engine: Callable[..., Any],
) -> Callable[..., Any]:
    """A translator with the golden bundle's tokenizer and a fake engine. Returns both."""

    def make(
        gated: bool = False, bundle: Bundle = translation_bundle, **changes: Any
    ) -> tuple[ServedModel, Any]:
        start = bundle.special.decoder_start
        engine = gated_engine(start) if gated else echo_engine(start)
        model = translator(bundle, Precision.FP32, engine, settings(**changes), Metrics())
        return model, engine

    return make


@pytest.fixture
def length_model(
    classification_bundle: Bundle,
    settings: Callable[..., ServerConfig],
    length_engine: Callable[[], Any],
) -> Callable[..., Any]:
    """A classifier with the golden bundle's tokenizer and a fake engine. Returns both."""

    def make(bundle: Bundle = classification_bundle) -> tuple[ServedModel, Any]:
        engine = length_engine()
        return classifier(bundle, Precision.FP32, engine, settings(), Metrics()), engine

    return make


@pytest.fixture(scope="module")
def golden_server(golden: Path, settings: Callable[..., ServerConfig]) -> Iterator[Served]:
    """A server over both golden bundles, shared by the tests of a file."""
    config = settings(golden / "v1-translation", golden / "v1-classification")
    models = [load_model(folder, config, Metrics()) for folder in config.bundles]
    with _running(models, config) as server:
        yield server


@dataclasses.dataclass(frozen=True)
class Refusal:
    """A google.rpc.Status, unpacked."""

    code: int
    message: str
    reason: str
    metadata: Mapping[str, str]
    fields: Mapping[str, str]
    retry_s: float | None


def _unpack(status: status_pb2.Status) -> Refusal:
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    found = {kind.DESCRIPTOR.name: _fill(status.details, kind) for kind in (info, bad, retry)}
    assert found["ErrorInfo"], "every error has an ErrorInfo"
    assert info.domain == "lingraft"
    fields = {violation.field: violation.description for violation in bad.field_violations}
    seconds = retry.retry_delay.ToTimedelta().total_seconds() if found["RetryInfo"] else None
    return Refusal(status.code, status.message, info.reason, dict(info.metadata), fields, seconds)


def _fill(details: Sequence[any_pb2.Any], message: Any) -> bool:
    return any(detail.Unpack(message) for detail in details)


@pytest.fixture(scope="session")
def unpack() -> Callable[[Any], Refusal]:
    """Unpacks the status of a failed text."""
    return _unpack


@pytest.fixture(scope="session")
def refusal() -> Callable[..., Refusal]:
    """Calls what must be refused and unpacks the status of the call."""

    def call(method: Any, request: Any, **options: Any) -> Refusal:
        with pytest.raises(grpc.RpcError) as caught:
            list(method(request, timeout=PATIENCE_S, **options))  # a stream fails in here
        return read_error(caught.value)

    return call


def read_error(error: Any) -> Refusal:
    """The status in the trailing metadata of a failed call."""
    trailing = dict(error.trailing_metadata())
    status = status_pb2.Status.FromString(trailing[DETAILS])
    assert status.code == error.code().value[0]
    assert status.message == error.details()
    return _unpack(status)


@pytest.fixture(scope="session")
def call_error() -> Callable[[Any], Refusal]:
    """Unpacks the status of an RpcError."""
    return read_error
