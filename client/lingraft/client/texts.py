"""The texts of a command: from arguments, a file or standard input, line by line, in batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lingraft.client.errors import ArgumentError

# Code points of one batch: keeps a call of long lines under gRPC's usual limit of 4 MB.
BATCH_CHARACTERS = 500_000


@dataclass(frozen=True)
class Item:
    """One text, and where it stood: line or argument `number`, from 1."""

    number: int
    text: str
    is_line: bool

    @property
    def place(self) -> str:
        """For people: "line 3"."""
        return f"{'line' if self.is_line else 'text'} {self.number}"

    @property
    def is_blank_line(self) -> bool:
        """True for what separates paragraphs and is not sent."""
        return self.is_line and not self.text.strip()


def from_arguments(texts: Iterable[str]) -> Iterator[Item]:
    """One item for each argument."""
    return (Item(number, text, is_line=False) for number, text in enumerate(texts, start=1))


def from_lines(stream: BinaryIO, name: str) -> Iterator[Item]:
    """One item for each line, without its end (LF or CR LF); a BOM is left out.

    Raises ArgumentError that names the line which is not UTF-8.
    """
    for number, line in enumerate(_lines(stream, name), start=1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise ArgumentError(
                f"{name}, line {number}: not UTF-8 (byte {error.start + 1} of the line is "
                f"0x{line[error.start]:02x}); convert it first, with iconv for instance"
            ) from None
        yield Item(number, text.removesuffix("\n").removesuffix("\r"), is_line=True)


def _lines(stream: BinaryIO, name: str) -> Iterator[bytes]:
    try:
        yield from stream
    except OSError as error:
        raise ArgumentError(f"cannot read {name}: {error.strerror}") from None


def from_file(path: str) -> Iterator[Item]:
    """One item for each line of a file. Raises ArgumentError when it cannot be read."""
    try:
        with Path(path).open("rb") as stream:
            yield from from_lines(stream, path)
    except OSError as error:
        raise ArgumentError(f"cannot read {path}: {error.strerror}") from None


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Consecutive items, at most `size` and about BATCH_CHARACTERS code points together."""
    batch: list[Item] = []
    characters = 0
    for item in items:
        if batch and characters + len(item.text) > BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
        batch.append(item)
        characters += len(item.text)
        if len(batch) == size:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch
