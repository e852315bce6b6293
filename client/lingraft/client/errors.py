"""What can go wrong for a caller, as one tree; no RpcError leaves this package.

ClientError
├── ArgumentError                the call was not sent: an argument or a setting is wrong
└── ServiceError                 the call, or one text of it, failed; code, reason and evidence
    ├── InvalidArgumentError     the server refuses the request as it is
    │   ├── EmptyTextError           a text is empty or white space only
    │   ├── InputTooLongError        a text is over a limit
    │   ├── TooManyTextsError        a call has too many texts
    │   ├── LanguageUnsupportedError no served model has this pair
    │   ├── LanguageRequiredError    the source language must be named
    │   └── OptionUnsupportedError   the server cannot do this option
    ├── NotFoundError            what was asked for is not there
    │   └── ModelNotFoundError       no such model or version
    ├── UnimplementedError       the server does not have this call
    ├── ExhaustedError           a limit of the server was hit
    │   └── QueueFullError           too much waits; `retry_delay_s` says when to come back
    ├── DeadlineError            no answer in the time that was given
    ├── UnavailableError         no server answers at this address
    ├── AccessError              the server does not let this caller in
    ├── CallCancelledError       the call was given up before its answer
    └── ServerFaultError         a fault of the server, or an answer that cannot be read

`ERRORS` is the one table from gRPC status code and reason to these classes; its other half is the
table of errors at the head of `protos/lingraft/v1/common.proto`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, cast

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode

_STATUS_KEY = "grpc-status-details-bin"


@dataclass(frozen=True)
class Violation:
    """One faulty field of a request: its path, and what is wrong with it."""

    field: str
    description: str


@dataclass(frozen=True)
class Origin:
    """Where a call went, for the message of its error."""

    server: str
    timeout_s: float


class ClientError(Exception):
    """Everything this package raises."""


class ArgumentError(ClientError):
    """The call was not sent: an argument or a setting is wrong."""


class ServiceError(ClientError):
    """The call, or one text of it, failed.

    `code` is the gRPC status code; `reason` the UPPER_SNAKE name of the fault ("" when none was
    sent); `metadata` the values in the message; `violations` the faulty fields; `retry_delay_s`
    the seconds to wait before another try, None when the server names none.
    """

    def __init__(
        self,
        message: str,
        code: StatusCode,
        reason: str = "",
        metadata: Mapping[str, str] = MappingProxyType({}),
        violations: Iterable[Violation] = (),
        retry_delay_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.reason = reason
        self.metadata = dict(metadata)
        self.violations = tuple(violations)
        self.retry_delay_s = retry_delay_s


class InvalidArgumentError(ServiceError):
    """The server refuses the request as it is; `violations` names every faulty field."""


class EmptyTextError(InvalidArgumentError):
    """A text is empty or white space only."""


class InputTooLongError(InvalidArgumentError):
    """A text is over a limit."""


class TooManyTextsError(InvalidArgumentError):
    """A call has too many texts."""


class LanguageUnsupportedError(InvalidArgumentError):
    """No served model has this pair of languages."""


class LanguageRequiredError(InvalidArgumentError):
    """The source language was left out, and more than one is possible."""


class OptionUnsupportedError(InvalidArgumentError):
    """The server cannot do this option."""


class NotFoundError(ServiceError):
    """What was asked for is not there."""


class ModelNotFoundError(NotFoundError):
    """No such model or version is served."""


class UnimplementedError(ServiceError):
    """The server does not have this call."""


class ExhaustedError(ServiceError):
    """A limit of the server, or of this client's `max_response_bytes`, was hit."""


class QueueFullError(ExhaustedError):
    """Too much waits already; `retry_delay_s` says when to come back."""


class DeadlineError(ServiceError):
    """No answer came in the time that was given."""


class UnavailableError(ServiceError):
    """No server answers at this address, or it is shutting down."""


class AccessError(ServiceError):
    """The server does not let this caller in."""


class CallCancelledError(ServiceError):
    """The call was given up before its answer."""


class ServerFaultError(ServiceError):
    """A fault of the server, or an answer that cannot be read."""


