"""The border where errors become statuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import grpc
import pytest

from lingraft.server import errors
from lingraft.server.errors import ServerError, Violation, merge
from lingraft.server.status import code_of, to_status

CODES = {
    "ARGUMENT_INVALID": grpc.StatusCode.INVALID_ARGUMENT,
    "EMPTY_TEXT": grpc.StatusCode.INVALID_ARGUMENT,
    "INPUT_TOO_LONG": grpc.StatusCode.INVALID_ARGUMENT,
    "TOO_MANY_TEXTS": grpc.StatusCode.INVALID_ARGUMENT,
    "LANGUAGE_UNSUPPORTED": grpc.StatusCode.INVALID_ARGUMENT,
    "LANGUAGE_REQUIRED": grpc.StatusCode.INVALID_ARGUMENT,
    "OPTION_UNSUPPORTED": grpc.StatusCode.INVALID_ARGUMENT,
    "METHOD_UNIMPLEMENTED": grpc.StatusCode.UNIMPLEMENTED,
    "MODEL_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "QUEUE_FULL": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "MEMORY_CEILING": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "MODEL_DOWN": grpc.StatusCode.UNAVAILABLE,
    "DEADLINE_EXCEEDED": grpc.StatusCode.DEADLINE_EXCEEDED,
    "SHUTTING_DOWN": grpc.StatusCode.UNAVAILABLE,
    "BUNDLE_INVALID": grpc.StatusCode.FAILED_PRECONDITION,
    "INTERNAL": grpc.StatusCode.INTERNAL,
}


def _tree(kind: type[ServerError]) -> Iterator[type[ServerError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _tree(child)


def test_every_error_has_the_code_that_the_api_promises() -> None:
    """The table at the head of common.proto, reason by reason."""
    kinds = list(_tree(ServerError))
    assert {kind.reason for kind in kinds} == set(CODES)
    for kind in kinds:
        assert code_of(kind("words")) is CODES[kind.reason]


def test_the_drawn_tree_names_every_error() -> None:
    """The docstring of errors.py is the map."""
    for kind in _tree(ServerError):
        assert f" {kind.__name__} " in f" {errors.__doc__} ".replace("\n", " \n ")


def test_a_status_carries_reason_metadata_and_fields(unpack: Callable[[Any], Any]) -> None:
    """Exactly one ErrorInfo, and a BadRequest for what the caller can mend."""
    error = errors.EmptyTextError("no text", [Violation("contents[3]", "is empty")], {"at": "3"})
    refused = unpack(to_status(error))
    assert (refused.reason, refused.message) == ("EMPTY_TEXT", "no text")
    assert refused.fields == {"contents[3]": "is empty"}
    assert refused.metadata == {"at": "3"}
    assert refused.retry_s is None


def test_a_full_queue_says_when_to_come_back(unpack: Callable[[Any], Any]) -> None:
    """RetryInfo in seconds."""
    assert unpack(to_status(errors.QueueFullError("full", 1.5))).retry_s == 1.5


@pytest.mark.parametrize("kind", [errors.MemoryCeilingError, errors.ModelDownError])
def test_whoever_may_come_back_is_told_when(
    unpack: Callable[[Any], Any], kind: type[errors.LaterError]
) -> None:
    """RetryInfo for a text over the memory ceiling, and for a model that is down."""
    assert unpack(to_status(kind("no", 2.5))).retry_s == 2.5


def test_no_error_outgrows_the_metadata_that_grpc_carries() -> None:
    """A thousand faults, with three bytes to a letter, still arrive as what they are."""
    long = "語" * 3_000
    faults = [
        errors.UnsupportedOptionError(long, [Violation(field, long)], {field: long})
        for field in (f"documents[{place}].mime_type" for place in range(1_024))
    ]
    status = to_status(merge(faults))
    percent_encoded = len(quote(status.message))
    assert len(status.SerializeToString()) + percent_encoded < 8_192 - 512
    assert status.message.endswith("…")


@pytest.mark.parametrize(
    ("kinds", "merged"),
    [
        ([errors.EmptyTextError], errors.EmptyTextError),
        ([errors.EmptyTextError, errors.EmptyTextError], errors.EmptyTextError),
        ([errors.EmptyTextError, errors.InputTooLongError], errors.InvalidArgumentError),
    ],
)
def test_faults_of_one_request_become_one_error(
    kinds: list[type[errors.RequestError]], merged: type[errors.RequestError]
) -> None:
    """With every field; of one kind where they are."""
    faults = [
        kind(f"fault {place}", [Violation(f"field {place}", "is wrong")], {f"key{place}": "v"})
        for place, kind in enumerate(kinds)
    ]
    error = merge(faults)
    assert type(error) is merged
    assert [violation.field for violation in error.violations] == [
        f"field {place}" for place in range(len(kinds))
    ]
    assert set(error.metadata) == {f"key{place}" for place in range(len(kinds))}
