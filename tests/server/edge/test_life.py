"""A server's life under load: deadlines, cancellation, full queues, drain, health, reflection."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from lingraft.server.app import SERVICES
from lingraft.server.metrics import CALLS
from lingraft.v1 import classification_pb2, models_pb2, translation_pb2

PATIENCE_S = 20.0
DETAILS = "grpc-status-details-bin"
Request = translation_pb2.TranslateTextRequest
Refuse = Callable[..., Any]


def _ask(*texts: str) -> Request:
    return Request(contents=texts, source_language="en", target_language="yo")


def _health(server: Any, name: str = "") -> int:
    stub = health_pb2_grpc.HealthStub(server.channel)
    status: int = stub.Check(health_pb2.HealthCheckRequest(service=name)).status
    return status


def _until(condition: Callable[[], bool]) -> None:
    """Waits for what another thread is about to do."""
    waiting = threading.Event()
    for _ in range(int(PATIENCE_S / 0.005)):
        if condition():
            return
        waiting.wait(0.005)
    raise AssertionError("it never came to that")


def test_a_deadline_that_passes_ends_the_call_and_frees_its_rows(
    served: Callable[..., Any], echo_model: Callable[..., Any]
) -> None:
    """The caller is told in time; the row leaves the batch; the next call is served."""
    model, engine = echo_model(gated=True)
    server = served(model)
    with pytest.raises(grpc.RpcError) as caught:
        server.translation.TranslateText(_ask("We wait for the boat"), timeout=0.2)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    engine.gate.set()
    _until(lambda: not engine.rows)
    assert engine.steps <= 2
    assert server.translation.TranslateText(_ask("Rain")).results[0].translation.text == "Rain"


def test_a_caller_without_a_deadline_gets_that_of_the_server(
    served: Callable[..., Any], echo_model: Callable[..., Any], call_error: Callable[[Any], Any]
) -> None:
    """No call runs for ever, and the error is a full one."""
    model, engine = echo_model(gated=True)
    server = served(model, default_deadline_s=0.1)
    with pytest.raises(grpc.RpcError) as caught:
        server.translation.TranslateText(_ask("Rain"))
    engine.gate.set()
    error = call_error(caught.value)
    assert (error.code, error.reason) == (4, "DEADLINE_EXCEEDED")
    assert error.metadata == {"deadline_s": "0.100"}


def test_a_cancelled_call_frees_its_rows(
    served: Callable[..., Any], echo_model: Callable[..., Any]
) -> None:
    """Nobody decodes on for a client that went away."""
    model, engine = echo_model(gated=True)
    server = served(model)
    call = server.translation.TranslateText.future(_ask("We wait for the boat under the tree"))
    assert engine.inside.wait(PATIENCE_S)
    call.cancel()
    _until(lambda: server.metrics.value(CALLS, label="CANCELLED") == 1)
    engine.gate.set()
    _until(lambda: not engine.rows)
    assert engine.steps <= 2
    assert server.translation.TranslateText(_ask("Rain")).results[0].translation.text == "Rain"


def test_a_cancelled_stream_frees_its_rows(
    served: Callable[..., Any], echo_model: Callable[..., Any]
) -> None:
    """Also those of texts that were not answered yet."""
    model, engine = echo_model(gated=True)
    server = served(model)
    call = server.translation.StreamTranslateText(_ask("We wait for the boat", "We sang"))
    assert engine.inside.wait(PATIENCE_S)
    call.cancel()
    _until(lambda: server.metrics.value(CALLS, label="CANCELLED") == 1)
    engine.gate.set()
    _until(lambda: not engine.rows)
    assert engine.steps <= 2


class _BrokenCodec:
    """A tokenizer with a fault that nobody foresaw."""

    def __init__(self, codec: Any) -> None:
        self.pieces, self.translation = codec.pieces, codec.translation
        self.framing = codec.framing

    def decode(self, ids: Any) -> str:
        """Fails."""
        raise ZeroDivisionError("division of secrets by zero")


def test_an_unforeseen_fault_is_internal_and_keeps_its_secrets(
    served: Callable[..., Any],
    echo_model: Callable[..., Any],
    refusal: Refuse,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log has the traceback; the caller does not."""
    model, _ = echo_model()
    server = served(dataclasses.replace(model, codec=_BrokenCodec(model.codec)))
    error = refusal(server.translation.TranslateText, _ask("Tea", "We wait for the boat"))
    assert (error.code, error.reason) == (13, "INTERNAL")
    assert "secrets" not in error.message
    assert "division of secrets by zero" in caplog.text


def test_a_full_queue_sends_callers_away_and_says_for_how_long(
    served: Callable[..., Any],
    echo_model: Callable[..., Any],
    refusal: Refuse,
) -> None:
    """RESOURCE_EXHAUSTED with RetryInfo; those who wait are served."""
    model, engine = echo_model(gated=True, max_rows=1, max_queued_rows=2, retry_after_s=0.25)
    server = served(model)
    running = server.translation.TranslateText.future(_ask("Rain"))
    assert engine.inside.wait(PATIENCE_S)
    waiting = server.translation.TranslateText.future(_ask("Tea", "Salt"))
    _until(lambda: model.scheduler.waiting == 2)
    error = refusal(server.translation.TranslateText, _ask("Bread"))
    assert (error.code, error.reason, error.retry_s) == (8, "QUEUE_FULL", 0.25)
    engine.gate.set()
    assert running.result(PATIENCE_S).results[0].translation.text == "Rain"
    texts = [result.translation.text for result in waiting.result(PATIENCE_S).results]
    assert texts == ["Tea", "Salt"]