# A row with the reason "" takes what has no row of its own; what has no row at all is a fault.
ERRORS: Mapping[tuple[StatusCode, str], type[ServiceError]] = {
    (StatusCode.INVALID_ARGUMENT, ""): InvalidArgumentError,
    (StatusCode.INVALID_ARGUMENT, "EMPTY_TEXT"): EmptyTextError,
    (StatusCode.INVALID_ARGUMENT, "INPUT_TOO_LONG"): InputTooLongError,
    (StatusCode.INVALID_ARGUMENT, "TOO_MANY_TEXTS"): TooManyTextsError,
    (StatusCode.INVALID_ARGUMENT, "LANGUAGE_UNSUPPORTED"): LanguageUnsupportedError,
    (StatusCode.INVALID_ARGUMENT, "LANGUAGE_REQUIRED"): LanguageRequiredError,
    (StatusCode.INVALID_ARGUMENT, "OPTION_UNSUPPORTED"): OptionUnsupportedError,
    (StatusCode.FAILED_PRECONDITION, ""): InvalidArgumentError,
    (StatusCode.NOT_FOUND, ""): NotFoundError,
    (StatusCode.NOT_FOUND, "MODEL_NOT_FOUND"): ModelNotFoundError,
    (StatusCode.UNIMPLEMENTED, ""): UnimplementedError,
    (StatusCode.RESOURCE_EXHAUSTED, ""): ExhaustedError,
    (StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL"): QueueFullError,
    (StatusCode.DEADLINE_EXCEEDED, ""): DeadlineError,
    (StatusCode.UNAVAILABLE, ""): UnavailableError,
    (StatusCode.UNAUTHENTICATED, ""): AccessError,
    (StatusCode.PERMISSION_DENIED, ""): AccessError,
    (StatusCode.CANCELLED, ""): CallCancelledError,
}

_CODES = {code.value[0]: code for code in StatusCode}


def from_status(status: status_pb2.Status) -> ServiceError:
    """The error that a google.rpc.Status stands for."""
    code = _CODES.get(status.code, StatusCode.UNKNOWN)
    info = _detail(status, error_details_pb2.ErrorInfo)
    faults = _detail(status, error_details_pb2.BadRequest)
    retry = _detail(status, error_details_pb2.RetryInfo)
    kind = ERRORS.get((code, info.reason)) or ERRORS.get((code, ""), ServerFaultError)
    return kind(
        status.message or f"the server answered {code.name} and did not say why",
        code=code,
        reason=info.reason,
        metadata=info.metadata,
        violations=[Violation(each.field, each.description) for each in faults.field_violations],
        retry_delay_s=retry.retry_delay.ToNanoseconds() / 1e9 if retry.ByteSize() else None,
    )


def from_rpc_error(error: grpc.RpcError, origin: Origin) -> ServiceError:
    """The error that a failed call stands for; `origin` says where the call went."""
    call = cast("grpc.Call", error)
    with suppress(DecodeError):  # the plain code and words are still there
        for key, value in call.trailing_metadata() or ():
            if key == _STATUS_KEY:
                return from_status(status_pb2.Status.FromString(cast("bytes", value)))
    code, details = call.code() or StatusCode.UNKNOWN, call.details() or ""
    return from_status(
        status_pb2.Status(code=code.value[0], message=_explain(code, details, origin))
    )


def _explain(code: StatusCode, details: str, origin: Origin) -> str:
    """What a status without details means, and what can be done."""
    match code:
        case StatusCode.UNAVAILABLE:
            story = (
                f"no server answers at {origin.server}; start one with `lingraft-server "
                "BUNDLE_FOLDER`, or give the address of another: --server HOST:PORT, "
                'LINGRAFT_SERVER or Client("HOST:PORT")'
            )
        case StatusCode.DEADLINE_EXCEEDED:
            story = (
                f"no answer from {origin.server} within {origin.timeout_s:g} s; send fewer texts, "
                "or give more time: --timeout-s, LINGRAFT_TIMEOUT_S or timeout="
            )
        case StatusCode.UNIMPLEMENTED:
            story = (
                f"the server at {origin.server} does not know this call; is it a Lingraft server?"
            )
        case StatusCode.NOT_FOUND:
            story = f"the server at {origin.server} has nothing of that name"
        case _:
            story = f"the call to {origin.server} failed with {code.name}"
    return f"{story} (gRPC: {details})" if details else story


def _detail(status: status_pb2.Status, kind: type[Any]) -> Any:
    """The detail of that kind; an empty one when there is none."""
    found = kind()
    with suppress(DecodeError):  # a detail that cannot be read says nothing
        for each in status.details:
            if each.Is(kind.DESCRIPTOR):
                each.Unpack(found)
    return found
