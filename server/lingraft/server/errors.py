"""The errors of the server, one tree. `status.py` is the border where they become gRPC statuses.

ServerError
├── RequestError                 the caller must change the request
│   ├── InvalidArgumentError     a field is missing, malformed or at odds with another
│   ├── UnsupportedLanguageError no served model knows the language or the pair
│   ├── LanguageRequiredError    the source language was left out and cannot be told
│   ├── InputTooLongError        a text is longer than the limit
│   ├── EmptyTextError           a text has nothing in it to work on
│   ├── TooManyTextsError        one request holds more texts or sentences than the limit
│   └── UnsupportedOptionError   an option is known to the API but not to this server
├── ModelNotFoundError           no served model has that name
├── UnimplementedMethodError     the method is declared but this server does not fill it yet
├── LaterError                   not now; the error says when to try again
│   ├── QueueFullError           too much work waits already
│   ├── MemoryCeilingError       the request alone needs more memory than its model may take
│   └── ModelDownError           the model died; this server answers nothing with it any more
├── ShuttingDownError            the server takes no new work
├── DeadlineExceededError        the caller's time ran out before the answer was there
├── InternalError                a fault of ours; the log has more
└── StartError                   the server cannot start; never sent to a caller
    ├── ConfigError              settings are wrong
    ├── BundleError              a bundle cannot be read
    ├── ProviderError            the wanted device or its runtime is not there
    └── BindError                the address cannot be listened on
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Violation:
    """One fault of a request: the path of the field and what is wrong with it."""

    field: str
    description: str


class ServerError(Exception):
    """Whatever the server says instead of an answer.

    `reason` is the machine-readable name (google.rpc.ErrorInfo); `metadata` holds every dynamic
    value of the message.
    """

    reason: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str, metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = dict(metadata or {})


class RequestError(ServerError):
    """The caller must change the request; `violations` names every fault of it."""

    reason: ClassVar[str] = "ARGUMENT_INVALID"

    def __init__(
        self,
        message: str,
        violations: Iterable[Violation] = (),
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, metadata)
        self.violations = tuple(violations)


class InvalidArgumentError(RequestError):
    """A field is missing, malformed or at odds with another."""


class UnsupportedLanguageError(RequestError):
    """No served model knows the language or the pair."""

    reason = "LANGUAGE_UNSUPPORTED"


class LanguageRequiredError(RequestError):
    """The source language was left out and cannot be told from the target."""

    reason = "LANGUAGE_REQUIRED"


class InputTooLongError(RequestError):
    """A text is longer than the limit."""

    reason = "INPUT_TOO_LONG"


class EmptyTextError(RequestError):
    """A text has nothing in it to work on."""

    reason = "EMPTY_TEXT"


class TooManyTextsError(RequestError):
    """One request holds more texts or sentences than the limit."""

    reason = "TOO_MANY_TEXTS"


class UnsupportedOptionError(RequestError):
    """An option is known to the API but not to this server."""

    reason = "OPTION_UNSUPPORTED"


class ModelNotFoundError(ServerError):
    """No served model has that name."""

    reason = "MODEL_NOT_FOUND"


class UnimplementedMethodError(ServerError):
    """The method is declared but this server does not fill it yet."""

    reason = "METHOD_UNIMPLEMENTED"


class LaterError(ServerError):
    """Not now, perhaps elsewhere; `retry_after_s` seconds say when to try again."""

    def __init__(
        self, message: str, retry_after_s: float = 1.0, metadata: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message, metadata)
        self.retry_after_s = retry_after_s


class QueueFullError(LaterError):
    """Too much work waits already."""

    reason = "QUEUE_FULL"


class MemoryCeilingError(LaterError):
    """The request alone needs more memory than its model may take."""

    reason = "MEMORY_CEILING"


class ModelDownError(LaterError):
    """The model's thread or process died; the log has more."""

    reason = "MODEL_DOWN"


class ShuttingDownError(ServerError):
    """The server takes no new work."""

    reason = "SHUTTING_DOWN"


class DeadlineExceededError(ServerError):
    """The caller's time ran out before the answer was there."""

    reason = "DEADLINE_EXCEEDED"


class InternalError(ServerError):
    """A fault of ours; the log has more."""


class StartError(ServerError):
    """The server cannot start; never sent to a caller."""


class ConfigError(StartError):
    """Settings are wrong; the message names all of them."""


class BundleError(StartError):
    """A bundle cannot be read; the message names all that is wrong with it."""

    reason = "BUNDLE_INVALID"


class ProviderError(StartError):
    """The wanted device, or the runtime for it, is not there."""


class BindError(StartError):
    """The address cannot be listened on."""


def merge(faults: Sequence[RequestError]) -> RequestError:
    """All faults of one request (at least one) as one error.

    Faults of one kind keep their reason; faults of several kinds make an InvalidArgumentError.
    """
    if len(faults) == 1:
        return faults[0]
    kinds = {type(fault) for fault in faults}
    kind = kinds.pop() if len(kinds) == 1 else InvalidArgumentError
    metadata = {key: value for fault in faults for key, value in fault.metadata.items()}
    violations = [violation for fault in faults for violation in fault.violations]
    return kind("; ".join(fault.message for fault in faults), violations, metadata)
