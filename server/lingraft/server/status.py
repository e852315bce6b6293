"""The border where the server's errors become gRPC statuses. The one table stands here."""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from lingraft.server.errors import (
    BundleError,
    DeadlineExceededError,
    LaterError,
    MemoryCeilingError,
    ModelDownError,
    ModelNotFoundError,
    QueueFullError,
    RequestError,
    ServerError,
    ShuttingDownError,
    UnimplementedMethodError,
    Violation,
)

DOMAIN = "lingraft"
DETAILS_KEY = "grpc-status-details-bin"

# A class stands for its subclasses; what is not here is INTERNAL.
_CODES: dict[type[ServerError], grpc.StatusCode] = {
    RequestError: grpc.StatusCode.INVALID_ARGUMENT,
    ModelNotFoundError: grpc.StatusCode.NOT_FOUND,
    UnimplementedMethodError: grpc.StatusCode.UNIMPLEMENTED,
    QueueFullError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    MemoryCeilingError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ModelDownError: grpc.StatusCode.UNAVAILABLE,
    ShuttingDownError: grpc.StatusCode.UNAVAILABLE,
    DeadlineExceededError: grpc.StatusCode.DEADLINE_EXCEEDED,
    BundleError: grpc.StatusCode.FAILED_PRECONDITION,
}

# gRPC takes 8 KiB of trailing metadata for sure, and the message is in it twice: once as it is and
# once with three letters for each byte that is not ASCII.
_MESSAGE_BYTES = 800
_VALUE_BYTES = 200
_INFO_BYTES = 1_200
_VIOLATIONS_BYTES = 2_000


def code_of(error: ServerError) -> grpc.StatusCode:
    """The gRPC code of an error."""
    for kind in type(error).__mro__:
        if kind in _CODES:
            return _CODES[kind]
    return grpc.StatusCode.INTERNAL


def to_status(error: ServerError) -> status_pb2.Status:
    """The google.rpc.Status of an error: ErrorInfo, with BadRequest or RetryInfo where due."""
    code: tuple[int, str] = code_of(error).value
    details: list[Message] = [_error_info(error)]
    if isinstance(error, RequestError) and error.violations:
        details.append(_bad_request(error.violations))
    if isinstance(error, LaterError):
        details.append(_retry_info(error.retry_after_s))
    return status_pb2.Status(
        code=code[0],
        message=_clip(error.message, _MESSAGE_BYTES),
        details=[_packed(detail) for detail in details],
    )


async def abort(context: Any, error: ServerError) -> None:
    """Ends the call with the status of `error`. Raises grpc.aio.AbortError."""
    status = to_status(error)
    trailing = (*(context.trailing_metadata() or ()), (DETAILS_KEY, status.SerializeToString()))
    await context.abort(code_of(error), status.message, trailing)


def _error_info(error: ServerError) -> Message:
    """The metadata as far as there is room; the violations go on counting what is left out."""
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN)
    for key, value in error.metadata.items():
        if info.ByteSize() > _INFO_BYTES:
            break
        info.metadata[key] = _clip(value, _VALUE_BYTES)
    return info  # type: ignore[no-any-return]


def _bad_request(violations: tuple[Violation, ...]) -> Message:
    """All violations, or as many as metadata can carry and a last one that counts the others."""
    bad = error_details_pb2.BadRequest()
    for index, violation in enumerate(violations):
        if bad.ByteSize() > _VIOLATIONS_BYTES:
            rest = f"{len(violations) - index} more fields are at fault"
            bad.field_violations.add(field="...", description=rest)
            break
        description = _clip(violation.description, _VALUE_BYTES)
        bad.field_violations.add(field=violation.field, description=description)
    return bad  # type: ignore[no-any-return]


def _retry_info(seconds: float) -> Message:
    delay = duration_pb2.Duration()
    delay.FromNanoseconds(int(seconds * 1e9))
    info: Message = error_details_pb2.RetryInfo(retry_delay=delay)
    return info


def _packed(detail: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed


def _clip(text: str, most: int) -> str:
    """What a caller sent may be long and stands in the message: too much would break the call."""
    coded = text.encode()
    if len(coded) <= most:
        return text
    return coded[: most - len("…".encode())].decode(errors="ignore") + "…"
