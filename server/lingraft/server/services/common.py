"""What the services share: limits, checks of requests, resource names, pages."""

from __future__ import annotations

import asyncio
import base64
import binascii
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from lingraft.server.errors import (
    EmptyTextError,
    InputTooLongError,
    InvalidArgumentError,
    RequestError,
    TooManyTextsError,
    UnimplementedMethodError,
    UnsupportedOptionError,
    Violation,
    merge,
)

_ItemT = TypeVar("_ItemT")
_REQUEST_ID_LETTERS = 128
# Characters that are read in a fraction of a millisecond, and what any text takes beside its own.
_READ_AT_ONCE, _PER_TEXT = 1_000, 100
_PAGE, _LARGEST_PAGE = 100, 1_000


@dataclass(frozen=True)
class Edge:
    """Limits of the edge, and its clock in seconds."""

    max_texts: int
    max_sentences: int
    max_text_characters: int
    default_deadline_s: float
    clock: Callable[[], float]

    def deadline(self, context: Any) -> float:
        """When the call must be over, on this clock."""
        remaining: float | None = context.time_remaining()
        return self.clock() + (self.default_deadline_s if remaining is None else remaining)


async def beside_the_loop(texts: Iterable[str], read: Callable[[], _ItemT]) -> _ItemT:
    """What `read` makes of texts: in another thread, or at once where they are few and short.

    Handing a sentence over costs more than reading it, and the model's thread waits meanwhile.
    """
    weight = sum(len(text) + _PER_TEXT for text in texts)
    return read() if weight <= _READ_AT_ONCE else await asyncio.to_thread(read)


def invalid(field: str, what: str, **metadata: str) -> InvalidArgumentError:
    """A field is missing or outside its range."""
    return InvalidArgumentError(f"{field} {what}", [Violation(field, what)], metadata)


def unsupported(field: str, what: str = "is not built in this server") -> UnsupportedOptionError:
    """An option that the API knows and this server does not."""
    return UnsupportedOptionError(f"{field} {what}", [Violation(field, what)], {field: "set"})


def refuse(faults: Sequence[RequestError]) -> None:
    """Raises all faults as one error; does nothing when there is none."""
    if faults:
        raise merge(faults)


def unfilled(method: str) -> Any:
    """A method that is declared in the API and not built yet."""

    async def call(self: Any, request: Any, context: Any) -> NoReturn:
        raise UnimplementedMethodError(
            f"{method} is not built in this version of the server", {"method": method}
        )

    return call


def batch_faults(edge: Edge, request: Any, field: str) -> list[RequestError]:
    """What is wrong with the number of texts in `field`, and with the request's id."""
    faults: list[RequestError] = []
    count = len(getattr(request, field))
    if count == 0:
        faults.append(invalid(field, "must hold at least one text"))
    if count > edge.max_texts:
        faults.append(too_many(field, edge.max_texts, count, f"{count} texts"))
    if len(request.request_id) > _REQUEST_ID_LETTERS:
        faults.append(invalid("request_id", f"is longer than {_REQUEST_ID_LETTERS} characters"))
    # It goes into log lines and metadata: a line break would forge either.
    if not (request.request_id.isascii() and request.request_id.isprintable()):
        faults.append(invalid("request_id", "holds other characters than printable ASCII"))
    return faults


def enum_faults(message: Any, *fields: str) -> list[RequestError]:
    """Enum fields with numbers that this version of the API does not know."""
    faults: list[RequestError] = []
    for name in fields:
        field = message.DESCRIPTOR.fields_by_name[name]
        number = getattr(message, name)
        if number not in field.enum_type.values_by_number:
            faults.append(invalid(name, f"has no value {number}"))
    return faults


def check_text(edge: Edge, text: str, field: str) -> None:
    """Raises EmptyTextError or InputTooLongError for one text, which stands in `field`."""
    if not text.strip():
        message = "the text is empty or white space only"
        raise EmptyTextError(f"{field}: {message}", [Violation(field, message)])
    if len(text) > edge.max_text_characters:
        raise _too_long(field, edge.max_text_characters, len(text))


def _too_long(field: str, limit: int, actual: int) -> InputTooLongError:
    message = f"the text has {actual} characters, the limit is {limit}"
    metadata = {"limit": str(limit), "actual": str(actual), "unit": "characters"}
    return InputTooLongError(f"{field}: {message}", [Violation(field, message)], metadata)


def too_many(field: str, limit: int, actual: int, found: str) -> TooManyTextsError:
    """More in one call than the limit; `found` says what was counted."""
    message = f"{field} holds {found}, the limit is {limit}"
    metadata = {"limit": str(limit), "actual": str(actual)}
    return TooManyTextsError(message, [Violation(field, message)], metadata)


def page_of(
    items: Sequence[_ItemT], page_size: int, token: str, query: str = ""
) -> tuple[Sequence[_ItemT], str]:
    """A page and the token of the next one, "" after the last (AIP-158).

    `query` stands for the other fields: a token is good for the same ones only. Raises
    InvalidArgumentError naming all that is wrong.
    """
    faults: list[RequestError] = []
    if page_size < 0:
        faults.append(invalid("page_size", f"must not be negative, is {page_size}"))
    begin = _read_token(token, query)
    if begin is None:
        faults.append(invalid("page_token", "is not the next_page_token of this query"))
    refuse(faults)
    first = begin or 0
    end = first + min(page_size or _PAGE, _LARGEST_PAGE)
    return items[first:end], _write_token(end, query) if end < len(items) else ""


def _write_token(begin: int, query: str) -> str:
    text = f"{begin}.{zlib.crc32(query.encode())}"
    return base64.urlsafe_b64encode(text.encode()).decode()


def _read_token(token: str, query: str) -> int | None:
    if not token:
        return 0
    try:
        begin, _, _ = base64.urlsafe_b64decode(token.encode()).decode().partition(".")
        number = int(begin)
    except (binascii.Error, ValueError):
        return None
    return number if number >= 0 and token == _write_token(number, query) else None