def test_draining_finishes_what_runs_and_refuses_what_comes(
    served: Callable[..., Any], echo_model: Callable[..., Any], refusal: Refuse
) -> None:
    """Health says so first; the running call gets its answer."""
    model, engine = echo_model(gated=True)
    server = served(model)
    running = server.translation.TranslateText.future(_ask("Rain"))
    assert engine.inside.wait(PATIENCE_S)
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    _until(lambda: _health(server) == health_pb2.HealthCheckResponse.NOT_SERVING)
    error = refusal(server.translation.TranslateText, _ask("Tea"))
    assert (error.code, error.reason) == (14, "SHUTTING_DOWN")
    engine.gate.set()
    assert running.result(PATIENCE_S).results[0].translation.text == "Rain"
    stopping.join(PATIENCE_S)


def test_a_call_that_outlives_the_grace_is_told_why(
    served: Callable[..., Any], echo_model: Callable[..., Any], call_error: Callable[[Any], Any]
) -> None:
    """UNAVAILABLE with SHUTTING_DOWN, not a broken connection."""
    model, engine = echo_model(gated=True)
    server = served(model, grace_s=0.05)
    running = server.translation.TranslateText.future(_ask("We wait for the boat"))
    assert engine.inside.wait(PATIENCE_S)
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    _until(lambda: model.scheduler.is_stopping)
    engine.gate.set()
    with pytest.raises(grpc.RpcError) as caught:
        running.result(PATIENCE_S)
    stopping.join(PATIENCE_S)
    assert call_error(caught.value).reason == "SHUTTING_DOWN"


def test_callers_that_never_stop_calling_are_told_why_to_the_last(
    served: Callable[..., Any], echo_model: Callable[..., Any]
) -> None:
    """Refused callers that come back at once get SHUTTING_DOWN or no connection, nothing else."""
    server = served(echo_model()[0])
    ends: list[grpc.Call] = []

    def ask() -> None:
        try:
            call = server.translation.TranslateText.future(_ask("Rain"), timeout=PATIENCE_S)
        except ValueError:
            return  # the test is over and its channel closed
        call.add_done_callback(again)

    def again(call: Any) -> None:
        if call.code() is not grpc.StatusCode.OK:
            ends.append(call)
        if call.code() is grpc.StatusCode.OK or DETAILS in dict(call.trailing_metadata() or ()):
            ask()

    for _ in range(100):
        ask()
    _until(lambda: server.metrics.value(CALLS, label="OK") > 100)
    server.stop()
    _until(lambda: len([call for call in ends if not call.trailing_metadata()]) == 100)
    told = {call.code() for call in ends if call.trailing_metadata()}
    assert told == {grpc.StatusCode.UNAVAILABLE}
    # A call that reaches gRPC in the moment in which it closes is cancelled by gRPC itself, before
    # anything of ours sees it: on a busy machine in one test of three.
    untold = {call.code() for call in ends if not call.trailing_metadata()}
    assert untold <= {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    assert any(call.trailing_metadata() for call in ends)


def test_health_knows_the_server_its_services_and_its_models(
    served: Callable[..., Any], echo_model: Callable[..., Any]
) -> None:
    """And nothing else."""
    server = served(echo_model()[0])
    for name in ("", *SERVICES, "models/golden-translation"):
        assert _health(server, name) == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.RpcError) as caught:
        _health(server, "models/none")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


class _FatalError(BaseException):
    """What no guard around an engine catches."""


def test_a_model_that_dies_tells_its_callers_and_everybody(
    served: Callable[..., Any],
    echo_model: Callable[..., Any],
    call_error: Callable[[Any], Any],
    refusal: Refuse,
) -> None:
    """Who runs, who waits and who comes gets UNAVAILABLE with RetryInfo; health: NOT_SERVING."""
    model, engine = echo_model(gated=True, max_rows=1, retry_after_s=0.25)

    def fail(parents: Any) -> None:
        raise _FatalError

    engine.select = fail
    server = served(model)
    running = server.translation.TranslateText.future(_ask("We wait for the boat"))
    assert engine.inside.wait(PATIENCE_S)
    waiting = server.translation.TranslateText.future(_ask("Tea"))
    _until(lambda: model.scheduler.waiting == 1)
    running.cancel()  # so that its row is selected away at the next step
    engine.gate.set()
    with pytest.raises(grpc.RpcError) as caught:
        waiting.result(PATIENCE_S)
    for error in (
        call_error(caught.value),
        refusal(server.translation.TranslateText, _ask("Rain")),
    ):
        assert (error.code, error.reason, error.retry_s) == (14, "MODEL_DOWN", 0.25)
    not_serving = health_pb2.HealthCheckResponse.NOT_SERVING
    _until(lambda: _health(server, "models/golden-translation") == not_serving)
    assert _health(server) == not_serving


def test_what_alone_passes_the_memory_ceiling_is_refused(
    served: Callable[..., Any], echo_model: Callable[..., Any], refusal: Refuse
) -> None:
    """RESOURCE_EXHAUSTED with RetryInfo, at once, whatever else there is in the call."""
    server = served(echo_model(max_rows=2, retry_after_s=0.25)[0])
    request = _ask("Rain")
    request.decoding.beam_size = 4
    error = refusal(server.translation.TranslateText, request)
    assert (error.code, error.reason, error.retry_s) == (8, "MEMORY_CEILING", 0.25)
    assert server.translation.TranslateText(_ask("Rain")).results[0].translation.text == "Rain"


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_shows_every_service(
    served: Callable[..., Any], echo_model: Callable[..., Any], version: str
) -> None:
    """In both versions, so that old and new tools find their way."""
    server = served(echo_model()[0])
    name = f"grpc.reflection.{version}.ServerReflection"
    call = server.channel.stream_stream(
        f"/{name}/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    (answer,) = call(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
    listed = {service.name for service in answer.list_services_response.service}
    assert listed >= {*SERVICES, name, "grpc.health.v1.Health"}
    assert reflection_pb2_grpc.ServerReflectionStub(server.channel)


def test_every_declared_method_is_filled_or_says_that_it_is_not(
    served: Callable[..., Any],
    echo_model: Callable[..., Any],
    call_error: Callable[[Any], Any],
) -> None:
    """UNIMPLEMENTED always comes with an ErrorInfo that names the method."""
    server = served(echo_model()[0])
    unfilled = []
    for file in (translation_pb2, classification_pb2, models_pb2):
        for service in file.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                error = _call_empty(server, service, method, call_error)
                if error is not None and error.reason == "METHOD_UNIMPLEMENTED":
                    assert (error.code, error.metadata) == (12, {"method": method.name})
                    unfilled.append(method.name)
    assert unfilled == [
        "BatchTranslateText",
        "ScoreTranslations",
        "ClassifyMessage",
        "LoadModel",
        "UnloadModel",
        "GetModelStatistics",
    ]


def _call_empty(server: Any, service: Any, method: Any, call_error: Callable[[Any], Any]) -> Any:
    """The error of a call with an empty request; None where that is a good one."""
    kind = server.channel.unary_stream if method.server_streaming else server.channel.unary_unary
    call = kind(
        f"/{service.full_name}/{method.name}",
        request_serializer=lambda request: request,
        response_deserializer=lambda response: response,
    )
    try:
        list(call(b""))  # a stream fails in here
    except grpc.RpcError as error:
        return call_error(error)
    return None


def test_the_id_of_a_request_comes_back(
    served: Callable[..., Any], echo_model: Callable[..., Any]
) -> None:
    """The caller's own, from metadata or message, or one that was made up."""
    server = served(echo_model()[0])

    def returned(request: Request, **options: Any) -> str:
        _, call = server.translation.TranslateText.with_call(request, **options)
        return str(dict(call.trailing_metadata())["x-request-id"])

    assert returned(_ask("Rain"), metadata=[("x-request-id", "from-header")]) == "from-header"
    named = _ask("Rain")
    named.request_id = "from-message"
    assert returned(named) == "from-message"
    assert len(returned(_ask("Rain"))) == 32


def test_an_error_over_long_values_still_reaches_the_caller(
    served: Callable[..., Any], echo_model: Callable[..., Any], refusal: Refuse
) -> None:
    """What a caller sent is quoted, but metadata has a limit: it is cut."""
    server = served(echo_model()[0])
    long = "x" * 100_000
    error = refusal(
        server.translation.TranslateText,
        Request(contents=["Rain"], source_language=long, target_language="Ẹ" * 50_000, model=""),
    )
    assert error.reason == "LANGUAGE_UNSUPPORTED"
    assert len(error.message) <= 800
    terms = [{"target": "x"}] * 1_000
    many = refusal(server.translation.TranslateText, Request(contents=["Rain"], terms=terms))
    assert many.reason == "ARGUMENT_INVALID"
    assert many.fields["..."].endswith("more fields are at fault")


def test_many_callers_share_the_batch_and_get_their_own_texts(
    served: Callable[..., Any], echo_model: Callable[..., Any]
) -> None:
    """Forty calls at once, each with texts of its own."""
    model, engine = echo_model()
    server = served(model)
    calls = {
        number: server.translation.TranslateText.future(_ask(f"Tea {number}", f"Salt {number}"))
        for number in range(40)
    }
    for number, call in calls.items():
        texts = [result.translation.text for result in call.result(PATIENCE_S).results]
        assert texts == [f"Tea {number}", f"Salt {number}"]
    _until(lambda: not engine.rows)
    assert engine.widest > 1
    assert server.metrics.value(CALLS, label="OK") == 40
