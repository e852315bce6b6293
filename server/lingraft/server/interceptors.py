"""What happens to every call, once: id, deadline, drain, counting, and errors into statuses."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import grpc
from grpc import aio

from lingraft.server import logs, status
from lingraft.server.errors import (
    DeadlineExceededError,
    InternalError,
    ServerError,
    ShuttingDownError,
)
from lingraft.server.metrics import CALL_SECONDS, CALLS, Metrics

REQUEST_ID_KEY = "x-request-id"
_OURS = "/lingraft.v1."
_ID_LETTERS = 128
# gRPC hands calls over one by one, far quicker than this; what waits when it stops, it cancels.
_QUIET_S = 0.01
_log = logging.getLogger(__name__)


class CallBorder(aio.ServerInterceptor):
    """Wraps each call of our services; health and reflection pass, also while the server drains."""

    def __init__(self, default_deadline_s: float, metrics: Metrics) -> None:
        self._default_deadline_s, self._metrics = default_deadline_s, metrics
        self._draining = False
        self._running = self._arrived = 0
        self._wrapped: dict[str, tuple[Any, Any]] = {}  # by method: a handler, and it wrapped
        self._may_refuse = asyncio.Event()
        self._may_refuse.set()
        self._idle = asyncio.Event()
        self._idle.set()

    async def drain(self, grace_s: float) -> bool:
        """Refuses new calls and waits for the running ones. False when `grace_s` was too short."""
        self._draining = True
        try:
            await asyncio.wait_for(self._idle.wait(), grace_s)
        except TimeoutError:
            return False
        return True

    async def hold_refusals(self, limit_s: float) -> None:
        """Keeps refused callers from coming back at once, and waits until no more come.

        Returns when no call has come for a moment, or after `limit_s`.
        """
        self._may_refuse.clear()
        end = time.monotonic() + limit_s
        before = -1
        while before != self._arrived and time.monotonic() < end:
            before = self._arrived
            await asyncio.sleep(_QUIET_S)

    def release_refusals(self) -> None:
        """Answers those who were held."""
        self._may_refuse.set()

    async def intercept_service(
        self,
        continuation: Callable[[Any], Awaitable[Any]],
        handler_call_details: Any,
    ) -> Any:
        """The handler of a call, wrapped."""
        handler = await continuation(handler_call_details)
        method: str = handler_call_details.method
        if handler is None or not method.startswith(_OURS):
            return handler
        inner, wrapped = self._wrapped.get(method, (None, None))
        if inner is not handler:
            wrapped = self._wrap(method, handler)
            self._wrapped[method] = handler, wrapped
        return wrapped

    def _wrap(self, method: str, handler: Any) -> Any:
        """A handler whose calls pass this border."""
        codecs: dict[str, Any] = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        if handler.response_streaming:
            stream = self._stream(method, handler.unary_stream)
            return grpc.unary_stream_rpc_method_handler(stream, **codecs)
        return grpc.unary_unary_rpc_method_handler(
            self._unary(method, handler.unary_unary), **codecs
        )

    def _unary(self, method: str, inner: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
        async def call(request: Any, context: Any) -> Any:
            async with self._border(method, request, context):
                return await inner(request, context)

        return call

    def _stream(
        self, method: str, inner: Callable[..., AsyncGenerator[Any, None]]
    ) -> Callable[..., Any]:
        async def call(request: Any, context: Any) -> AsyncIterator[Any]:
            border = self._border(method, request, context)
            async with border, aclosing(inner(request, context)) as responses:
                async for response in responses:
                    yield response

        return call

    @asynccontextmanager
    async def _border(self, method: str, request: Any, context: Any) -> AsyncIterator[None]:
        began = time.monotonic()
        code = grpc.StatusCode.OK.name
        self._enter(request, context)
        try:
            async with self._deadline(context):
                yield
        except ServerError as error:
            code = status.code_of(error).name
            await status.abort(context, error)
        except asyncio.CancelledError:
            code = grpc.StatusCode.CANCELLED.name
            raise
        except Exception:  # noqa: BLE001 -- the border: what nobody foresaw becomes INTERNAL
            code = grpc.StatusCode.INTERNAL.name
            _log.exception("a call failed by a fault of the server")
            await status.abort(context, InternalError("a fault of the server; its log has more"))
        finally:
            self._leave(method, code, time.monotonic() - began)

    def _enter(self, request: Any, context: Any) -> None:
        chosen = (_header(context) or getattr(request, "request_id", ""))[:_ID_LETTERS]
        # What a caller chose goes into log lines and metadata: a line break would forge either.
        fit = bool(chosen) and chosen.isascii() and chosen.isprintable()
        identity = chosen if fit else uuid.uuid4().hex
        # The task of a call is its own context: nothing has to be set back.
        logs.request_id.set(identity)
        context.set_trailing_metadata(((REQUEST_ID_KEY, identity),))
        self._running += 1
        self._arrived += 1
        self._idle.clear()

    @asynccontextmanager
    async def _deadline(self, context: Any) -> AsyncIterator[None]:
        """The caller's deadline, or the server's for a caller who has none."""
        if self._draining:
            await self._may_refuse.wait()
            raise ShuttingDownError("the server is shutting down; another one may answer")
        remaining: float | None = context.time_remaining()
        limit = self._default_deadline_s if remaining is None else remaining
        try:
            async with asyncio.timeout(limit):
                yield
        except TimeoutError as error:
            raise DeadlineExceededError(
                f"the call took longer than the {limit:.3f} s it had",
                {"deadline_s": f"{limit:.3f}"},
            ) from error

    def _leave(self, method: str, code: str, seconds: float) -> None:
        self._running -= 1
        if self._running == 0:
            self._idle.set()
        self._metrics.count(CALLS, label=code)
        self._metrics.observe(CALL_SECONDS, seconds)
        _log.info("call", extra=logs.fields(method=method, code=code, seconds=round(seconds, 4)))


def _header(context: Any) -> str:
    metadata = dict(context.invocation_metadata() or ())
    return str(metadata.get(REQUEST_ID_KEY, ""))
